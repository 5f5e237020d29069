// SPDX-License-Identifier: BSD-2-Clause
//! What the platform does: registers, the guest's memory, the device's queues.

use core::{fmt, ops::ControlFlow};

use wasm_state::mailbox::Words;

/// Bytes of an access to a register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Width {
    /// One byte.
    Byte = 1,
    /// Two bytes, at an even offset.
    Half = 2,
    /// Four bytes, at a multiple of four.
    Word = 4,
}

impl Width {
    /// That many bytes.
    pub const fn new(bytes: u32) -> Option<Self> {
        match bytes {
            1 => Some(Self::Byte),
            2 => Some(Self::Half),
            4 => Some(Self::Word),
            _ => None,
        }
    }

    /// How many bytes.
    pub const fn bytes(self) -> u32 {
        self as u32
    }

    /// The largest value.
    pub const fn max(self) -> u32 {
        u32::MAX >> (32 - 8 * self.bytes())
    }
}

/// The registers of one device, [`register::LEN`](crate::register::LEN) bytes, which nothing but its
/// [`Device`](crate::Device) touches while there is one.
///
/// Offsets are below that length and multiples of the width: a platform need not check that to keep
/// within the slot.
pub trait Registers {
    /// Loads; the value has no bits beyond the width.
    fn read(&self, offset: u32, width: Width) -> u32;
    /// Stores, behind everything that was stored before, to [`QueueMemory`] too, as the device sees it.
    fn write(&self, offset: u32, width: Width, value: u32);
}

/// An address range that is not the guest's to use in this way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadAddress;

impl fmt::Display for BadAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not memory that the guest may use in this way")
    }
}

/// A stretch of physical memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// Physical address of the first byte.
    pub physical: u64,
    /// Bytes; not 0.
    pub len: u32,
}

/// A guest's linear memory. Addresses are offsets in it.
pub trait GuestMemory {
    /// Words of the memory.
    type Words: Words;

    /// The words of a range, both a multiple of 4, that is inside the memory and no part of which is or
    /// was a window: nobody but the guest and the devices it drives writes there, and it stays.
    fn private_words(&self, address: u32, len: u32) -> Option<Self::Words>;

    /// Calls `each` with the physical memory behind a range (`len` is not 0), in order and without gaps,
    /// at most a page or as much as is contiguous each time, until it breaks off. `write`: the device is
    /// going to write there.
    ///
    /// What it called `each` with stays the guest's until
    /// [`Device::in_flight`](crate::Device::in_flight) denies it.
    ///
    /// # Errors
    /// Part of the range is outside the memory (it may wrap around), not mapped, or read-only while
    /// `write`. `each` may have been called for what comes before.
    fn translate(
        &self,
        address: u32,
        len: u32,
        write: bool,
        each: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), BadAddress>;
}

/// Which page of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// The descriptor table.
    Descriptors,
    /// Available and used ring.
    Rings,
}

/// Two pages of [`PAGE_SIZE`](crate::PAGE_SIZE) that server and device share and no guest sees.
///
/// Offsets are inside the page and multiples of what is accessed. Dropping it gives the pages back;
/// [`Device`](crate::Device) keeps it until the device cannot reach it any more.
pub trait QueueMemory {
    /// Where the device finds the page.
    fn physical(&self, page: Page) -> u64;
    /// Loads.
    fn load16(&self, page: Page, offset: u32) -> u16;
    /// Loads, before everything that is loaded behind it.
    fn load16_acquire(&self, page: Page, offset: u32) -> u16;
    /// Loads.
    fn load64(&self, page: Page, offset: u32) -> u64;
    /// Stores.
    fn store16(&self, page: Page, offset: u32, value: u16);
    /// Stores, behind everything that was stored before it.
    fn store16_release(&self, page: Page, offset: u32, value: u16);
    /// Stores.
    fn store64(&self, page: Page, offset: u32, value: u64);
}
