// SPDX-License-Identifier: BSD-2-Clause
//! A split virtqueue in the guest's memory, in which everything can be written (virtio 1.2, 2.7).

use crate::call::Memory;

/// Descriptors of a queue. All devices here have as many.
pub const SIZE: u16 = 256;
/// Bytes of a queue: three pages of 4 KiB.
pub const BYTES: u32 = 3 * PART;
const PART: u32 = 4096;

/// Flags of a descriptor.
pub mod flag {
    /// Another is behind it in the chain.
    pub const NEXT: u16 = 1;
    /// The device writes it.
    pub const WRITE: u16 = 2;
    /// It is a table of others.
    pub const INDIRECT: u16 = 4;
}

/// A descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Descriptor {
    /// Where the buffer is, in the guest's memory.
    pub address: u64,
    /// Its bytes.
    pub len: u32,
    /// See [`flag`].
    pub flags: u16,
    /// The one behind it.
    pub next: u16,
}

impl Descriptor {
    /// The last or only one of a chain, which the device reads or writes.
    pub const fn new(address: u64, len: u32, write: bool) -> Self {
        Self {
            address,
            len,
            flags: if write { flag::WRITE } else { 0 },
            next: 0,
        }
    }

    /// All of some memory.
    pub fn of(memory: Memory, write: bool) -> Self {
        Self::new(memory.base().into(), memory.len(), write)
    }

    /// The same with one behind it.
    #[must_use]
    pub const fn then(mut self, next: u16) -> Self {
        self.flags |= flag::NEXT;
        self.next = next;
        self
    }
}

/// A queue, as the driver sees it.
#[derive(Debug)]
pub struct Queue {
    memory: Memory,
    index: u32,
    size: u16,
    /// The index of the available ring.
    available: u16,
    /// The index of the used ring up to which it has been looked at.
    seen: u16,
}

impl Queue {
    /// The queue of this number, with [`BYTES`] of memory.
    pub fn new(index: u32, memory: Memory) -> Self {
        Self {
            memory: memory.part(0, BYTES),
            index,
            size: SIZE,
            available: 0,
            seen: 0,
        }
    }

    /// Its number.
    pub const fn index(&self) -> u32 {
        self.index
    }

    /// How many descriptors it has.
    pub const fn size(&self) -> u16 {
        self.size
    }

    /// Has fewer descriptors from now on.
    pub fn set_size(&mut self, size: u16) {
        self.size = size;
    }

    /// Addresses of descriptor table, available ring and used ring.
    pub fn places(&self) -> [u64; 3] {
        [0, PART, 2 * PART].map(|offset| u64::from(self.memory.base() + offset))
    }

    /// Empties it, as it has to be before a device knows it.
    pub fn clear(&mut self) {
        self.memory.fill(0);
        (self.available, self.seen) = (0, 0);
    }

    /// Writes a descriptor.
    pub fn describe(&self, index: u16, descriptor: Descriptor) {
        let at = 16 * u32::from(index);
        self.memory.set_double(at, descriptor.address);
        self.memory.set_word(at + 8, descriptor.len);
        self.memory.set_half(at + 12, descriptor.flags);
        self.memory.set_half(at + 14, descriptor.next);
    }

    /// Writes descriptors from this one on, each but the last with the next behind it.
    pub fn chain(&self, first: u16, descriptors: &[Descriptor]) {
        for (index, descriptor) in (first..).zip(descriptors) {
            let is_last = usize::from(index - first) + 1 == descriptors.len();
            let linked = descriptor.flags & flag::NEXT != 0;
            self.describe(
                index,
                if is_last || linked {
                    *descriptor
                } else {
                    descriptor.then(index + 1)
                },
            );
        }
    }

    /// Makes the chain with this first descriptor available.
    pub fn offer(&mut self, head: u16) {
        let slot = u32::from(self.available % self.size);
        self.memory.set_half(PART + 4 + 2 * slot, head);
        self.advance(1);
    }

    /// Says that so many more are available, whatever the ring has there.
    pub fn advance(&mut self, by: u16) {
        self.available = self.available.wrapping_add(by);
        self.memory.set_half(PART + 2, self.available);
    }

    /// Flags of the available ring.
    pub fn set_flags(&self, flags: u16) {
        self.memory.set_half(PART, flags);
    }

    /// The index of the used ring.
    pub fn used_index(&self) -> u16 {
        self.memory.half(2 * PART + 2)
    }

    /// Writes what only the device should: everything in the used ring.
    pub fn spoil_used(&self, value: u64) {
        self.memory.part(2 * PART, PART).fill(value);
    }

    /// The next element that the device has used: first descriptor, and bytes written.
    pub fn take(&mut self) -> Option<(u16, u32)> {
        if self.used_index() == self.seen {
            return None;
        }
        let at = 2 * PART + 4 + 8 * u32::from(self.seen % self.size);
        self.seen = self.seen.wrapping_add(1);
        Some((self.memory.word(at) as u16, self.memory.word(at + 4)))
    }
}
