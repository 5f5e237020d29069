// SPDX-License-Identifier: BSD-2-Clause
//! The guest library where it is to work: a guest (`guests/tests/library`) tries one promise after the other,
//! all in one boot, and says which hold.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, LIMIT, Machine, MachineError};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// What the guest is to find true.
const PROMISES: &[&str] = &[
    "many-tasks",
    "cancellation",
    "select-and-join",
    "late-ids",
    "full-mailbox",
    "sleeps-in-order",
    "sleeps-to-the-point",
    "sleeps-among-busy-tasks",
    "timeouts",
    "intervals",
    "children",
    "child-that-sleeps",
    "stop",
    "early-stop",
    "stop-and-full-mailbox",
    "lost-while-waiting",
    "services",
    "notices",
    "rings",
    "heap-and-windows",
    "no-memory",
    "panics",
    "sinks",
    "levels",
    "two-mailboxes",
];

/// What was printed until the guest said that it is done.
fn log() -> &'static str {
    static LOG: OnceLock<String> = OnceLock::new();
    LOG.get_or_init(|| match run() {
        Ok(text) => text,
        Err((error, text)) => format!("{error}\n{text}"),
    })
}

fn run() -> Result<String, (MachineError, String)> {
    let scratch = Scratch::new();
    let build = Build::from_env().with_archive_of(&scratch, &["library"]);
    let image = scratch.path("library.elf");
    build.image(Kernel::Release, &spec::test_path("library.cdl"), &image);
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).map_err(|e| (e, String::new()))?;
    let is_end = |entry: &Entry<'_>| {
        entry.guest == "library"
            && (entry.text.starts_with("all scenarios, ") || entry.text.starts_with("failed: "))
    };
    let done = |text: &str| entries(text).find(is_end).map(drop);
    match machine.wait("the last scenario", LIMIT, done) {
        Ok(()) => Ok(machine.end()),
        Err(error) => Err((error, machine.end())),
    }
}

/// The lines of a guest.
fn lines(guest: &str) -> Vec<Entry<'static>> {
    entries(log())
        .filter(|entry| entry.guest == guest)
        .collect()
}

#[test]
fn every_promise_holds() {
    let verdict = |word: &str| {
        lines("library")
            .iter()
            .filter_map(|entry| entry.text.strip_prefix(word)?.split([' ', ':']).next())
            .collect::<Vec<_>>()
    };
    let (kept, broken) = (verdict("ok "), verdict("FAILED "));
    assert!(broken.is_empty(), "{broken:?} failed:\n{}", log());
    assert_eq!(kept, PROMISES, "{}", log());
}

/// The server writes what a guest fails with, whatever else does.
#[test]
fn what_guests_fail_with_is_in_the_log() {
    for text in [
        "memory allocation of 50000 bytes failed",
        "as task 2 was told, at guests/tests/library/src/failures.rs:",
        "as it was told, at ",
        "the first, at ",
        "the message, at ",
        "two, at ",
        "cannot sleep: busy",
    ] {
        let mut lines = lines("peer").into_iter();
        let found = lines.any(|entry| entry.level == Level::Error && entry.text.contains(text));
        assert!(found, "nobody says {text:?}:\n{}", log());
    }
}

/// Each child of the scenario `levels` has its wish for a name, and says one line of each level.
#[test]
fn lines_are_those_that_are_wanted() {
    for (guest, wanted) in [
        ("off", 0),
        ("error", 1),
        ("warn", 2),
        ("info", 3),
        ("debug", 4),
        ("much", 3),
        ("unset", 3),
    ] {
        let said: Vec<_> = lines(guest)
            .into_iter()
            .filter(|entry| entry.text.contains("said at level "))
            .map(|entry| entry.level)
            .collect();
        let all = [Level::Error, Level::Warning, Level::Info, Level::Debug];
        assert_eq!(said, all[..wanted], "{guest}:\n{}", log());
    }
    let complains = |entry: &Entry<'_>| entry.text.contains("LOG is none of");
    assert!(lines("much").iter().any(complains), "{}", log());
}

/// A line that the sink refuses goes to the server; one that it takes does not.
#[test]
fn a_sink_gets_the_lines_and_the_server_those_that_it_refuses() {
    let said = |text: &str| lines("peer").iter().any(|entry| entry.text.contains(text));
    assert!(said("this one is for the server"), "{}", log());
    assert!(!said("one;"), "{}", log());
}

#[test]
fn the_server_does_not_panic() {
    let bad = ["panicked", "faults", "faulted", "starts again"];
    let bad = log()
        .lines()
        .find(|line| bad.iter().any(|text| line.contains(text)));
    assert_eq!(bad, None, "{}", log());
}
