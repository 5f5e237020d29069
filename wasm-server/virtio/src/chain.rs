// SPDX-License-Identifier: BSD-2-Clause
//! A guest's descriptor chain, walked once: each word of it is read once, checked, and used.

use core::ops::ControlFlow;

use wasm_state::mailbox::Words;

use crate::{
    access::{Extent, GuestMemory},
    error::DriverFault,
};

/// Bytes of a chain at most. Bounds what a kick has to translate.
pub const MAX_CHAIN: u32 = 16 << 20;

/// Another descriptor of the chain follows.
pub const NEXT: u32 = 1;
/// The device writes to the buffer.
pub const WRITE: u32 = 2;

/// Bytes of a descriptor.
pub const DESCRIPTOR: u32 = 16;

/// Where the pieces of a chain go.
pub trait Pieces {
    /// A buffer at this guest address begins, with [`WRITE`] or none.
    fn begin(&mut self, address: u32, flags: u32);
    /// The buffer's next extent. Breaks off if there is no room.
    fn add(&mut self, extent: Extent) -> ControlFlow<()>;
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// All pieces were taken; the device may write this many bytes.
    Whole(u32),
    /// There was no room.
    NoRoom,
}

/// A descriptor, as it was read.
#[derive(Clone, Copy)]
struct Descriptor {
    address: u32,
    high: u32,
    len: u32,
    /// Flags, and the next descriptor in the upper half.
    last: u32,
}

/// Walks the chain at `head` of a descriptor table of `size`.
///
/// # Errors
/// It breaks a rule.
#[inline]
pub fn walk<M: GuestMemory>(
    table: &M::Words,
    size: u32,
    head: u32,
    memory: &M,
    pieces: &mut impl Pieces,
) -> Result<Walk, DriverFault> {
    let mut index = head;
    let mut left = size;
    let mut bytes = 0;
    let mut writable = 0;
    loop {
        if index >= size {
            return Err(DriverFault::DescriptorIndex(index as u16));
        }
        let [address, high, len, last] = table.load_four(DESCRIPTOR * index);
        let descriptor = Descriptor {
            address,
            high,
            len,
            last,
        };

        // Few branches: a length of 0 is as wrong as one that is too long.
        let is_odd = high | last & 0xffff & !(NEXT | WRITE) != 0;
        if is_odd || len.wrapping_sub(1) >= MAX_CHAIN - bytes {
            return Err(descriptor.fault(index, head));
        }
        bytes += len;
        let write = last & WRITE != 0;
        if write {
            writable += len;
        } else if writable != 0 {
            return Err(DriverFault::Order(index as u16));
        }

        pieces.begin(address, last & WRITE);
        let mut room = ControlFlow::Continue(());
        let translated = memory.translate(address, len, write, |extent| {
            room = pieces.add(extent);
            room
        });
        if translated.is_err() {
            return Err(descriptor.bad_address(index));
        }
        if room.is_break() {
            return Ok(Walk::NoRoom);
        }

        if last & NEXT == 0 {
            return Ok(Walk::Whole(writable));
        }
        left -= 1;
        if left == 0 {
            return Err(DriverFault::Loop(head as u16));
        }
        index = last >> 16;
    }
}

impl Descriptor {
    /// What is wrong with it by itself, or with the sum of bytes.
    #[cold]
    fn fault(self, index: u32, head: u32) -> DriverFault {
        let flags = self.last as u16;
        let index = index as u16;
        if u32::from(flags) & !(NEXT | WRITE) != 0 {
            DriverFault::Flags { index, flags }
        } else if self.len == 0 {
            DriverFault::Empty(index)
        } else if self.high != 0 {
            self.bad_address(index.into())
        } else {
            DriverFault::TooLong(head as u16)
        }
    }

    #[cold]
    fn bad_address(self, index: u32) -> DriverFault {
        DriverFault::Address {
            index: index as u16,
            address: u64::from(self.high) << 32 | u64::from(self.address),
            len: self.len,
        }
    }
}

/// Counts the pieces, up to a limit.
#[derive(Debug)]
pub struct Count {
    /// How many.
    pub pieces: u32,
    limit: u32,
    /// Where the last one ends, unless a buffer begins.
    end: Option<u64>,
}

impl Count {
    /// None yet.
    pub fn new(limit: u32) -> Self {
        Self {
            pieces: 0,
            limit,
            end: None,
        }
    }
}

impl Pieces for Count {
    fn begin(&mut self, _: u32, _: u32) {
        self.end = None;
    }

    fn add(&mut self, extent: Extent) -> ControlFlow<()> {
        if self.end != Some(extent.physical) {
            if self.pieces == self.limit {
                return ControlFlow::Break(());
            }
            self.pieces += 1;
        }
        self.end = Some(extent.physical.wrapping_add(extent.len.into()));
        ControlFlow::Continue(())
    }
}
