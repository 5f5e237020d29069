// SPDX-License-Identifier: BSD-2-Clause
//! Deadlines in the order of their times.

use alloc::collections::BTreeMap;

/// Names one alarm, until it fires or is cancelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Alarm {
    /// Nanoseconds of the platform's clock.
    at: u64,
    /// Alarms of one time fire in the order they were set.
    sequence: u64,
}

/// A queue of alarms; setting and cancelling cost O(log n).
#[derive(Debug)]
pub(crate) struct Timers<T> {
    queue: BTreeMap<Alarm, T>,
    sequence: u64,
}

impl<T> Timers<T> {
    pub const fn new() -> Self {
        Self {
            queue: BTreeMap::new(),
            sequence: 0,
        }
    }

    /// Sets an alarm.
    pub fn set(&mut self, at: u64, what: T) -> Alarm {
        self.sequence += 1;
        let alarm = Alarm {
            at,
            sequence: self.sequence,
        };
        self.queue.insert(alarm, what);
        alarm
    }

    /// Takes an alarm back; nothing happens if it has fired.
    pub fn cancel(&mut self, alarm: Alarm) {
        self.queue.remove(&alarm);
    }

    /// Takes one alarm whose time has come.
    pub fn expired(&mut self, now: u64) -> Option<T> {
        let first = self.queue.first_entry()?;
        (first.key().at <= now).then(|| first.remove())
    }

    /// When the next one fires.
    pub fn next(&self) -> Option<u64> {
        self.queue.first_key_value().map(|(alarm, _)| alarm.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn alarms_fire_in_order_and_once() {
        let mut timers = Timers::new();
        timers.set(30, 'c');
        timers.set(10, 'a');
        let gone = timers.set(20, 'x');
        timers.set(10, 'b');
        timers.cancel(gone);
        timers.cancel(gone);
        assert_eq!(timers.next(), Some(10));
        assert_eq!(timers.expired(9), None);
        assert_eq!(timers.expired(10), Some('a'));
        assert_eq!(timers.expired(10), Some('b'));
        assert_eq!(timers.expired(10), None);
        assert_eq!(timers.next(), Some(30));
        assert_eq!(timers.expired(u64::MAX), Some('c'));
        assert_eq!(timers.next(), None);
    }
}
