// SPDX-License-Identifier: BSD-2-Clause
//! Unpredictable bytes: from what the server knows at boot, then from a device too, as soon as a guest
//! (`guests/entropy`) that may do so brings some; and from that guest alone.
#![forbid(unsafe_code)]

use std::path::Path;

use system_tests::build::{Build, Kernel, Parts};
use system_tests::console::entries;
use system_tests::devices::Devices;
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::{self, SpecText};

fn build(scratch: &Scratch) -> Build {
    Build::from_env().with_archive_of(scratch, &["dice", "entropy"])
}

/// Boots this image. It counts instructions for time, so each boot finds the same clock.
fn boot(image: &Path, rng: bool) -> Machine {
    let config = Config {
        counted: true,
        devices: Devices {
            rng,
            ..Devices::default()
        },
        ..Config::default()
    };
    Machine::boot(image, config).expect("QEMU")
}

/// What the guest `dice` said came from there.
#[track_caller]
fn thrown(text: &str, source: &str) -> String {
    let start = format!("{source}: ");
    let found = entries(text)
        .filter(|entry| entry.guest == "dice")
        .find_map(|entry| entry.text.strip_prefix(&start).map(str::to_owned));
    found.unwrap_or_else(|| panic!("nothing came from `{source}`:\n{text}"))
}

#[test]
fn a_device_becomes_the_source_and_no_boot_is_like_another() {
    let scratch = Scratch::new();
    let image = scratch.path("entropy.elf");
    build(&scratch).image(Kernel::Release, &spec::test_path("entropy.cdl"), &image);
    let [first, second] = [(), ()].map(|()| {
        let machine = boot(&image, true);
        machine.expect(
            "feeder: the generator was fed 64 bytes of a device, *",
            SECONDS,
        );
        machine.expect("dice: Device: *", SECONDS);
        machine.end()
    });
    for text in [&first, &second] {
        let before = text.find("dice: Seed").expect("the seed comes first");
        let after = text.find("dice: Device").expect("then the device");
        assert!(before < after, "{text}");
        assert_ne!(thrown(text, "Seed"), thrown(text, "Device"), "{text}");
        assert!(
            !text.contains("faults") && !text.contains("error"),
            "{text}"
        );
    }
    assert_ne!(thrown(&first, "Device"), thrown(&second, "Device"));
}

#[test]
fn without_a_device_the_feeder_fails_and_says_why() {
    let scratch = Scratch::new();
    let image = scratch.path("entropy.elf");
    build(&scratch).image(Kernel::Release, &spec::test_path("entropy.cdl"), &image);
    let machine = boot(&image, false);
    machine.expect("dice: Seed: *", SECONDS);
    machine.expect("feeder: error: failed: panic: the device: *", SECONDS);
    let text = machine.end();
    assert!(!text.contains("dice: Device"), "{text}");
}

/// The spec, without the grant.
fn not_granted() -> SpecText {
    SpecText::of_tests("entropy.cdl").replace("wake  entropy_source  time", "wake  time")
}

#[test]
fn who_is_not_granted_it_feeds_nothing() {
    let scratch = Scratch::new();
    let build = build(&scratch);
    let image = scratch.path("entropy.elf");
    let spec = scratch.write("changed.cdl", not_granted());
    let server = build.server();
    let parts = Parts {
        spec: &spec,
        archive: &build.archive,
        server: &server,
        imports_known: true,
    };
    let output = build.try_image(Kernel::Release, parts, &image);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "the image was made");
    assert!(
        said.contains("add `entropy_source` to the capabilities of `feeder`"),
        "{said}"
    );

    // The tool may not know; the server does.
    let parts = Parts {
        imports_known: false,
        ..parts
    };
    let output = build.try_image(Kernel::Release, parts, &image);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let machine = boot(&image, true);
    machine.expect("feeder: error: did not start: module entropy imports atoll::entropy_source feed, which needs the grant entropy_source*", SECONDS);
    let text = machine.end();
    assert!(!text.contains("dice: Device"), "{text}");
}
