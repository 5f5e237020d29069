// SPDX-License-Identifier: BSD-2-Clause
//! Hostile guests: each promise of the server has one that tries to break it (`guests/tests/hostile`). The
//! warden (`guests/tests/warden`) starts them one after the other, all in one boot, and says how each ended;
//! two bystanders talk all the while.
#![forbid(unsafe_code)]

use std::sync::OnceLock;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Level, entries};
use system_tests::machine::{Config, LIMIT, Machine, MachineError};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// What the warden is to find true. Each is a scenario of its, and one more test.
const PROMISES: &[&str] = &[
    "lengths",
    "guessed-handles",
    "stale-handles",
    "wrong-kinds",
    "rights",
    "limit-handles",
    "limit-timers",
    "limit-regions",
    "limit-windows",
    "limit-children",
    "limit-tokens",
    "memory",
    "recursion",
    "more-than-own",
    "timers-in-order",
    "timers-cancelled",
    "timers-guessed",
    "tokens",
    "tokens-guessed",
    "tokens-expire",
    "detach",
    "misuse",
    "table-growth",
    "use-after-revoke",
    "source-exited",
    "read-only-windows",
    "givers-end-at-every-step",
    "takers-end-at-every-step",
    "wake-flood",
    "leaving",
    "leaving-without-unwinding",
    "bells",
    "grant-and-take",
    "restricted-groups",
    "session-entitlements",
    "session-groups",
    "session-end",
    "service-hand-over",
    "service-rights",
    "service-line",
    "server-heap",
    "exit-codes",
    "demand-guest",
    "reports",
    "stop-polite",
    "stop-after-grace",
    "stop-at-once",
    "stop-while-starting",
    "stop-in-hostcalls",
    "deadline",
    "children-end-with-parent",
    "onlooker",
    "stale-pids",
    "guest-rights",
    "guest-outlives-starter",
    "guest-revoked",
    "taken-slots",
];

/// Grows its table until it is refused, and exits with the number of elements.
const TABLE: &str = r#"(module
    (import "atoll::guest" "exit" (func $exit (param i32) (result i64)))
    (memory (export "memory") 1)
    (table $table 1 funcref)
    (func (export "_start")
        (loop (br_if 0 (i32.ne (table.grow (ref.null func) (i32.const 1)) (i32.const -1))))
        (drop (call $exit (table.size)))))"#;

/// What was printed until the bystanders had gone on for a while after the warden's end.
fn log() -> &'static str {
    static LOG: OnceLock<String> = OnceLock::new();
    LOG.get_or_init(|| match run() {
        Ok(text) => text,
        Err((error, text)) => format!("{error}\n{text}"),
    })
}

fn run() -> Result<String, (MachineError, String)> {
    let scratch = Scratch::new();
    let build = Build::from_env();
    let table = wat::parse_str(TABLE).unwrap_or_else(|error| panic!("table: {error}"));
    scratch.write("table.wasm", table);
    let build = build.with_archive_of(
        &scratch,
        &["hostile", "warden", "ping", "pong", "spin", "table"],
    );
    let image = scratch.path("hostile.elf");
    build.image(Kernel::Release, &spec::test_path("hostile.cdl"), &image);
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).map_err(|e| (e, String::new()))?;
    let done = |text: &str| {
        let summary = text.find(" scenarios, ")?;
        let later = entries(&text[summary..])
            .find(|e| e.guest == "ping" && e.text.starts_with("still serving"));
        later.map(drop)
    };
    match machine.wait("the warden's end, and the bystanders", LIMIT, done) {
        Ok(()) => Ok(machine.end()),
        Err(error) => Err((error, machine.end())),
    }
}

#[test]
fn every_promise_holds() {
    let verdict = |word: &str| {
        entries(log())
            .filter(|entry| entry.guest == "warden")
            .filter_map(|entry| entry.text.strip_prefix(word)?.split(' ').next())
            .collect::<Vec<_>>()
    };
    let (kept, broken) = (verdict("ok "), verdict("FAILED "));
    assert!(broken.is_empty(), "{broken:?} failed:\n{}", log());
    let missing: Vec<_> = PROMISES
        .iter()
        .filter(|name| !kept.contains(name))
        .collect();
    assert!(missing.is_empty(), "{missing:?} did not come:\n{}", log());
    assert_eq!(
        kept.len(),
        PROMISES.len(),
        "more than is listed here: {kept:?}"
    );
}

#[test]
fn bystanders_never_notice() {
    for guest in ["ping", "pong"] {
        let noticed = entries(log()).find(|entry| {
            entry.guest == guest && matches!(entry.level, Level::Error | Level::Warning)
        });
        assert_eq!(noticed, None, "{}", log());
    }
    assert!(log().contains("ping: still serving: "), "{}", log());
}

#[test]
fn nothing_panics_or_faults() {
    let bad = [
        "panicked",
        "faults",
        "faulted",
        "nothing is started",
        "starts again",
    ];
    let bad = log()
        .lines()
        .find(|line| bad.iter().any(|text| line.contains(text)));
    assert_eq!(bad, None, "{}", log());
}
