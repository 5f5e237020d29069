// SPDX-License-Identifier: BSD-2-Clause
//! The system on other machines and kernels.
#![forbid(unsafe_code)]

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Console, Entry};
use system_tests::machine::{Config, LIMIT, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// Boots the default system, and the one of the guests that misbehave: the web is served, ping and pong talk, one of
/// the others is ended by a trap, and one by its deadline.
#[track_caller]
fn works_on(kernel: Kernel, config: &Config) {
    let all = |spec: &Path, lines: &[&str]| {
        let scratch = Scratch::new();
        let image = scratch.path("image.elf");
        Build::from_env().image(kernel, spec, &image);
        let machine = Machine::boot(&image, config.clone()).expect("QEMU");
        for line in lines {
            machine.expect(line, SECONDS);
        }
        let text = machine.end();
        assert!(!text.to_lowercase().contains("panic"), "{text}");
    };
    all(
        &spec::default_path(),
        &[
            "http: serving at *:80",
            "feeder: the generator was fed 64 bytes of a device",
        ],
    );
    all(
        &spec::demo_path("isolation"),
        &[
            "ping: * of 10000 round trips",
            "oob: error: failed: trap: out of bounds memory access",
            "spin: error: failed: ended",
        ],
    );
}

macro_rules! machines {
    ($($name:ident: $kernel:ident, $cpu:literal, $memory:literal;)*) => {$(
        #[test]
        fn $name() {
            let scratch = Scratch::new();
            let devices = spec::default_devices(&scratch);
            works_on(Kernel::$kernel, &Config { cpu: $cpu, memory: $memory, devices, ..Config::default() });
        }
    )*};
}

machines! {
    cortex_a53_with_256_mib: Release, "cortex-a53", "256M";
    cortex_a57_with_1_gib: Release, "cortex-a57", "1G";
    cortex_a72_with_8_gib: Release, "cortex-a72", "8G";
    cortex_a76_with_3_gib: Release, "cortex-a76", "3G";
    newest_cpu_with_512_mib: Release, "max", "512M";
    debug_kernel_on_cortex_a57_with_512_mib: Debug, "cortex-a57", "512M";
    debug_kernel_on_newest_cpu_with_8_gib: Debug, "max", "8G";
}

/// A machine whose guests all sleep wakes them again when it is time.
#[test]
fn guests_sleep_in_real_time() {
    let scratch = Scratch::new();
    let image = scratch.path("isolation.elf");
    Build::from_env().image(Kernel::Release, &spec::demo_path("isolation"), &image);
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    let finished = machine.expect("ping: 10000 round trips, checksum ok", SECONDS);
    let served = machine.expect(
        "ping: still serving: 10010 round trips, checksum ok",
        SECONDS,
    );
    let time = |line: &str| Entry::parse(line).expect("a line of the log").time;
    // Ten messages, one a second.
    let slept = time(&served) - time(&finished);
    assert!(slept >= Duration::from_secs(10), "{slept:?}");
}

/// What the machine counts instead of time makes a run repeatable; so it prints the same twice. It has none of
/// the devices that bring something from outside.
#[test]
fn counted_runs_are_the_same() {
    let scratch = Scratch::new();
    let image = scratch.path("isolation.elf");
    Build::from_env().image(Kernel::Release, &spec::demo_path("isolation"), &image);
    let run = || {
        let config = Config {
            counted: true,
            ..Config::default()
        };
        let machine = Machine::boot(&image, config).expect("QEMU");
        let last = machine.expect("still serving: ", SECONDS);
        let text = machine.end();
        let end = text.find(&last).expect("the line that was just found");
        text[..end].to_owned() + &last
    };
    assert_eq!(run(), run());
}

/// What `make run` does, until one leaves.
#[test]
fn the_host_tool_runs_an_image_until_its_user_leaves() {
    let scratch = Scratch::new();
    let image = scratch.path("isolation.elf");
    let build = Build::from_env();
    build.image(Kernel::Release, &spec::demo_path("isolation"), &image);
    let mut tool = Command::new(&build.atoll)
        .args(["run", "--icount", "--memory", "256M"])
        // Ends the machine if this test does not.
        .args(["--timeout", &SECONDS.to_string()])
        .arg(&image)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the host tool");
    let mut output = tool.stdout.take().expect("its output");
    let console = Arc::new(Console::default());
    let reader = thread::spawn({
        let console = console.clone();
        move || {
            let mut buffer = [0; 4096];
            while let Ok(len @ 1..) = output.read(&mut buffer) {
                console.append(&buffer[..len]);
            }
            console.end();
        }
    });
    let checked = console.wait(LIMIT, |text| {
        text.find("ping: 10000 round trips, checksum ok")
    });
    // Ctrl-A X.
    let mut keys = tool.stdin.take().expect("its input");
    keys.write_all(b"\x01x").expect("it takes keys");
    let status = tool.wait().expect("the host tool");
    reader.join().expect("its output is read");
    assert!(checked.is_ok(), "{checked:?}:\n{}", console.text());
    assert!(status.success(), "{status}:\n{}", console.text());
}

#[test]
fn the_host_tool_ends_a_machine_when_its_time_is_up() {
    let scratch = Scratch::new();
    let image = scratch.path("isolation.elf");
    let build = Build::from_env();
    build.image(Kernel::Release, &spec::demo_path("isolation"), &image);
    let image = image.display().to_string();
    let output = build.atoll(["run", &image, "--timeout", "1"]);
    assert_eq!(output.status.code(), Some(124), "{output:?}");
}
