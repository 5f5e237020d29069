// SPDX-License-Identifier: BSD-2-Clause
//! The log, beside a model that forgets nothing.

use super::*;
use proptest::prelude::*;
use std::{
    format,
    string::{String, ToString as _},
    vec::Vec,
};

const BYTES: usize = 8 << 10;

fn head(pid: u32) -> Head {
    Head {
        time: 1_234_567_890,
        pid: Pid(pid),
        level: Some(Level::Info),
        is_first: true,
    }
}

/// All lines that are kept behind a number, with the numbers of their first entries, read as a guest does.
fn lines(log: &Log, after: u64) -> Vec<(u64, String)> {
    let (mut after, mut all, mut line) = (after, Vec::new(), Vec::new());
    let mut first = None;
    while let Some(entry) = log.after(after) {
        assert!(entry.number > after);
        assert!(entry.text.len() <= LOG_BYTES);
        first.get_or_insert(entry.number);
        line.extend_from_slice(entry.text);
        after = entry.number;
        if !entry.has_more {
            let text = String::from_utf8(core::mem::take(&mut line)).unwrap();
            all.push((first.take().unwrap(), text));
        }
    }
    all
}

#[test]
fn lines_look_as_they_always_did() {
    let line = |level, is_first| Line {
        head: Head {
            level,
            is_first,
            ..head(1)
        },
        name: "net",
        text: "no link",
    };
    for (level, is_first, looks) in [
        (Some(Level::Info), true, "[    1.234567] net: no link"),
        (
            Some(Level::Warn),
            true,
            "[    1.234567] net: warning: no link",
        ),
        (
            Some(Level::Error),
            true,
            "[    1.234567] net: error: no link",
        ),
        (
            Some(Level::Debug),
            true,
            "[    1.234567] net: debug: no link",
        ),
        (Some(Level::Error), false, "[    1.234567] net: no link"),
        (None, true, "no link"),
    ] {
        assert_eq!(line(level, is_first).to_string(), looks);
    }
}

#[test]
fn a_long_line_has_several_entries() {
    let mut log = Log::new(BYTES);
    let text = "ä".repeat(LOG_BYTES);
    assert_eq!(log.append(head(1), "a", format_args!("{text}")), 2);
    assert_eq!(log.append(head(1), "a", format_args!("next")), 3);
    assert_eq!(lines(&log, 0), [(1, text.clone()), (3, "next".into())]);
    // From the middle of it: the rest.
    assert_eq!(log.after(1).unwrap().number, 2);
    let (line, last) = log.first_waiting().unwrap();
    assert_eq!((line.text, last), (text.as_str(), 2));
    // Half a line is not printed.
    log.set_printed(1);
    assert_eq!(log.first_waiting().unwrap().1, 2);
    log.set_printed(2);
    assert_eq!(log.first_waiting().unwrap().0.text, "next");
    log.set_printed(u64::MAX);
    assert_eq!((log.first_waiting(), log.printed()), (None, 3));
}

#[test]
fn what_is_too_long_is_cut_between_characters() {
    let mut log = Log::new(BYTES);
    log.append(head(1), "a", format_args!("x{}", "€".repeat(MAX_LINE)));
    let (line, _) = log.first_waiting().unwrap();
    assert_eq!(line.text.len(), 1 + (MAX_LINE - 1) / 3 * 3);
}

#[test]
fn who_floods_waits_and_others_do_not() {
    let mut log = Log::new(BYTES);
    let mut said = 0;
    while log.has_room(Pid(1)) {
        log.append(head(1), "flood", format_args!("{said:100}"));
        said += 1;
    }
    assert!(said >= 4);
    assert!(log.has_room(Pid(2)));
    // Several together do not shut out who has said nothing.
    for pid in 2..9 {
        while log.has_room(Pid(pid)) {
            log.append(head(pid), "flood", format_args!("{said:100}"));
        }
    }
    assert!(log.has_room(Pid(10)));
    log.append(head(10), "quiet", format_args!("hello"));
    // Nothing of all that was lost, and there is room again when it is printed.
    assert_eq!(log.after(0).unwrap().number, 1);
    log.set_printed(log.last());
    assert!((0..64).all(|pid| log.has_room(Pid(pid))));
    assert_eq!(log.waiting, 0);
}

#[test]
fn the_server_waits_for_nobody() {
    let mut log = Log::new(BYTES);
    for n in 0..1000 {
        log.append(head(0), "server", format_args!("{n}"));
    }
    let kept = lines(&log, 0);
    assert_eq!(kept.last().unwrap(), &(1000, "999".into()));
    // Who reads sees by the number how many are missing.
    assert!(kept[0].0 > 1);
    log.set_printed(1000);
    assert_eq!((log.waiting, log.shares), (0, [0; SHARES]));
}

#[derive(Clone, Debug)]
enum Step {
    Say { pid: u32, len: usize },
    Print { ahead: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..70u32, 0..MAX_LINE + 10).prop_map(|(pid, len)| Step::Say { pid, len }),
        3 => (0..70u32, 0..60usize).prop_map(|(pid, len)| Step::Say { pid, len }),
        1 => (0..20u64).prop_map(|ahead| Step::Print { ahead }),
    ]
}

proptest! {
    #[test]
    fn it_keeps_the_last_lines_whole(steps in prop::collection::vec(step(), 1..200)) {
        let mut log = Log::new(BYTES);
        let mut said: Vec<(u64, String, u32)> = Vec::new();
        let mut next = 1;
        for step in steps {
            match step {
                Step::Say { pid, len } => {
                    let text = format!("{next}-").repeat(len / 2 + 1);
                    let text = &text[..len.min(text.len())];
                    let last = log.append(head(pid), "name", format_args!("{text}"));
                    let kept = &text[..text.len().min(MAX_LINE)];
                    said.push((next, kept.into(), pid));
                    next = last + 1;
                }
                Step::Print { ahead } => log.set_printed(log.printed() + ahead),
            }
            let kept = lines(&log, 0);
            let all: Vec<_> = said.iter().map(|(n, text, _)| (*n, text.clone())).collect();
            prop_assert!(all.ends_with(&kept));
            prop_assert_eq!(kept.is_empty(), said.is_empty());
            prop_assert_eq!(log.last() + 1, next);
            // What waits is reckoned as it is.
            let waiting: u32 = log
                .records
                .iter()
                .filter(|record| record.last() > log.printed)
                .map(Record::cost)
                .sum();
            prop_assert_eq!(log.waiting, waiting);
            prop_assert_eq!(log.shares.iter().sum::<u32>(), waiting);
        }
    }
}
