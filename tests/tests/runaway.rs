// SPDX-License-Identifier: BSD-2-Clause
//! A server that faults leaves its devices as they are. The root task stops them before anything else has their
//! memory: so a server that is started again (`tests/runaway`) finds them reset.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel, Parts};
use system_tests::devices::Devices;
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec;

#[test]
fn devices_of_a_server_that_faults_are_stopped() {
    let scratch = Scratch::new();
    let build = Build::from_env().with_archive_of(&scratch, &["dice", "entropy"]);
    let image = scratch.path("runaway.elf");
    let parts = Parts {
        spec: &spec::test_path("entropy.cdl"),
        archive: &build.archive,
        server: &build.programs.join("runaway"),
        imports_known: true,
    };
    let output = build.try_image(Kernel::Release, parts, &image);
    assert!(output.status.success(), "{output:?}");
    let config = Config {
        counted: true,
        devices: Devices {
            rng: true,
            ..Devices::default()
        },
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).expect("QEMU");
    machine.expect(
        "root task: server `server` is not started again: it failed 6 times",
        SECONDS,
    );
    let text = machine.end();
    let found: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix("runaway: "))
        .collect();
    assert_eq!(found, ["found 0x0, left 0x3"; 6], "{text}");
}
