// SPDX-License-Identifier: BSD-2-Clause
//! Blocks in memory.

use alloc::{collections::BTreeMap, rc::Rc, vec::Vec};
use core::ops::Range;

/// What becomes of a cached block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// The disk has it, or will have it from elsewhere: it may be dropped.
    Clean,
    /// The running transaction has changed it.
    Changed,
    /// File contents that the disk does not have.
    Data,
    /// File contents that were written, but may still be lost.
    Written,
}

/// A cached block. The bytes are shared with what is still to be written and what can still be undone; who changes them
/// then changes a copy.
#[derive(Clone, Debug)]
pub(crate) struct Cached {
    pub bytes: Rc<[u8]>,
    pub state: State,
    /// The operation that knows what it was before.
    pub kept_by: u64,
}

struct Slot {
    block: u64,
    /// Whether it was used since the hand came by.
    is_used: bool,
    /// None: the slot is free.
    cached: Option<Cached>,
}

/// Blocks in memory. Clean ones make room for others, those first that were not used since the hand of a clock came by;
/// if there are none, there are more than there should be.
pub(crate) struct Cache {
    index: BTreeMap<u64, usize>,
    slots: Vec<Slot>,
    free: Vec<usize>,
    hand: usize,
    capacity: usize,
}

impl Cache {
    pub(crate) const fn new(capacity: usize) -> Self {
        Self {
            index: BTreeMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            hand: 0,
            capacity,
        }
    }

    pub(crate) const fn capacity(&self) -> usize {
        self.capacity
    }

    pub(crate) fn has(&self, block: u64) -> bool {
        self.index.contains_key(&block)
    }

    /// Those of a range that are cached.
    pub(crate) fn within(&self, range: Range<u64>) -> Vec<u64> {
        self.index.range(range).map(|(block, _)| *block).collect()
    }

    pub(crate) fn get(&mut self, block: u64) -> Option<&mut Cached> {
        let slot = self.slots.get_mut(*self.index.get(&block)?)?;
        slot.is_used = true;
        slot.cached.as_mut()
    }

    pub(crate) fn remove(&mut self, block: u64) -> Option<Cached> {
        let at = self.index.remove(&block)?;
        self.free.push(at);
        self.slots.get_mut(at)?.cached.take()
    }

    /// Puts a block in the place of what there was of it.
    pub(crate) fn put(&mut self, block: u64, cached: Cached) -> Option<&mut Cached> {
        let at = match self.index.get(&block) {
            Some(at) => *at,
            None => self.vacate(),
        };
        let slot = self.slots.get_mut(at)?;
        slot.block = block;
        slot.is_used = true;
        self.index.insert(block, at);
        Some(slot.cached.insert(cached))
    }

    /// A slot that is free.
    fn vacate(&mut self) -> usize {
        while self.index.len() >= self.capacity && self.evict() {}
        if let Some(at) = self.free.pop() {
            return at;
        }
        self.slots.push(Slot {
            block: 0,
            is_used: false,
            cached: None,
        });
        self.slots.len() - 1
    }

    /// Drops a clean block; answers whether there was one.
    fn evict(&mut self) -> bool {
        // Twice round: the first time, all may have been used.
        for _ in 0..2 * self.slots.len() {
            self.hand = (self.hand + 1) % self.slots.len();
            let Some(slot) = self.slots.get_mut(self.hand) else {
                break;
            };
            match &slot.cached {
                Some(cached) if cached.state == State::Clean => {}
                _ => continue,
            }
            if !core::mem::take(&mut slot.is_used) {
                slot.cached = None;
                self.index.remove(&slot.block);
                self.free.push(self.hand);
                return true;
            }
        }
        false
    }
}
