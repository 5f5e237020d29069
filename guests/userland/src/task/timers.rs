// SPDX-License-Identifier: BSD-2-Clause
//! The guest's own timers: the server is told of the earliest, as the deadline of a sleep.

use alloc::collections::BTreeMap;

use super::sleeper::Sleeper;

/// A timer that is set: its time, and a number that no other timer of this time has.
pub(crate) type Key = (u64, u32);

/// Those that sleep until a time, in nanoseconds of the monotonic clock; the earliest first, and of
/// those with the same time who was there first.
#[derive(Debug)]
pub(crate) struct Timers {
    sleepers: BTreeMap<Key, Sleeper>,
    /// The time of the first; `u64::MAX` if there is none.
    earliest: u64,
    number: u32,
}

impl Timers {
    pub(crate) const fn new() -> Self {
        Self {
            sleepers: BTreeMap::new(),
            earliest: u64::MAX,
            number: 0,
        }
    }

    /// Sets a timer.
    pub(crate) fn set(&mut self, deadline: u64, sleeper: Sleeper) -> Key {
        // A number comes up again after 2^32 others: it may be that of a timer that is still set.
        let key = loop {
            self.number = self.number.wrapping_add(1);
            let key = (deadline, self.number);
            if !self.sleepers.contains_key(&key) {
                break key;
            }
        };
        self.sleepers.insert(key, sleeper);
        self.earliest = self.earliest.min(deadline);
        key
    }

    /// Who sleeps until then; none once the time has come.
    pub(crate) fn get_mut(&mut self, key: Key) -> Option<&mut Sleeper> {
        self.sleepers.get_mut(&key)
    }

    /// Takes a timer back, unless its time has come.
    pub(crate) fn cancel(&mut self, key: Key) -> Option<Sleeper> {
        let sleeper = self.sleepers.remove(&key)?;
        self.find_earliest();
        Some(sleeper)
    }

    /// The time of the earliest; `u64::MAX` if there is none.
    #[inline]
    pub(crate) const fn earliest(&self) -> u64 {
        self.earliest
    }

    fn find_earliest(&mut self) {
        let first = self.sleepers.first_key_value();
        self.earliest = first.map_or(u64::MAX, |((deadline, _), _)| *deadline);
    }

    /// Takes the earliest out if its time has come.
    pub(crate) fn due(&mut self, now: u64) -> Option<Sleeper> {
        let first = self.sleepers.first_entry()?;
        if first.key().0 > now {
            return None;
        }
        let sleeper = first.remove();
        self.find_earliest();
        Some(sleeper)
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn those_of_one_time_are_due_in_the_order_they_came() {
        let mut timers = Timers::new();
        for task in 0..5 {
            timers.set(10, Sleeper::Task(task));
        }
        assert!(timers.due(9).is_none());
        let due: Vec<_> = core::iter::from_fn(|| timers.due(10)).collect();
        assert_eq!(due, (0..5).map(Sleeper::Task).collect::<Vec<_>>());
        assert_eq!(timers.earliest(), u64::MAX);
    }

    #[test]
    fn numbers_that_come_up_again_are_no_others_timer() {
        let mut timers = Timers::new();
        let first = timers.set(10, Sleeper::Task(1));
        timers.number = first.1.wrapping_sub(1);
        let second = timers.set(10, Sleeper::Task(2));
        assert_ne!(first, second);
        assert_eq!(timers.cancel(first), Some(Sleeper::Task(1)));
        assert_eq!(timers.cancel(second), Some(Sleeper::Task(2)));
    }

    proptest! {
        /// Against a list that is searched: each step sets a timer, takes one back or lets time pass.
        #[test]
        fn does_as_a_list_does(steps in prop::collection::vec((0..3, 0_u64..50, any::<prop::sample::Index>()), 0..200)) {
            let mut timers = Timers::new();
            let mut model: Vec<(Key, u32)> = Vec::new();
            let mut keys = Vec::new();
            let mut now = 0;
            for (task, (step, time, index)) in (0..).zip(steps) {
                match step {
                    0 => {
                        let key = timers.set(now + time, Sleeper::Task(task));
                        model.push((key, task));
                        keys.push(key);
                    }
                    1 if !keys.is_empty() => {
                        let key = *index.get(&keys);
                        let place = model.iter().position(|(other, _)| *other == key);
                        let expected = place.map(|place| Sleeper::Task(model.remove(place).1));
                        prop_assert_eq!(timers.get_mut(key).is_some(), expected.is_some());
                        prop_assert_eq!(timers.cancel(key), expected);
                    }
                    _ => {
                        now += time / 4;
                        model.sort_unstable();
                        while model.first().is_some_and(|((deadline, _), _)| *deadline <= now) {
                            let (_, task) = model.remove(0);
                            prop_assert_eq!(timers.due(now), Some(Sleeper::Task(task)));
                        }
                        prop_assert!(timers.due(now).is_none());
                    }
                }
                let earliest = model.iter().map(|((deadline, _), _)| *deadline).min();
                prop_assert_eq!(timers.earliest(), earliest.unwrap_or(u64::MAX));
            }
        }
    }
}
