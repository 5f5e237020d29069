// SPDX-License-Identifier: BSD-2-Clause
//! What `make gdb` starts: gdb stops in the root task, in the server and in a guest, which have addresses in common, and
//! names who called whom.
#![forbid(unsafe_code)]

use std::path::Path;
use std::process::Command;

use system_tests::build::{Build, Kernel};
use system_tests::machine::SECONDS;
use system_tests::scratch::Scratch;
use system_tests::spec;

/// What gdb prints when it carries out these commands, and what the machine does.
fn gdb(commands: &[&str]) -> (String, String) {
    let scratch = Scratch::new();
    let image = scratch.path("isolation.elf");
    let log = scratch.path("serial.log");
    let build = Build::from_env();
    build.image(Kernel::Release, &spec::demo_path("isolation"), &image);
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../tools/gdb/atoll.py");
    // A run that is counted is always the same.
    let flags = format!("--icount --timeout {SECONDS}");
    let output = Command::new("gdb-multiarch")
        .args(["-batch", "-nx", "-x"])
        .arg(script)
        .args(["-ex", "atoll-boot"])
        .args(commands.iter().flat_map(|command| ["-ex", command]))
        .env("ATOLL", &build.atoll)
        .env("ATOLL_IMAGE", &image)
        .env("ATOLL_KERNEL", kernel(&build.kernels))
        .env("ATOLL_PROGRAMS", &build.programs)
        .env("ATOLL_ARCHIVE", &build.archive)
        .env("ATOLL_FLAGS", flags)
        .env("ATOLL_LOG", &log)
        .output()
        .expect("gdb-multiarch, of Debian's package of that name");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    let serial = std::fs::read_to_string(&log).unwrap_or_default();
    (format!("{text}\n{errors}"), serial)
}

fn kernel(kernels: &Path) -> std::path::PathBuf {
    kernels.join("release/bin/kernel.elf")
}

/// The lines of a backtrace, each without number and address, of the `at`th that was printed.
fn backtrace(text: &str, at: usize) -> Vec<&str> {
    let mut traces: Vec<Vec<&str>> = Vec::new();
    for line in text.lines() {
        let Some((number, place)) = line
            .strip_prefix('#')
            .and_then(|line| line.split_once(" 0x"))
        else {
            continue;
        };
        if number.trim() == "0" {
            traces.push(Vec::new());
        }
        if let (Some(trace), Some((_, place))) = (traces.last_mut(), place.split_once(' ')) {
            trace.push(place);
        }
    }
    traces.get(at).unwrap_or_else(|| panic!("{text}")).clone()
}

#[test]
fn gdb_tells_programs_and_guests_apart() {
    let (text, serial) = gdb(&[
        "atoll-break root-task root_task::main",
        "continue",
        "atoll-where",
        "atoll-bt",
        "delete",
        "atoll-break wasm-server boot::run",
        "continue",
        "atoll-bt",
        "atoll-guests",
        "delete",
        "atoll-break spin spin_for_ever",
        "continue",
        "atoll-bt",
        "atoll-guests",
        "kill",
    ]);
    let all = format!("{text}\n---- the machine\n{serial}");

    let root_task = backtrace(&text, 0);
    assert!(
        root_task[0].starts_with("root-task: root_task::main + 0x0 at "),
        "{all}"
    );
    assert!(root_task[0].contains("root-task/src/main.rs:"), "{all}");
    assert!(
        root_task[1..]
            .iter()
            .any(|frame| frame.contains("run_main")),
        "{all}"
    );

    let server = backtrace(&text, 1);
    assert!(
        server[0].starts_with("wasm-server: wasm_server::boot::run"),
        "{all}"
    );
    assert!(
        server[0].contains("wasm-server/platform/sel4/src/boot.rs:"),
        "{all}"
    );
    assert!(text.contains("no guests: "), "{all}");

    let guest = backtrace(&text, 2);
    assert!(
        guest[0].starts_with("spin!spin::spin_for_ever + 0x0"),
        "{all}"
    );
    assert!(guest[1].starts_with("spin!_start + 0x"), "{all}");
    // From there on it is the server that called the guest.
    let host = guest
        .iter()
        .find(|frame| frame.starts_with("wasm-server: "));
    assert!(host.is_some(), "{all}");
    assert!(
        guest
            .iter()
            .any(|frame| frame.contains("wasm_server::home::")),
        "{all}"
    );
    assert!(text.contains("guest spin (place "), "{all}");
    let running = text.lines().filter(|line| line.starts_with("* "));
    let running: Vec<_> = running.collect();
    assert!(
        matches!(running[..], [line] if line.contains(" spin ")),
        "{all}"
    );
    for name in ["ping", "pong", "oob"] {
        let listed = |line: &str| line.split_whitespace().nth(1) == Some(name);
        assert!(text.lines().any(listed), "{name}: {all}");
    }
    assert!(serial.contains("spin: about to spin"), "{all}");
}

#[test]
fn what_gdb_cannot_find_is_said() {
    let (text, _) = gdb(&[
        "atoll-break nobody main",
        "atoll-break spin no_such_function",
        "atoll-break spin",
        "atoll-where",
        "atoll-guests",
        "kill",
    ]);
    for message in [
        "there is no program or module nobody",
        "spin has no function no_such_function; it may be part of others",
        "usage: atoll-break PROGRAM FUNCTION",
        "no guests: ",
    ] {
        assert!(text.contains(message), "{message}:\n{text}");
    }
}
