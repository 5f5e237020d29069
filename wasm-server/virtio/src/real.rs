// SPDX-License-Identifier: BSD-2-Clause
//! The queue that the device sees, and which chains of the guest are in it.

use core::ops::ControlFlow;
#[cfg(not(loom))]
use core::sync::atomic::{Ordering, fence};

use alloc::{boxed::Box, vec::Vec};
#[cfg(loom)]
use loom::sync::atomic::{Ordering, fence};

use crate::{
    access::{Extent, Page, QueueMemory},
    chain::{NEXT, Pieces},
    error::DeviceFault,
    rings::NO_INTERRUPT,
};

/// Descriptors of a queue at most: what fits a page, and an index fits a byte.
pub const MAX_SIZE: u16 = 256;
/// Bytes of each of a queue's two pages.
pub const PAGE_SIZE: u32 = 4096;

/// In a used ring's flags: the device wants no notifications.
const NO_NOTIFY: u16 = 1;

/// Offsets in the page of the rings. The used ring's entries are multiples of 8 there, so that one load
/// takes a whole entry.
const AVAILABLE_FLAGS: u32 = 0;
const AVAILABLE_INDEX: u32 = 2;
const AVAILABLE_RING: u32 = 4;
const USED_FLAGS: u32 = 0x404;
const USED_INDEX: u32 = 0x406;
const USED_RING: u32 = 0x408;

const _: () = assert!(AVAILABLE_RING + 2 * MAX_SIZE as u32 + 2 <= USED_FLAGS);
const _: () = assert!(USED_RING + 8 * MAX_SIZE as u32 + 2 <= PAGE_SIZE);
const _: () = assert!(16 * MAX_SIZE as u32 <= PAGE_SIZE);

/// What the server knows of a descriptor of the real queue; the device's table is only written.
#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    /// What of the guest's memory the descriptor is about. Stale in a free one.
    address: u32,
    len: u32,
    /// Of the first of a chain: bytes that the device may write.
    writable: u32,
    /// Of the first of a chain in flight: how many there are. Else 0.
    pieces: u16,
    /// The one behind it in its chain, or among the free ones.
    next: u8,
    /// Of the first of a chain: its last.
    last: u8,
    /// Of the first of a chain: the guest's name for it.
    head: u8,
}

type Entries = Box<[Entry; MAX_SIZE as usize]>;

/// What a queue is made of, and a later one in its place again.
#[derive(Debug)]
pub struct Parts<Q> {
    memory: Q,
    entries: Entries,
}

impl<Q> Parts<Q> {
    /// With tables for this memory; none: there is no memory for the tables.
    pub fn new(memory: Q) -> Option<Self> {
        let mut entries = Vec::new();
        entries.try_reserve_exact(MAX_SIZE.into()).ok()?;
        entries.resize(MAX_SIZE.into(), Entry::default());
        Some(Self {
            memory,
            entries: entries.into_boxed_slice().try_into().ok()?,
        })
    }
}

/// The queue that the device sees.
#[derive(Debug)]
pub struct Real<Q> {
    parts: Parts<Q>,
    /// Which queue of the device, for faults.
    queue: u8,
    /// A power of two.
    size: u16,
    /// How far the available ring is written, and how far of it the device was told.
    available: u16,
    published: u16,
    /// How far the used ring was read.
    used: u16,
    free: u32,
    first_free: u8,
    in_flight: u32,
    /// The device was told that no interrupts are wanted.
    is_quiet: bool,
}

impl<Q: QueueMemory> Real<Q> {
    /// An empty queue of a size that is a power of two, at most [`MAX_SIZE`].
    pub fn new(mut parts: Parts<Q>, queue: u8, size: u16) -> Self {
        for page in [Page::Descriptors, Page::Rings] {
            for offset in (0..PAGE_SIZE).step_by(8) {
                parts.memory.store64(page, offset, 0);
            }
        }
        for (entry, next) in parts.entries.iter_mut().zip(1u16..) {
            *entry = Entry {
                // Whoever takes the last free one does not look behind it.
                next: next as u8,
                ..Entry::default()
            };
        }
        Self {
            parts,
            queue,
            size,
            available: 0,
            published: 0,
            used: 0,
            free: size.into(),
            first_free: 0,
            in_flight: 0,
            is_quiet: false,
        }
    }

