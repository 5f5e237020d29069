// SPDX-License-Identifier: BSD-2-Clause
//! Programs for seL4 that the spec starts beside the process server (`native/echo`, `tests/native`), and the kernel's
//! own objects, each with exactly what the spec writes.
#![forbid(unsafe_code)]

use std::fs;

use system_tests::build::{Build, Kernel};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::{self, SpecText};

/// The code of the thread in native.cdl: x0 to x4 are as its `init` says.
const THREAD: [u32; 7] = [
    0xf900_0043, // str x3, [x2]
    0x9280_0047, // mov x7, #-3: Send
    0xd400_0001, // svc #0
    0xaa04_03e0, // mov x0, x4
    0x9280_0087, // mov x7, #-5: Recv
    0xd400_0001, // svc #0
    0x1400_0000, // b .
];

#[track_caller]
fn boot(scratch: &Scratch, spec: &SpecText, config: Config) -> Machine {
    let (path, image) = (
        scratch.write("native.cdl", spec),
        scratch.path("native.elf"),
    );
    let code: Vec<u8> = THREAD.iter().flat_map(|word| word.to_le_bytes()).collect();
    let code = scratch.write("thread.bin", &code);
    Build::from_env().native_image(Kernel::Release, &path, ("thread.bin", &code), &image);
    Machine::boot(&image, config).expect("QEMU")
}

fn counted() -> Config {
    Config {
        counted: true,
        ..Config::default()
    }
}

/// What a task printed, line by line.
fn lines<'t>(text: &'t str, task: &str) -> Vec<&'t str> {
    let prefix = format!("{task}: ");
    text.lines()
        .filter_map(|line| line.trim_end().strip_prefix(&*prefix))
        .collect()
}

#[test]
fn tasks_share_memory_and_tell_each_other() {
    let scratch = Scratch::new();
    let machine = boot(&scratch, &SpecText::of_tests("native.cdl"), counted());
    machine.expect("root task: task `last` has ended", SECONDS);
    let text = machine.end();
    assert_eq!(
        lines(&text, "ask"),
        ["HELLO, badge 0", "NATIVE TASKS, badge 0", "done"]
    );
    assert_eq!(lines(&text, "call"), ["42 for badge 119"]);
    // Names, slots, sizes and rights are those of the spec.
    assert_eq!(
        lines(&text, "given"),
        [
            "given",
            "argument `given`",
            "argument `second`",
            "argument `third`",
            "uart in 8, 4096 bytes, RW--, mapped",
            "page in 9, 4096 bytes, R---, mapped",
            "first in 10, 0 bytes, -W--, not mapped",
            "second in 11, 0 bytes, R---, not mapped",
            "memory in 12, 65536 bytes, ----, not mapped",
            "line in 13, 0 bytes, ----, not mapped",
        ]
    );
    assert!(!text.contains("faults"), "{text}");
}

#[test]
fn a_thread_is_made_of_the_kernels_objects() {
    let scratch = Scratch::new();
    let machine = boot(&scratch, &SpecText::of_tests("native.cdl"), counted());
    machine.expect("watch: badge 0xbe11, value 0xfeedc0de", SECONDS);
    drop(machine);

    // What the entries of the page tables do not allow, the thread cannot do: without X its code does not run, without
    // W it does not write, and so it never gets to signal.
    for (from, to) in [
        ("code (RX)", "code (R)"),
        ("0: result (RW)", "0: result (R)"),
    ] {
        let spec = SpecText::of_tests("native.cdl").replace(from, to);
        let scratch = Scratch::new();
        let machine = boot(&scratch, &spec, counted());
        machine.expect("root task: task `last` has ended", SECONDS);
        let text = machine.end();
        assert!(!text.contains("watch:"), "with {to}: {text}");
    }
}

#[test]
fn a_task_can_do_nothing_that_the_spec_does_not_write() {
    let scratch = Scratch::new();
    let machine = boot(
        &scratch,
        &SpecText::of_tests("native-hostile.cdl"),
        counted(),
    );
    // The one with the lowest priority is last.
    machine.expect("root task: task `panics` is not started again", SECONDS);
    let text = machine.end();
    // 2: the capability is invalid for that (`seL4_InvalidCapability`).
    assert_eq!(
        lines(&text, "hostile"),
        [
            "send without W: label 2",
            "signal without W: label 2",
            "copy with more rights: DONE",
            "send through it: label 2",
            "delete it: DONE",
            "another badge: IllegalOperation",
            "another badge in place: IllegalOperation",
            "another badge of a notification: IllegalOperation",
            "an untyped that was not given: InvalidCapability",
            "an interrupt that was not given: InvalidCapability",
            "a frame that was not given: InvalidCapability",
            "a higher priority: RangeError",
            "a thread as an untyped: IllegalOperation",
            "a higher priority for another thread: RangeError",
            "13 slots of 13 are taken, in order: true",
            "2 slots of the CNode are filled",
            "the CNode behind another guard: FailedLookup",
            "write by the library: None",
            "done",
        ]
    );
    // Without G a capability stays behind.
    assert_eq!(
        lines(&text, "partner"),
        ["badge 5, 0 capabilities, slot empty"]
    );
    // Without G or P a call is never answered.
    assert_eq!(lines(&text, "answer"), ["somebody calls"]);
    assert_eq!(lines(&text, "stopped"), ["calls"]);
}

