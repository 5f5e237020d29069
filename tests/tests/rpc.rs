// SPDX-License-Identifier: BSD-2-Clause
//! Request and reply, and logs that other guests read, where they are to work: a guest (`guests/tests/rpc`) tries
//! one promise after the other, all in one boot, and says which hold. Beside it a guest whose only log is a
//! channel, and one that shows its lines.
#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::time::Duration;

use system_tests::build::Build;
use system_tests::console::{Entry, Level};
use system_tests::drill::Log;
use system_tests::machine::Config;
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
fn log() -> &'static Log {
    static LOG: OnceLock<Log> = OnceLock::new();
    LOG.get_or_init(|| {
        let scratch = Scratch::new();
        let build = Build::from_env().with_archive_of(&scratch, &["rpc", "logger", "captured"]);
        let image = scratch.path("rpc.elf");
        // Times are instructions then.
        let config = Config {
            counted: true,
            ..Config::default()
        };
        let spec = spec::test_path("rpc.cdl");
        Log::of("rpc", &build, (&spec, &image), config)
    })
}

#[test]
fn every_promise_holds() {
    log().assert_kept(PROMISES);
}

/// What the guest `captured` says, it says to the guest `logger`, which shows it with name, level and time. Only
/// what it fails with, the server tells, too.
#[test]
fn lines_are_shown_by_another_guest() {
    let said = |text: &str| -> Vec<_> {
        let lines = log().lines("captured");
        lines.filter(|entry| entry.text.contains(text)).collect()
    };
    for (text, level) in [
        ("my lines go to whoever reads them", Level::Info),
        ("and now I fail", Level::Warning),
    ] {
        let found = said(text);
        let levels: Vec<_> = found.iter().map(|entry| entry.level).collect();
        assert_eq!(levels, [level], "{text}:\n{}", log().text());
        assert!(found[0].time > Duration::ZERO, "{:?}", found[0]);
    }
    let last = said("as I said, at guests/demos/captured/src/main.rs:");
    let by_server = |entry: &Entry<'_>| entry.text.starts_with("failed: panic: ");
    assert!(last.iter().any(by_server), "{}", log().text());
    let captured = |entry: &Entry<'_>| entry.text.starts_with("as I said");
    assert!(last.iter().any(captured), "{}", log().text());
}
