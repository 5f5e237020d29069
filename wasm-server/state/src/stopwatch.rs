// SPDX-License-Identifier: BSD-2-Clause
//! How long a thread was ready to run: from each wake to the next sleep. What it waited for its turn meanwhile is in
//! it, so it is at least what the thread had of the processor. One thread runs it, any may look.

use crate::atomic::{AtomicU64, Ordering::Relaxed};

/// How often a look is repeated that meets a change.
const MAX_LOOKS: u32 = 4;

/// See the module.
#[derive(Debug)]
pub struct Stopwatch {
    /// Ticks up to the last pause.
    sum: AtomicU64,
    /// When it was set going; 0 while it pauses.
    since: AtomicU64,
}

impl Stopwatch {
    /// One that pauses, at 0.
    pub fn new() -> Self {
        Self {
            sum: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }
    }

    /// It runs from now on.
    #[inline]
    pub fn go_on(&self, now: u64) {
        self.since.store(now, Relaxed);
    }

    /// It pauses from now on.
    #[inline]
    pub fn pause(&self, now: u64) {
        let ran = now.saturating_sub(self.since.load(Relaxed));
        self.since.store(0, Relaxed);
        self.sum
            .store(self.sum.load(Relaxed).wrapping_add(ran), Relaxed);
    }

    /// Ticks that it ran. The clock is read behind the words: what it shows is no earlier than they are.
    pub fn ticks(&self, now: impl Fn() -> u64) -> u64 {
        let mut sum = self.sum.load(Relaxed);
        for _ in 0..MAX_LOOKS {
            let since = self.since.load(Relaxed);
            let after = self.sum.load(Relaxed);
            if after == sum && since != 0 {
                return sum.wrapping_add(now().saturating_sub(since));
            }
            if after == sum {
                return sum;
            }
            sum = after;
        }
        sum
    }
}

impl Default for Stopwatch {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn counts_what_lies_between_go_on_and_pause() {
        let watch = Stopwatch::new();
        assert_eq!(watch.ticks(|| 5), 0);
        watch.go_on(10);
        assert_eq!(watch.ticks(|| 25), 15);
        watch.pause(30);
        assert_eq!(watch.ticks(|| 99), 20);
        watch.go_on(100);
        watch.go_on(110);
        watch.pause(111);
        assert_eq!(watch.ticks(|| 0), 21);
    }

    #[test]
    fn a_clock_that_runs_backwards_takes_nothing_away() {
        let watch = Stopwatch::new();
        watch.go_on(10);
        watch.pause(7);
        assert_eq!(watch.ticks(|| 0), 0);
    }
}
