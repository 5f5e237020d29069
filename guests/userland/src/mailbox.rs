// SPDX-License-Identifier: BSD-2-Clause
//! The guest's side of the wake mailbox (layout: `atoll_abi::mailbox`).

use core::{
    mem::offset_of,
    sync::atomic::{AtomicU32, Ordering},
};

use atoll_abi::mailbox;

/// A mailbox that holds `N` ids; a power of two.
#[repr(C)]
pub(crate) struct Ring<const N: usize> {
    version: AtomicU32,
    capacity: AtomicU32,
    head: AtomicU32,
    tail: AtomicU32,
    overflow: AtomicU32,
    ids: [AtomicU32; N],
}

impl<const N: usize> Ring<N> {
    /// An empty mailbox.
    pub(crate) const fn new() -> Self {
        const {
            assert!(N.is_power_of_two() && N <= mailbox::MAX_CAPACITY as usize);
            assert!(size_of::<Self>() == mailbox::bytes(N as u32) as usize);
            assert!(offset_of!(Self, version) == mailbox::OFFSET_VERSION as usize);
            assert!(offset_of!(Self, capacity) == mailbox::OFFSET_CAPACITY as usize);
            assert!(offset_of!(Self, head) == mailbox::OFFSET_HEAD as usize);
            assert!(offset_of!(Self, tail) == mailbox::OFFSET_TAIL as usize);
            assert!(offset_of!(Self, overflow) == mailbox::OFFSET_OVERFLOW as usize);
            assert!(offset_of!(Self, ids) == mailbox::OFFSET_RING as usize);
        }
        Self {
            version: AtomicU32::new(mailbox::VERSION),
            capacity: AtomicU32::new(N as u32),
            head: AtomicU32::new(0),
            tail: AtomicU32::new(0),
            overflow: AtomicU32::new(0),
            ids: [const { AtomicU32::new(0) }; N],
        }
    }

    /// Takes the oldest id.
    #[inline]
    pub(crate) fn take(&self) -> Option<u32> {
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: the id was written before the tail.
        if head == self.tail.load(Ordering::Acquire) {
            return None;
        }
        let id = self
            .ids
            .get(head as usize & (N - 1))?
            .load(Ordering::Relaxed);
        // Release: the server may write over the id once it sees this head.
        self.head.store(head.wrapping_add(1), Ordering::Release);
        Some(id)
    }

    /// How many ids it has.
    #[inline]
    pub(crate) fn pending(&self) -> u32 {
        let head = self.head.load(Ordering::Relaxed);
        // Acquire: who sees the tail sees the ids.
        self.tail.load(Ordering::Acquire).wrapping_sub(head)
    }

    /// Takes every id unseen.
    pub(crate) fn clear(&self) {
        let tail = self.tail.load(Ordering::Acquire);
        self.head.store(tail, Ordering::Release);
    }

    /// Whether ids were dropped since this was last asked.
    pub(crate) fn take_overflow(&self) -> bool {
        self.overflow.load(Ordering::Relaxed) != 0 && self.overflow.swap(0, Ordering::AcqRel) != 0
    }
}

#[cfg(test)]
impl<const N: usize> Ring<N> {
    /// What the server does.
    pub(crate) fn put(&self, id: u32) {
        assert_eq!(self.version.load(Ordering::Relaxed), mailbox::VERSION);
        let capacity = self.capacity.load(Ordering::Relaxed);
        let tail = self.tail.load(Ordering::Relaxed);
        if tail.wrapping_sub(self.head.load(Ordering::Acquire)) >= capacity {
            self.overflow.store(1, Ordering::Release);
            return;
        }
        self.ids[(tail % capacity) as usize].store(id, Ordering::Relaxed);
        self.tail.store(tail.wrapping_add(1), Ordering::Release);
    }

    /// Whether this id waits, or may have been dropped.
    pub(crate) fn may_hold(&self, id: u32) -> bool {
        let head = self.head.load(Ordering::Relaxed);
        let mut waiting = (0..self.pending()).map(|n| head.wrapping_add(n) as usize % N);
        self.overflow.load(Ordering::Relaxed) != 0
            || waiting.any(|place| self.ids[place].load(Ordering::Relaxed) == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_out_in_order_and_once() {
        let ring = Ring::<4>::new();
        assert_eq!(ring.take(), None);
        for round in 0..10 {
            for id in 0..4 {
                ring.put(10 * round + id);
            }
            for id in 0..4 {
                assert_eq!(ring.take(), Some(10 * round + id));
            }
            assert_eq!(ring.take(), None);
        }
        assert!(!ring.take_overflow());
    }

    #[test]
    fn counters_wrap() {
        let ring = Ring::<2>::new();
        ring.head.store(u32::MAX, Ordering::Relaxed);
        ring.tail.store(u32::MAX, Ordering::Relaxed);
        ring.put(1);
        ring.put(2);
        assert_eq!([ring.take(), ring.take()], [Some(1), Some(2)]);
        assert_eq!(ring.take(), None);
    }

    #[test]
    fn overflow_is_told_once() {
        let ring = Ring::<2>::new();
        for id in 1..=3 {
            ring.put(id);
        }
        assert!(ring.take_overflow());
        assert!(!ring.take_overflow());
        assert_eq!([ring.take(), ring.take()], [Some(1), Some(2)]);
    }

    #[test]
    fn clearing_empties_it() {
        let ring = Ring::<2>::new();
        ring.put(1);
        ring.put(2);
        ring.clear();
        assert_eq!(ring.take(), None);
        ring.put(3);
        assert_eq!(ring.take(), Some(3));
    }
}
