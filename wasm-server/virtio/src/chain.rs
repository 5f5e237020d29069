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
pub const NEXT: u16 = 1;
/// The device writes to the buffer.
pub const WRITE: u16 = 2;

/// Bytes of a descriptor.
pub const DESCRIPTOR: u32 = 16;
/// Offsets in a descriptor: upper half of the address, length, and both flags and next.
const ADDRESS_HIGH: u32 = 4;
const LEN: u32 = 8;
const FLAGS: u32 = 12;

/// Where the pieces of a chain go.
pub trait Pieces {
    /// Another piece, of the buffer at this guest address. `joins`: it is of the same buffer as the one
    /// before, and may become one with it. Breaks off if there is no room.
    fn add(&mut self, address: u32, extent: Extent, flags: u16, joins: bool) -> ControlFlow<()>;
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Walk {
    /// All pieces were taken; the device may write this many bytes.
    Whole(u32),
    /// There was no room.
    NoRoom,
}

/// Walks the chain at `head` of a descriptor table of `size`.
///
/// # Errors
/// It breaks a rule.
#[inline]
pub fn walk<M: GuestMemory>(
    table: &M::Words,
    size: u16,
    head: u16,
    memory: &M,
    pieces: &mut impl Pieces,
) -> Result<Walk, DriverFault> {
    let mut index = head;
    let mut left = size;
    let mut bytes = 0;
    let mut writable = 0;
    loop {
        if index >= size {
            return Err(DriverFault::DescriptorIndex(index));
        }
        let at = DESCRIPTOR * u32::from(index);
        let address = table.load(at);
        let high = table.load(at + ADDRESS_HIGH);
        let len = table.load(at + LEN);
        let last = table.load(at + FLAGS);
        let (flags, next) = (last as u16, (last >> 16) as u16);

        if flags & !(NEXT | WRITE) != 0 {
            return Err(DriverFault::Flags { index, flags });
        }
        if len == 0 {
            return Err(DriverFault::Empty(index));
        }
        if len > MAX_CHAIN - bytes {
            return Err(DriverFault::TooLong(head));
        }
        bytes += len;
        let write = flags & WRITE != 0;
        if write {
            writable += len;
        } else if writable != 0 {
            return Err(DriverFault::Order(index));
        }

        let bad_address = || DriverFault::Address {
            index,
            address: u64::from(high) << 32 | u64::from(address),
            len,
        };
        if high != 0 {
            return Err(bad_address());
        }
        let mut room = ControlFlow::Continue(());
        let mut done = 0u32;
        memory
            .translate(address, len, write, |extent| {
                let from = address.wrapping_add(done);
                room = pieces.add(from, extent, flags & WRITE, done != 0);
                done = done.wrapping_add(extent.len);
                room
            })
            .map_err(|_| bad_address())?;
        if room.is_break() {
            return Ok(Walk::NoRoom);
        }

        if flags & NEXT == 0 {
            return Ok(Walk::Whole(writable));
        }
        left -= 1;
        if left == 0 {
            return Err(DriverFault::Loop(head));
        }
        index = next;
    }
}

/// Counts the pieces, up to a limit.
#[derive(Debug)]
pub struct Count {
    /// How many.
    pub pieces: u16,
    /// At most.
    pub limit: u16,
    /// Where the last one ends.
    end: u64,
}

impl Count {
    /// None yet.
    pub fn new(limit: u16) -> Self {
        Self {
            pieces: 0,
            limit,
            end: 0,
        }
    }
}

impl Pieces for Count {
    fn add(&mut self, _: u32, extent: Extent, _: u16, joins: bool) -> ControlFlow<()> {
        if !joins || self.end != extent.physical {
            if self.pieces == self.limit {
                return ControlFlow::Break(());
            }
            self.pieces += 1;
        }
        self.end = extent.physical.wrapping_add(extent.len.into());
        ControlFlow::Continue(())
    }
}
