// SPDX-License-Identifier: BSD-2-Clause
//! The guest library where it is to work: a guest (`guests/tests/library`) tries one promise after the other,
//! all in one boot, and says which hold.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

use system_tests::build::Build;
use system_tests::console::{Entry, Level};
use system_tests::drill::Log;
use system_tests::machine::Config;
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
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let scratch = Scratch::new();
        let build = Build::from_env().with_archive_of(&scratch, &["library"]);
        let image = scratch.path("library.elf");
        // Times are instructions then.
        let config = Config {
            counted: true,
            ..Config::default()
        };
        let spec = spec::test_path("library.cdl");
        Log::of("library", &build, (&spec, &image), config)
    })
}

#[test]
fn every_promise_holds() {
    log().assert_kept(PROMISES);
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
        let mut lines = log().lines("peer");
        let found = lines.any(|entry| entry.level == Level::Error && entry.text.contains(text));
        assert!(found, "nobody says {text:?}:\n{}", log().text());
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
        let said: Vec<_> = log()
            .lines(guest)
            .filter(|entry| entry.text.contains("said at level "))
            .map(|entry| entry.level)
            .collect();
        let all = [Level::Error, Level::Warning, Level::Info, Level::Debug];
        assert_eq!(said, all[..wanted], "{guest}:\n{}", log().text());
    }
    let complains = |entry: &Entry<'_>| entry.text.contains("LOG is none of");
    assert!(
        log().lines("much").any(|entry| complains(&entry)),
        "{}",
        log().text()
    );
}

/// A line that the sink refuses goes to the server; one that it takes does not.
#[test]
fn a_sink_gets_the_lines_and_the_server_those_that_it_refuses() {
    let said = |text: &str| log().lines("peer").any(|entry| entry.text.contains(text));
    assert!(said("this one is for the server"), "{}", log().text());
    assert!(!said("one;"), "{}", log().text());
}

#[test]
fn the_server_does_not_panic() {
    let bad = ["panicked", "faults", "faulted", "starts again"];
    let bad = log()
        .text()
        .lines()
        .find(|line| bad.iter().any(|text| line.contains(text)));
    assert_eq!(bad, None, "{}", log().text());
}
