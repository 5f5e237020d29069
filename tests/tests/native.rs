// SPDX-License-Identifier: BSD-2-Clause
//! Programs for seL4 that the spec starts beside the process server (`native/echo`, `tests/native`), and the kernel's
//! own objects, each with exactly what the spec writes.
#![forbid(unsafe_code)]

use std::fs;
use std::path::Path;
use std::sync::OnceLock;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, LIMIT, Machine, SECONDS};
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
    let build = Build::from_env();
    boot_with(&build, &build.server(), scratch, spec, config)
}

#[track_caller]
fn boot_with(
    build: &Build,
    server: &Path,
    scratch: &Scratch,
    spec: &SpecText,
    config: Config,
) -> Machine {
    let (path, image) = (
        scratch.write("native.cdl", spec),
        scratch.path("native.elf"),
    );
    let code: Vec<u8> = THREAD.iter().flat_map(|word| word.to_le_bytes()).collect();
    let code = scratch.write("thread.bin", &code);
    let file = ("thread.bin", &*code);
    build.native_image_with(server, Kernel::Release, &path, file, &image);
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
            "14 slots of 14 are taken, in order: true",
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

/// What guests say, and the root task of their neighbours, when all channels have been used and everybody has come back.
fn channels() -> &'static str {
    static LOG: OnceLock<String> = OnceLock::new();
    LOG.get_or_init(|| {
        let scratch = Scratch::new();
        let build = Build::from_env().with_archive_of(&scratch, &["beside", "across"]);
        let spec = SpecText::of_tests("native-channels.cdl");
        let server = Build::server_that_can_crash();
        let machine = boot_with(&build, &server, &scratch, &spec, counted());
        let done = |text: &str| {
            let (_, after) = text.split_once(SERVER_AGAIN)?;
            // The ends of lines: a line is all there then.
            let is_done = [
                (text, "asker", "of mine"),
                (text, "carer", "of mine"),
                (text, "doubter", "within 10 s"),
                (text, "sufferer", "refused"),
                (after, "far_asker", "of mine"),
            ];
            let said = |&(text, guest, end): &(_, &str, &str)| {
                guest_says(text, guest, end).any(|line| line.ends_with(end))
            };
            is_done.iter().all(said).then_some(())
        };
        let end = machine.wait("all to have come back", LIMIT, done);
        let text = machine.end();
        assert!(end.is_ok(), "{end:?}\n{text}");
        text
    })
}

/// The server that goes down, and comes back.
const SERVER_AGAIN: &str = "root task: server `b` starts again (1 of 5)";

/// The lines of a guest that have this in them.
fn guest_says<'t>(text: &'t str, guest: &str, what: &str) -> impl Iterator<Item = &'t str> {
    let said = move |entry: &Entry<'_>| entry.guest == guest && entry.text.contains(what);
    let lines: Vec<_> = entries(text).filter(said).map(|entry| entry.text).collect();
    lines.into_iter()
}

#[test]
fn a_task_and_a_guest_share_a_channel() {
    let said: Vec<_> = guest_says(channels(), "asker", "rounds").collect();
    let expected = "5000 rounds with 1 lives of the task, 0 ends seen; it saw 0 of mine";
    assert_eq!(said, [expected]);
}

/// Each life ends in the middle of an answer, in another way; the next one gives it.
#[test]
fn a_task_comes_back_to_its_channel() {
    let text = channels();
    let said: Vec<_> = guest_says(text, "carer", "rounds").collect();
    let expected = "2000 rounds with 4 lives of the task, 3 ends seen; it saw 0 of mine";
    assert_eq!(said, [expected]);
    for end in ["has ended", "has ended, and failed", "faults: brk"] {
        let line = format!("root task: task `forgetful` {end}");
        let is_it = |other: &&str| other.split(" #").next() == Some(&*line);
        let count = text.lines().map(str::trim_end).filter(is_it).count();
        assert_eq!(count, 1, "{line}\n{text}");
    }
}

#[test]
fn a_guest_comes_back_to_the_channel_of_a_task() {
    let said: Vec<_> = guest_says(channels(), "doubter", "dies after").collect();
    let expected: Vec<_> = (0..6)
        .map(|before| format!("failed: panic: dies after 300 rounds, as {before} before"))
        .collect();
    assert_eq!(said, expected);
}

#[test]
fn a_server_comes_back_to_the_channel_of_a_task() {
    let (before, after) = channels().split_once(SERVER_AGAIN).expect("a restart");
    for (text, seen) in [(before, 0), (after, 1)] {
        let said: Vec<_> = guest_says(text, "far_asker", "rounds").collect();
        let lives = "1000 rounds with 1 lives of the task, 0 ends seen";
        assert_eq!(said, [format!("{lives}; it saw {seen} of mine")]);
    }
}

/// Where it may read, it does; where it may not write, execute or ring, it cannot.
#[test]
fn a_task_has_the_rights_of_its_channel() {
    let text = channels();
    let of_reader = "root task: task `reader` ";
    let said: Vec<_> = text
        .lines()
        .filter_map(|line| line.trim_end().strip_prefix(of_reader))
        .collect();
    let [write, _, execute, _, ledger, _, "has ended"] = said[..] else {
        panic!("{said:?}");
    };
    for (fault, what) in [
        (write, "write to 0x2000"),
        (execute, "instruction fetch from 0x2000"),
        (ledger, "write to 0x2000"),
    ] {
        assert!(fault.starts_with(&format!("faults: {what}")), "{fault}");
        assert!(
            fault.contains(", which the page's rights forbid"),
            "{fault}"
        );
    }
}

#[test]
fn a_task_that_writes_nonsense_harms_nobody() {
    let text = channels();
    let said: Vec<_> = guest_says(text, "sufferer", "looks").collect();
    let [line] = said[..] else {
        panic!("{said:?}\n{text}");
    };
    assert!(before(line, "were") > 0, "{line}");
    // It goes on, and so do all others but those that are to fail.
    assert!(!text.contains("task `hostile`"), "{text}");
    assert!(!text.contains("server `a`"), "{text}");
    let failed: Vec<_> = entries(text)
        .filter(|entry| entry.level == Level::Error && entry.guest != "doubter")
        .collect();
    assert!(failed.is_empty(), "{failed:?}");
}
