// SPDX-License-Identifier: BSD-2-Clause
//! A queue of alarms: a binary heap in which each alarm can be found by its name.

use alloc::vec::Vec;

/// Bits of a name that say in which slot to look; the rest is the alarm's number.
const SLOT_BITS: u32 = 20;
/// Bits of the number: after so many alarms a name comes again, if the slot is the same too.
const NUMBER_BITS: u32 = 63 - SLOT_BITS;

/// Names one alarm, until it fires or is cancelled, and none afterwards. Names are no secret: each follows
/// from those before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Alarm(u64);

impl Alarm {
    fn new(slot: u32, number: u64) -> Self {
        Self((number & ((1 << NUMBER_BITS) - 1)) << SLOT_BITS | u64::from(slot))
    }

    fn slot(self) -> usize {
        (self.0 & ((1 << SLOT_BITS) - 1)) as usize
    }

    /// The name as a number below 2^63, for a guest.
    pub const fn to_wire(self) -> u64 {
        self.0
    }

    /// The name that a guest says, of any alarm or of none; none if it is at or above 2^63.
    pub const fn from_wire(number: u64) -> Option<Self> {
        if number >> 63 == 0 {
            Some(Self(number))
        } else {
            None
        }
    }
}

/// There is no room for so many alarms.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// Alarms in the order of their times. Setting, cancelling and firing one costs O(log n); only
/// reserving room for them allocates.
#[derive(Debug)]
pub struct Queue<T> {
    /// A binary heap: no entry is due before its parent.
    heap: Vec<Entry<T>>,
    /// For each slot, the place of its entry in the heap; for a free one, the next free slot.
    slots: Vec<u32>,
    /// The first free slot. There are as many as the heap has entries less than slots.
    free: u32,
    /// Alarms that may be set, which is not more than there are slots.
    reserved: usize,
    /// Alarms that have ever been set.
    number: u64,
}

#[derive(Debug)]
struct Entry<T> {
    /// Nanoseconds.
    at: u64,
    /// Alarms of one time fire in the order they were set.
    number: u64,
    slot: u32,
    what: T,
}

impl<T> Entry<T> {
    fn due(&self) -> (u64, u64) {
        (self.at, self.number)
    }

    fn name(&self) -> Alarm {
        Alarm::new(self.slot, self.number)
    }
}

impl<T> Queue<T> {
    /// No alarms, and room for none.
    pub const fn new() -> Self {
        Self {
            heap: Vec::new(),
            slots: Vec::new(),
            free: 0,
            reserved: 0,
            number: 0,
        }
    }

    /// Makes room for so many more alarms.
    pub(crate) fn reserve(&mut self, more: usize) -> Result<(), Full> {
        let reserved = self.reserved.checked_add(more).ok_or(Full)?;
        if reserved > 1 << SLOT_BITS {
            return Err(Full);
        }
        let missing = reserved.saturating_sub(self.slots.len());
        self.slots.try_reserve(missing).map_err(|_| Full)?;
        self.heap
            .try_reserve(reserved.saturating_sub(self.heap.len()))
            .map_err(|_| Full)?;
        for slot in self.slots.len() as u32..(self.slots.len() + missing) as u32 {
            self.slots.push(self.free);
            self.free = slot;
        }
        self.reserved = reserved;
        Ok(())
    }

    /// Gives up the room for so many alarms. The memory stays, for whoever reserves next.
    pub(crate) fn release(&mut self, less: usize) {
        self.reserved = self.reserved.saturating_sub(less);
    }

    /// Sets an alarm.
    pub(crate) fn set(&mut self, at: u64, what: T) -> Result<Alarm, Full> {
        if self.heap.len() >= self.reserved {
            return Err(Full);
        }
        let slot = self.free;
        self.free = *self.slots.get(slot as usize).ok_or(Full)?;
        self.number += 1;
        let entry = Entry {
            at,
            number: self.number,
            slot,
            what,
        };
        let name = entry.name();
        self.heap.push(entry);
        self.rise(self.heap.len() - 1);
        Ok(name)
    }

    /// What an alarm does.
    pub(crate) fn get(&self, alarm: Alarm) -> Option<&T> {
        let entry = self.heap.get(self.place(alarm)?)?;
        Some(&entry.what)
    }

    /// Takes an alarm back, unless it has fired.
    pub(crate) fn cancel(&mut self, alarm: Alarm) -> Option<T> {
        let place = self.place(alarm)?;
        Some(self.remove(place))
    }