#[test]
fn faults_are_reported_and_end_a_task() {
    let scratch = Scratch::new();
    let machine = boot(
        &scratch,
        &SpecText::of_tests("native-hostile.cdl"),
        counted(),
    );
    machine.expect("root task: task `panics` is not started again", SECONDS);
    let text = machine.end();
    assert_eq!(
        lines(&text, "faults"),
        ["life 0", "life 1", "life 2", "life 3", "life 4", "life 5"]
    );
    let reports: Vec<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("root task: task `faults` faults: "))
        .filter_map(|line| line.split(" (syndrome").next()?.split(" at ip").next())
        .collect();
    let [receive, wait, write, execute, code] = reports[..] else {
        panic!("{reports:?}");
    };
    // Slots of the spec, in its order, from 8 on.
    assert_eq!(
        (receive, wait),
        ("no capability at 0xa", "no capability at 0xb")
    );
    let forbidden = ", which the page's rights forbid";
    assert!(write.starts_with("write to 0x2000") && write.ends_with(forbidden));
    assert!(execute.starts_with("instruction fetch from 0x2000") && execute.ends_with(forbidden));
    assert!(code.starts_with("write to 0x20") && code.ends_with(forbidden));
    assert!(
        text.contains("  pc 0x") && text.contains("  backtrace:"),
        "{text}"
    );
}

#[test]
fn tasks_are_started_again_as_the_spec_says() {
    let scratch = Scratch::new();
    let machine = boot(
        &scratch,
        &SpecText::of_tests("native-hostile.cdl"),
        counted(),
    );
    machine.expect("root task: task `panics` is not started again", SECONDS);
    let text = machine.end();
    let said = |text: &str, line: &str| text.lines().filter(|l| l.trim_end() == line).count();
    // Transient, and ended well; transient, and failed; permanent, which gives up at some time; temporary.
    assert_eq!(said(&text, "root task: task `ends` has ended"), 1);
    assert_eq!(
        said(&text, "root task: task `fails` has ended, and failed"),
        6
    );
    for line in [
        "root task: task `fails` is not started again: it failed 6 times",
        "root task: task `faults` is not started again: it ended 6 times",
        "root task: task `panics` is not started again, as the spec wants",
    ] {
        assert_eq!(said(&text, line), 1, "{line}");
    }
    assert_eq!(said(&text, "a native task panics"), 1);
}

/// The number before a word of a line.
fn before(line: &str, word: &str) -> u64 {
    let words: Vec<_> = line.split_whitespace().collect();
    let pair = words.windows(2).find(|pair| pair[1] == word);
    pair.and_then(|pair| pair[0].parse().ok())
        .unwrap_or_else(|| panic!("a number before `{word}` in {line}"))
}

#[test]
fn all_memory_of_the_machine_is_accounted_for() {
    let run = |memory, spec: &SpecText| {
        let scratch = Scratch::new();
        let config = Config {
            memory,
            ..counted()
        };
        let machine = boot(&scratch, spec, config);
        let root = machine.expect("bytes of memory are left", SECONDS);
        let task = machine.expect("left: ", SECONDS);
        machine.expect("root task: task `left` has ended", SECONDS);
        // What the task has is what the root task did not use, to the byte.
        let left = before(&root, "of");
        assert_eq!(before(&task, "bytes"), left);
        let image = fs::metadata(scratch.path("native.elf")).expect("the image");
        (left, before(&root, "bytes"), image.len())
    };
    let spec = SpecText::of_tests("native-left.cdl");
    let (left, all, image) = run("512M", &spec);
    let ram = 512 << 20;
    // The rest is the kernel's and the boot image's.
    let others = image + (8 << 20);
    assert!(
        all <= ram && all > ram - others,
        "{all} of {ram}, without {others}"
    );
    // All memory that a machine has more is left.
    assert_eq!(run("1G", &spec), (left + ram, all + ram, image));
    // What is declared is not left: 1 MiB, and not a byte besides.
    let less = spec.replace(
        "rest = ut (leftover)",
        "rest = ut (leftover)  more = ut (20 bits)",
    );
    let (less, same, _) = run("512M", &less);
    assert_eq!((less, same), (left - (1 << 20), all));
}

/// A server uses what is left when its own memory is full.
#[test]
fn a_server_takes_what_is_left() {
    let text = fs::read_to_string(spec::default_path().with_file_name("tutorial.cdl"));
    let small = text
        .expect("the spec")
        .replace("pool   = ut (24 bits)", "pool   = ut (14 bits)");
    let with_left = small
        .replace("objects {", "objects { rest = ut (leftover)")
        .replace("server { memory: pool", "server { memory: pool  rest: rest");
    for (spec, starts) in [(small, false), (with_left, true)] {
        let scratch = Scratch::new();
        let build = Build::from_env().with_archive_of(&scratch, &["hello", "ticker"]);
        let image = scratch.path("left.elf");
        build.image(Kernel::Release, &scratch.write("left.cdl", spec), &image);
        let machine = Machine::boot(&image, counted()).expect("QEMU");
        machine.expect(
            if starts {
                "ticker: done"
            } else {
                "the server's own memory: "
            },
            SECONDS,
        );
    }
}
