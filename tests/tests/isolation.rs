// SPDX-License-Identifier: BSD-2-Clause
//! Two guests talk, five misbehave, and the two never notice.
//!
//! One boot, of a machine that counts instructions for time, so that the spinner gets its share before
//! its deadline however busy the host is; each test looks at what it printed.
#![forbid(unsafe_code)]

use std::sync::OnceLock;
use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Entry, Level, entries};
use system_tests::machine::{Config, LIMIT, Machine, MachineError};
use system_tests::scratch::Scratch;
use system_tests::spec;

/// A guest that misbehaves, its module, the function that does it, and what is said about it.
struct Culprit {
    guest: &'static str,
    module: &'static str,
    function: &'static str,
    reason: &'static str,
}

const CULPRITS: [Culprit; 5] = [
    Culprit {
        guest: "oob",
        module: "out-of-bounds",
        function: "read_beyond_memory",
        reason: "trap: out of bounds memory access",
    },
    Culprit {
        guest: "divide",
        module: "divide-by-zero",
        function: "divide_by_zero",
        reason: "trap: integer division by zero",
    },
    Culprit {
        guest: "recurse",
        module: "stack-overflow",
        function: "recur_without_end",
        reason: "trap: stack overflow",
    },
    Culprit {
        guest: "trap",
        module: "unreachable",
        function: "execute_unreachable",
        reason: "trap: unreachable",
    },
    Culprit {
        guest: "spin",
        module: "spin",
        function: "spin_for_ever",
        reason: "ended: it ran past the deadline of its spec",
    },
];

/// What ping says when it has done its rounds, and then again and again.
const FINISHED: &str = "10000 round trips, checksum ok";
const SERVING: &str = "still serving: ";

/// What it prints until ping says that it still serves, after all others have failed.
fn log() -> &'static str {
    static LOG: OnceLock<String> = OnceLock::new();
    LOG.get_or_init(|| match run() {
        Ok(text) => text,
        Err((error, text)) => format!("{error}\n{text}"),
    })
}

fn run() -> Result<String, (MachineError, String)> {
    let scratch = Scratch::new();
    let image = scratch.path("isolation.elf");
    Build::from_env().image(Kernel::Release, &spec::demo_path("isolation"), &image);
    let config = Config {
        counted: true,
        ..Config::default()
    };
    let machine = Machine::boot(&image, config).map_err(|e| (e, String::new()))?;
    let all_failed = |text: &str| {
        let failed = |name| failures(text).any(|entry| entry.guest == name);
        CULPRITS
            .iter()
            .all(|c| failed(c.guest))
            .then_some(text.len())
    };
    let served = machine
        .wait("five failures", LIMIT, all_failed)
        .and_then(|failed| {
            machine.wait(SERVING, LIMIT, |text| {
                let mut later = entries(&text[failed..]);
                later
                    .find(|e| e.guest == "ping" && e.text.starts_with(SERVING))
                    .map(drop)
            })
        });
    match served {
        Ok(()) => Ok(machine.end()),
        Err(error) => Err((error, machine.end())),
    }
}

fn failures(text: &str) -> impl Iterator<Item = Entry<'_>> {
    entries(text).filter(|entry| entry.level == Level::Error)
}

/// The first entry of a guest with this text.
#[track_caller]
fn entry_of(guest: &str, text: &str) -> Entry<'static> {
    let found = entries(log()).find(|entry| entry.guest == guest && entry.text.contains(text));
    found.unwrap_or_else(|| panic!("{guest} did not say `{text}`:\n{}", log()))
}

#[test]
fn ping_and_pong_finish_their_rounds() {
    entry_of("ping", "pong has attached the region that I made");
    entry_of("pong", "attached the region that ping made");
    entry_of("ping", FINISHED);
    entry_of("pong", "answered 10000 messages");
}

#[test]
fn ping_and_pong_never_notice_the_others() {
    let last_failure = failures(log()).map(|entry| entry.time).max();
    let last_failure = last_failure.unwrap_or_else(|| panic!("nothing failed:\n{}", log()));
    let served = entries(log()).filter(|e| e.guest == "ping" && e.text.starts_with(SERVING));
    let served = served.map(|entry| entry.time).max();
    assert!(served > Some(last_failure), "{}", log());
    for guest in ["ping", "pong"] {
        let unexpected = entries(log()).find(|entry| {
            entry.guest == guest && matches!(entry.level, Level::Error | Level::Warning)
        });
        assert_eq!(unexpected, None, "{}", log());
    }
}

#[test]
fn each_culprit_is_reported_with_reason_module_and_function() {
    for Culprit {
        guest,
        module,
        function,
        reason,
    } in CULPRITS
    {
        let entry = entry_of(guest, "failed: ");
        assert_eq!(entry.level, Level::Error, "{}", log());
        assert_eq!(entry.text, format!("failed: {reason}"), "{}", log());
        let frames: Vec<_> = entries(log())
            .filter(|entry| entry.guest == guest)
            .filter_map(|entry| entry.text.trim_start().strip_prefix("at "))
            .collect();
        assert!(!frames.is_empty(), "{guest} has no backtrace:\n{}", log());
        for frame in &frames {
            assert!(
                frame.starts_with(&format!("{module}!")),
                "`{frame}` in:\n{}",
                log()
            );
        }
        // Where a stack overflows there is a frame without a place in it, of the call that failed.
        let placed = frames
            .iter()
            .any(|f| f.contains(function) && f.contains("(wasm offset 0x"));
        assert!(placed, "{guest}: no place in {function} in:\n{}", log());
    }
}

#[test]
fn the_spinner_spins_until_its_deadline() {
    let started = entry_of("spin", "about to spin").time;
    let ended = entry_of("spin", "failed: ").time;
    // It counts from the spinner's start, which is some time before its first line.
    let deadline = Duration::from_millis(300);
    assert!(ended > deadline, "it was ended at {ended:?}");
    assert!(
        ended - started <= deadline,
        "it was ended {:?} after {started:?}",
        ended - started
    );
}

#[test]
fn nobody_else_fails_and_each_culprit_once() {
    let mut names: Vec<_> = failures(log()).map(|entry| entry.guest).collect();
    names.sort_unstable();
    let mut expected = CULPRITS.map(|culprit| culprit.guest);
    expected.sort_unstable();
    assert_eq!(names, expected, "{}", log());
}

#[test]
fn nothing_panics_or_faults() {
    let bad = log().lines().find(|line| {
        let line = line.to_lowercase();
        ["panic", "faults", "nothing is started", "starts again"]
            .iter()
            .any(|s| line.contains(s))
    });
    assert_eq!(bad, None, "{}", log());
}

#[test]
fn times_of_the_log_do_not_run_backwards() {
    let times: Vec<_> = entries(log()).map(|entry| entry.time).collect();
    // A line's time is taken before its turn on the console: another guest's may come in between.
    let slack = Duration::from_millis(100);
    let backwards = times.windows(2).find(|pair| pair[1] + slack < pair[0]);
    assert_eq!(backwards, None, "{}", log());
}
