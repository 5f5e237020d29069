// SPDX-License-Identifier: BSD-2-Clause
//! What the guest `chaos` says: whom it has killed, and what there was before and after.

use crate::console::{Entry, entries};

/// What the guest is called.
pub const GUEST: &str = "chaos";

/// What there is of everything that could be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Bytes of the server's heap.
    pub heap: u64,
    /// Slots of capabilities that the server uses.
    pub slots: u64,
    /// Capabilities of all guests.
    pub grants: u64,
    /// Timers that are set.
    pub timers: u64,
    /// Processes that run.
    pub processes: u64,
    /// Bytes of the budgets of all processes.
    pub spent: u64,
}

/// What a guest says that begins like this.
pub fn said<'a>(log: &'a str, guest: &'a str, text: &'a str) -> impl Iterator<Item = Entry<'a>> {
    entries(log).filter(move |entry| entry.guest == guest && entry.text.starts_with(text))
}

/// Whether it has said that it has come to an end, good or bad.
pub fn is_over(log: &str) -> bool {
    let is_end = |text: &str| text.starts_with("all is well after") || text.starts_with("failed");
    entries(log).any(|entry| entry.guest == GUEST && is_end(entry.text))
}

/// How often a guest was killed.
pub fn kills(log: &str, victim: &str) -> usize {
    let is_victim = |entry: &Entry<'_>| entry.text.split(": ").nth(1) == Some(victim);
    said(log, GUEST, "kill ").filter(is_victim).count()
}

/// What was measured after the first kills, and after all of them.
///
/// # Panics
/// When something was not.
#[track_caller]
pub fn measured(log: &str) -> [Measure; 2] {
    ["before: ", "after: "].map(|when| {
        let Some(entry) = said(log, GUEST, when).next() else {
            panic!("nothing was measured {when}\n{log}");
        };
        let digits = entry.text.split(|c: char| !c.is_ascii_digit());
        let numbers: Vec<u64> = digits.filter_map(|digits| digits.parse().ok()).collect();
        let [heap, slots, grants, timers, processes, spent] = numbers[..] else {
            panic!("{}", entry.text);
        };
        Measure {
            heap,
            slots,
            grants,
            timers,
            processes,
            spent,
        }
    })
}