    /// Takes every alarm back that does this.
    pub(crate) fn cancel_all(&mut self, mut is_it: impl FnMut(&T) -> bool) {
        // By slots: the heap's places change with every one that is taken out.
        for slot in 0..self.slots.len() {
            let place = self.slots.get(slot).map_or(0, |place| *place as usize);
            if self
                .heap
                .get(place)
                .is_some_and(|entry| entry.slot as usize == slot && is_it(&entry.what))
            {
                self.remove(place);
            }
        }
    }

    /// Takes the first alarm if its time has come.
    pub(crate) fn expired(&mut self, now: u64) -> Option<T> {
        (self.next()? <= now).then(|| self.remove(0))
    }

    /// When the first alarm fires.
    pub(crate) fn next(&self) -> Option<u64> {
        self.heap.first().map(|entry| entry.at)
    }

    /// Alarms that are set.
    pub(crate) fn len(&self) -> usize {
        self.heap.len()
    }

    /// Where an alarm is in the heap.
    fn place(&self, alarm: Alarm) -> Option<usize> {
        // A free slot's word may be the place of another alarm's entry, which has another name.
        let place = *self.slots.get(alarm.slot())? as usize;
        (self.heap.get(place)?.name() == alarm).then_some(place)
    }

    /// Takes an entry out.
    fn remove(&mut self, place: usize) -> T {
        let entry = self.heap.swap_remove(place);
        if let Some(slot) = self.slots.get_mut(entry.slot as usize) {
            *slot = self.free;
            self.free = entry.slot;
        }
        // What was last is there instead, and may belong to either side.
        let place = self.rise(place);
        self.sink(place);
        entry.what
    }

    /// Moves an entry up to where it belongs; answers where that is.
    fn rise(&mut self, mut place: usize) -> usize {
        while place > 0 && self.is_before(place, (place - 1) / 2) {
            place = self.exchange(place, (place - 1) / 2);
        }
        self.note(place);
        place
    }

