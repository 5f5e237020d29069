// SPDX-License-Identifier: BSD-2-Clause
//! The kernel and the `sel4` crates, tested from inside the machine by the root task `kernel-tests`.
#![forbid(unsafe_code)]

use std::path::PathBuf;
use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;

/// The tests that each show a defect of the published kernel.
const DEFECTS: [&str; 4] = [
    "fpu_owner_deletion",
    "ipc_buffer_alignment",
    "remap_after_unmap",
    "suspend_resume",
];

/// The test of a system call that only the patched kernel has.
const OUR_CALL: &str = "signal_and_wait";

/// A machine that runs the tests of these names, one a line; all, if there are none.
#[track_caller]
fn boot(scratch: &Scratch, kernel: Kernel, names: &str, cpu: &'static str) -> Machine {
    let build = Build::from_env();
    let root_task: PathBuf = build.programs.join("kernel-tests");
    let spec = scratch.write("names", names);
    let image = scratch.path("image.elf");
    build.test_image(kernel, &root_task, &spec, &image);
    let config = Config {
        cpu,
        semihosting: true,
        ..Config::default()
    };
    Machine::boot(&image, config).expect("QEMU")
}

/// Names of the tests that a run says were passed.
fn passed(text: &str) -> Vec<&str> {
    let names = text
        .lines()
        .filter_map(|line| line.strip_prefix("test ")?.strip_suffix(" ... ok"));
    names.collect()
}

/// Runs all tests, which pass; answers their names.
#[track_caller]
fn all_pass(kernel: Kernel, cpu: &'static str) -> Vec<String> {
    let scratch = Scratch::new();
    let (status, text) = boot(&scratch, kernel, "", cpu).expect_end(SECONDS);
    assert!(status.success(), "{status}:\n{text}");
    let names = passed(&text);
    let summary = format!("{} passed, 0 failed", names.len());
    assert!(
        text.lines().any(|line| line == summary),
        "no `{summary}` in:\n{text}"
    );
    for defect in DEFECTS {
        assert!(names.contains(&defect), "{defect} did not run:\n{text}");
    }
    names.into_iter().map(String::from).collect()
}

#[test]
fn all_pass_on_the_release_kernel() {
    all_pass(Kernel::Release, "cortex-a57");
}

#[test]
fn all_pass_on_the_newest_cpu() {
    all_pass(Kernel::Release, "max");
}

#[test]
fn all_pass_on_the_debug_kernel() {
    all_pass(Kernel::Debug, "cortex-a57");
}

/// So a defect's test fails for its defect, and not because the unpatched kernel does nothing right.
#[test]
fn all_others_pass_on_the_unpatched_kernel() {
    let names = all_pass(Kernel::Release, "cortex-a57");
    let others: Vec<_> = names
        .iter()
        .filter(|name| !DEFECTS.contains(&&***name) && **name != OUR_CALL)
        .collect();
    let list: String = others.iter().flat_map(|name| [name, "\n"]).collect();
    let scratch = Scratch::new();
    let (status, text) = boot(&scratch, Kernel::Unpatched, &list, "cortex-a57").expect_end(SECONDS);
    assert!(status.success(), "{status}:\n{text}");
    assert_eq!(passed(&text).len(), others.len(), "{text}");
}

/// The test fails on the unpatched kernel: it says so, or the kernel stops in the middle of it.
#[track_caller]
fn fails_unpatched(name: &str) {
    let scratch = Scratch::new();
    let machine = boot(&scratch, Kernel::Unpatched, name, "cortex-a57");
    machine.expect(&format!("run  {name}"), SECONDS);
    // It takes milliseconds; what destroyed the kernel may say nothing.
    let limit = Duration::from_secs(10);
    let verdict = machine.wait("its end", limit, |text| {
        let (complete, _) = text.rsplit_once('\n')?;
        let last = complete
            .lines()
            .find(|l| l.contains(" passed, ") || *l == "halting...")?;
        Some(last.to_owned())
    });
    let text = machine.end();
    assert_eq!(passed(&text), [""; 0], "{text}");
    if let Ok(last) = verdict {
        assert!(
            ["0 passed, 1 failed", "halting..."].contains(&&*last),
            "{text}"
        );
    }
}

#[test]
fn deleting_the_owner_of_the_fpu_needs_its_fix() {
    fails_unpatched("fpu_owner_deletion");
}

#[test]
fn checking_the_alignment_of_ipc_buffers_needs_its_fix() {
    fails_unpatched("ipc_buffer_alignment");
}

#[test]
fn mapping_again_without_a_page_table_needs_its_fix() {
    fails_unpatched("remap_after_unmap");
}

#[test]
fn resuming_a_stopped_thread_needs_its_fix() {
    fails_unpatched("suspend_resume");
}
