// SPDX-License-Identifier: BSD-2-Clause
//! Request and reply, and logs that other guests read, where they are to work: a guest (`guests/tests/rpc`) tries
//! one promise after the other, all in one boot, and says which hold. Beside it a guest whose only log is a
//! channel, and one that shows its lines.
#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, LIMIT, Machine, MachineError};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// What the guest is to find true.
const PROMISES: &[&str] = &[
    "answers",
    "many-clients",
    "long-messages",
    "deadlines",
    "restart",
    "by-name",
    "killed-in-between",
    "limits",
    "no-service",
    "speed",
    "bad-hellos",
    "bad-clients",
    "exchange",
    "capture",
    "three-guests",
    "last-line",
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
    let build = Build::from_env().with_archive_of(&scratch, &["rpc", "logger", "captured"]);
    let image = scratch.path("rpc.elf");
    build.image(Kernel::Release, &spec::test_path("rpc.cdl"), &image);
    // Times are instructions then.
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).map_err(|e| (e, String::new()))?;
    let is_end = |entry: &Entry<'_>| {
        entry.guest == "rpc"
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
        lines("rpc")
            .iter()
            .filter_map(|entry| entry.text.strip_prefix(word)?.split([' ', ':']).next())
            .collect::<Vec<_>>()
    };
    let (kept, broken) = (verdict("ok "), verdict("FAILED "));
    assert!(broken.is_empty(), "{broken:?} failed:\n{}", log());
    assert_eq!(kept, PROMISES, "{}", log());
}

/// What the guest `captured` says, it says to the guest `logger`, which shows it with name, level and time. Only
/// what it fails with, the server tells, too.
#[test]
fn lines_are_shown_by_another_guest() {
    let said = |text: &str| -> Vec<_> {
        let lines = lines("captured").into_iter();
        lines.filter(|entry| entry.text.contains(text)).collect()
    };
    for (text, level) in [
        ("my lines go to whoever reads them", Level::Info),
        ("and now I fail", Level::Warning),
    ] {
        let found = said(text);
        let levels: Vec<_> = found.iter().map(|entry| entry.level).collect();
        assert_eq!(levels, [level], "{text}:\n{}", log());
        assert!(found[0].time > Duration::ZERO, "{:?}", found[0]);
    }
    let last = said("as I said, at guests/demos/captured/src/main.rs:");
    let by_server = |entry: &Entry<'_>| entry.text.starts_with("failed: panic: ");
    assert!(last.iter().any(by_server), "{}", log());
    let captured = |entry: &Entry<'_>| entry.text.starts_with("as I said");
    assert!(last.iter().any(captured), "{}", log());
}