    /// Moves an entry down to where it belongs.
    fn sink(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            let child = if self.is_before(right, left) {
                right
            } else {
                left
            };
            if !self.is_before(child, place) {
                return;
            }
            place = self.exchange(place, child);
        }
    }

    /// Whether the one entry is due before the other, and both exist.
    fn is_before(&self, one: usize, other: usize) -> bool {
        match (self.heap.get(one), self.heap.get(other)) {
            (Some(one), Some(other)) => one.due() < other.due(),
            _ => false,
        }
    }

    /// Exchanges two entries; answers where the first is.
    fn exchange(&mut self, from: usize, to: usize) -> usize {
        self.heap.swap(from, to);
        self.note(from);
        self.note(to);
        to
    }

    /// Has the slot of the entry at a place say so.
    fn note(&mut self, place: usize) {
        if let Some(entry) = self.heap.get(place)
            && let Some(slot) = self.slots.get_mut(entry.slot as usize)
        {
            *slot = place as u32;
        }
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{collections::BTreeMap, vec::Vec};

    use proptest::{collection::vec, prelude::*};

    use super::*;

    #[derive(Clone, Debug)]
    enum Step {
        Set { at: u64 },
        Cancel { nth: prop::sample::Index },
        CancelAll { modulo: u64 },
        Expire { now: u64 },
        Reserve { more: usize },
        Release { less: usize },
    }

    fn step() -> impl Strategy<Value = Step> {
        // Few times, so that many alarms have the same.
        let time = || prop_oneof![9 => 0..64_u64, 1 => any::<u64>()];
        prop_oneof![
            40 => time().prop_map(|at| Step::Set { at }),
            20 => any::<prop::sample::Index>().prop_map(|nth| Step::Cancel { nth }),
            1 => (2..9_u64).prop_map(|modulo| Step::CancelAll { modulo }),
            10 => (0..64_u64).prop_map(|now| Step::Expire { now }),
            1 => (0..512_usize).prop_map(|more| Step::Reserve { more }),
            1 => (0..64_usize).prop_map(|less| Step::Release { less }),
        ]
    }

    fn assert_in_order<T>(queue: &Queue<T>) {
        for (place, entry) in queue.heap.iter().enumerate() {
            assert_eq!(queue.slots[entry.slot as usize] as usize, place);
            assert!(place == 0 || queue.heap[(place - 1) / 2].due() < entry.due());
        }
    }

    fn memory<T>(queue: &Queue<T>) -> [(usize, usize); 2] {
        [
            (queue.heap.as_ptr().addr(), queue.heap.capacity()),
            (queue.slots.as_ptr().addr(), queue.slots.capacity()),
        ]
    }

    proptest! {
        /// What each alarm does is its number, which also is the order of alarms of one time.
        #[test]
        fn a_queue_is_an_ordered_map(room in 0..2048_usize, steps in vec(step(), 0..4096)) {
            let mut queue = Queue::new();
            let mut map = BTreeMap::new();
            let mut names = Vec::new();
            let mut reserved = room;
            queue.reserve(room).unwrap();
            for step in steps {
                let before = memory(&queue);
                match step {
                    Step::Set { at } => {
                        let number = names.len() as u64;
                        let set = queue.set(at, number);
                        prop_assert_eq!(set.is_ok(), map.len() < reserved);
                        if let Ok(alarm) = set {
                            prop_assert_eq!(Alarm::from_wire(alarm.to_wire()), Some(alarm));
                            prop_assert!(alarm.to_wire() < 1 << 63);
                            names.push((alarm, (at, number)));
                            map.insert((at, number), ());
                        }
                    }
                    Step::Cancel { nth } if !names.is_empty() => {
                        // Alarms that have fired or were cancelled, too.
                        let (alarm, key) = names[nth.index(names.len())];
                        let what = map.remove(&key).map(|()| key.1);
                        prop_assert_eq!(queue.get(alarm).copied(), what);
                        prop_assert_eq!(queue.cancel(alarm), what);
                    }
                    Step::Cancel { .. } => {}
                    Step::CancelAll { modulo } => {
                        queue.cancel_all(|number| number % modulo == 0);
                        map.retain(|(_, number), ()| number % modulo != 0);
                    }
                    Step::Expire { now } => {
                        let first = map.first_entry().filter(|first| first.key().0 <= now);
                        let what = first.map(|first| first.remove_entry().0.1);
                        prop_assert_eq!(queue.expired(now), what);
                    }
                    Step::Reserve { more } => {
                        queue.reserve(more).unwrap();
                        reserved += more;
                    }
                    Step::Release { less } => {
                        queue.release(less);
                        reserved = reserved.saturating_sub(less);
                    }
                }
                if !matches!(step, Step::Reserve { .. }) {
                    prop_assert_eq!(memory(&queue), before, "it has allocated");
                }
                prop_assert_eq!(queue.len(), map.len());
                prop_assert_eq!(queue.next(), map.first_key_value().map(|(key, ())| key.0));
            }
            assert_in_order(&queue);
            while let Some(what) = queue.expired(u64::MAX) {
                prop_assert_eq!(Some(what), map.pop_first().map(|(key, ())| key.1));
            }
            prop_assert!(map.is_empty());
        }
    }

    #[test]
    fn a_name_is_good_for_one_alarm() {
        let mut queue = Queue::new();
        queue.reserve(1).unwrap();
        let fired = queue.set(1, 'a').unwrap();
        assert_eq!(queue.set(1, 'b'), Err(Full));
        assert_eq!(queue.expired(1), Some('a'));
        let set = queue.set(1, 'c').unwrap();
        assert_ne!(fired, set);
        assert_eq!(queue.cancel(fired), None);
        assert_eq!(queue.cancel(set), Some('c'));
        assert_eq!(queue.cancel(set), None);
    }

    #[test]
    fn numbers_that_name_no_alarm() {
        let mut queue = Queue::new();
        queue.reserve(4).unwrap();
        let set = queue.set(1, ()).unwrap().to_wire();
        assert_eq!(Alarm::from_wire(set | 1 << 63), None);
        for wrong in [
            0,
            set + 1,
            set ^ 1 << SLOT_BITS,
            set ^ 1 << 62,
            (1 << 63) - 1,
        ] {
            assert_eq!(queue.cancel(Alarm::from_wire(wrong).unwrap()), None);
        }
        assert_eq!(queue.len(), 1);
    }

    #[test]
    fn names_stay_below_the_sign() {
        let mut queue = Queue::new();
        queue.reserve(2).unwrap();
        queue.number = (1 << NUMBER_BITS) - 2;
        let [last, first] = [(); 2].map(|()| queue.set(1, ()).unwrap());
        assert!(last.to_wire() < 1 << 63 && first.to_wire() < last.to_wire());
        assert!(queue.cancel(first).is_some() && queue.cancel(last).is_some());
    }

    #[test]
    fn there_are_not_more_slots_than_names() {
        let mut queue = Queue::<()>::new();
        assert_eq!(queue.reserve((1 << SLOT_BITS) + 1), Err(Full));
        queue.reserve(1 << SLOT_BITS).unwrap();
        assert_eq!(queue.reserve(1), Err(Full));
        assert_eq!(queue.reserve(usize::MAX), Err(Full));
        queue.release(1);
        queue.reserve(1).unwrap();
    }
}