    /// What it was made of. The device does not know it any more.
    pub fn into_parts(self) -> Parts<Q> {
        self.parts
    }

    /// Descriptors.
    #[inline]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Descriptors that are in no chain.
    #[inline]
    pub fn free(&self) -> u32 {
        self.free
    }

    /// Chains that the device has.
    #[inline]
    pub fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Physical addresses of descriptor table, available and used ring.
    pub fn addresses(&self) -> [u64; 3] {
        let rings = self.parts.memory.physical(Page::Rings);
        [
            self.parts.memory.physical(Page::Descriptors),
            rings + u64::from(AVAILABLE_FLAGS),
            rings + u64::from(USED_FLAGS),
        ]
    }

    /// Says whether the device shall interrupt for what it uses. If so, what it used before is seen by a
    /// look at the used ring from now on.
    #[inline]
    pub fn set_quiet(&mut self, is_quiet: bool) {
        if is_quiet != self.is_quiet {
            self.is_quiet = is_quiet;
            let flags = if is_quiet { NO_INTERRUPT } else { 0 };
            let memory = &self.parts.memory;
            memory.store16(Page::Rings, AVAILABLE_FLAGS, flags);
            fence(Ordering::SeqCst);
        }
    }

    /// A chain to fill, from the free descriptors.
    #[inline]
    pub fn chain(&mut self) -> Chain<'_, Q> {
        Chain {
            at: self.first_free,
            pieces: 0,
            last: Extent {
                physical: 0,
                len: 0,
            },
            address: 0,
            flags: 0,
            real: self,
        }
    }

    /// Shows the device what was made available since the last time, if anything was; answers whether it
    /// wants to be notified.
    #[inline]
    pub fn publish(&mut self) -> bool {
        if self.available == self.published {
            return false;
        }
        self.published = self.available;
        let memory = &self.parts.memory;
        memory.store16_release(Page::Rings, AVAILABLE_INDEX, self.available);
        // The index before the device's flags: it looks at the index after it has changed them.
        fence(Ordering::SeqCst);
        memory.load16(Page::Rings, USED_FLAGS) & NO_NOTIFY == 0
    }

    /// Whether the device has used something.
    #[inline]
    pub fn has_used(&self) -> bool {
        self.used_index() != self.used
    }

    #[inline]
    fn used_index(&self) -> u16 {
        self.parts.memory.load16_acquire(Page::Rings, USED_INDEX)
    }

    /// Calls `each` with the guest's name, and the bytes that were written, of each chain that the device
    /// has used, which is no longer in flight then. Answers whether there were any.
    ///
    /// # Errors
    /// The device lies.
    #[inline]
    pub fn drain(&mut self, mut each: impl FnMut(u8, u32)) -> Result<bool, DeviceFault> {
        let index = self.used_index();
        let new = index.wrapping_sub(self.used);
        if new == 0 {
            return Ok(false);
        }
        let queue = self.queue;
        if u32::from(new) > self.in_flight {
            return Err(DeviceFault::UsedIndex { queue, index });
        }
        while self.used != index {
            // A byte, as in `commit`.
            let place = (self.used & (self.size - 1)) as u8;
            let at = USED_RING + 8 * u32::from(place);
            let used = self.parts.memory.load64(Page::Rings, at);
            let (id, len) = (used as u32, (used >> 32) as u32);
            let unknown = DeviceFault::UsedId { queue, id };
            let first = u8::try_from(id).map_err(|_| unknown)?;
            let first_free = self.first_free;
            let Some(chain) = self.entry(first) else {
                return Err(unknown);
            };
            let &mut Entry {
                writable: room,
                pieces,
                last,
                head,
                ..
            } = chain;
            if pieces == 0 {
                return Err(unknown);
            }
            if len > room {
                return Err(DeviceFault::UsedLen { queue, len, room });
            }
            chain.pieces = 0;
            if let Some(last) = self.entry(last) {
                last.next = first_free;
            }
            self.first_free = first;
            self.free += u32::from(pieces);
            self.in_flight -= 1;
            self.used = self.used.wrapping_add(1);
            each(head, len);
        }
        Ok(true)
    }

    /// Whether a chain that the device has touches a range of the guest's memory.
    pub fn touches(&self, start: u64, end: u64) -> bool {
        let entries = &self.parts.entries;
        let overlaps = |entry: &Entry| {
            let from = u64::from(entry.address);
            from < end && start < from + u64::from(entry.len)
        };
        let chain_does = |(first, entry): (u8, &Entry)| {
            let mut at = first;
            (0..entry.pieces).any(|_| {
                let piece = entries.get(usize::from(at));
                at = piece.map_or(at, |piece| piece.next);
                piece.is_some_and(overlaps)
            })
        };
        self.in_flight != 0 && (0..=u8::MAX).zip(entries.iter()).any(chain_does)
    }

    /// Always there: any byte is an index of the table.
    #[inline]
    fn entry(&mut self, index: u8) -> Option<&mut Entry> {
        self.parts.entries.get_mut(usize::from(index))
    }
}

/// A chain on its way into the real queue. Dropped, it leaves nothing.
#[derive(Debug)]
pub struct Chain<'a, Q> {
    real: &'a mut Real<Q>,
    /// Pieces, the last included.
    pieces: u32,
    /// Where the last piece goes once it is known whether another follows.
    at: u8,
    /// The last piece; of no bytes while there is none of this buffer.
    last: Extent,
    /// Its guest address.
    address: u32,
    /// Flags of the buffer.
    flags: u32,
}

impl<Q: QueueMemory> Pieces for Chain<'_, Q> {
    #[inline]
    fn begin(&mut self, address: u32, flags: u32) {
        if self.last.len != 0 {
            self.at = self.store(NEXT);
            self.last.len = 0;
        }
        self.address = address;
        self.flags = flags;
    }

    #[inline]
    fn add(&mut self, extent: Extent) -> ControlFlow<()> {
        if self.last.len != 0 {
            let end = self.last.physical.wrapping_add(self.last.len.into());
            if end == extent.physical {
                self.last.len = self.last.len.wrapping_add(extent.len);
                return ControlFlow::Continue(());
            }
            self.at = self.store(NEXT);
            self.address = self.address.wrapping_add(self.last.len);
        }
        if self.pieces == self.real.free {
            return ControlFlow::Break(());
        }
        self.pieces += 1;
        self.last = extent;
        ControlFlow::Continue(())
    }
}

impl<Q: QueueMemory> Chain<'_, Q> {
    /// Stores the last piece, and answers which descriptor is behind it.
    #[inline]
    fn store(&mut self, next_flag: u32) -> u8 {
        let Some(entry) = self.real.entry(self.at) else {
            return 0;
        };
        entry.address = self.address;
        entry.len = self.last.len;
        let next = entry.next;
        let offset = 16 * u32::from(self.at);
        let memory = &self.real.parts.memory;
        memory.store64(Page::Descriptors, offset, self.last.physical);
        let flags = self.flags | next_flag | u32::from(next) << 16;
        let rest = u64::from(self.last.len) | u64::from(flags) << 32;
        memory.store64(Page::Descriptors, offset + 8, rest);
        next
    }

    /// Makes the chain available, which has a piece at least, under the guest's name for it; the device
    /// sees it when it is published.
    #[inline]
    pub fn commit(mut self, head: u8, writable: u32) {
        let behind = self.store(0);
        let (last, pieces) = (self.at, self.pieces);
        let real = self.real;
        let first = real.first_free;
        if let Some(entry) = real.entry(first) {
            entry.writable = writable;
            entry.pieces = pieces as u16;
            entry.last = last;
            entry.head = head;
        }
        real.first_free = behind;
        real.free -= pieces;
        real.in_flight += 1;
        // A byte, so that the offset is seen to be inside the page.
        let place = (real.available & (real.size - 1)) as u8;
        let memory = &real.parts.memory;
        let at = AVAILABLE_RING + 2 * u32::from(place);
        memory.store16(Page::Rings, at, first.into());
        real.available = real.available.wrapping_add(1);
    }
}
