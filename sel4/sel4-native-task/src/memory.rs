// SPDX-License-Identifier: BSD-2-Clause
//! Memory that others may have, too: only ever read and written by value, never referred to.

use core::ptr;
use core::sync::atomic::{AtomicU64, Ordering, fence};

use native_handoff::Given;

/// Mapped memory: a frame of memory or of a device's registers, or a channel. Whoever else has it may change it
/// between any two accesses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    start: usize,
    len: usize,
    writable: bool,
}

/// A value that is read and written with one instruction.
pub trait Value: Copy + private::Sealed {}

mod private {
    pub trait Sealed {}
}

macro_rules! values {
    ($($t:ty)*) => { $( impl private::Sealed for $t {} impl Value for $t {} )* };
}
values! { u8 u16 u32 u64 i8 i16 i32 i64 }

impl Memory {
    /// What the handoff says is mapped; none if it is not.
    pub(crate) fn of(given: &Given<'_>) -> Option<Self> {
        (given.vaddr != 0 && given.rights.read).then_some(Self {
            start: given.vaddr as usize,
            len: given.len as usize,
            writable: given.rights.write,
        })
    }

    /// Bytes.
    pub const fn len(self) -> usize {
        self.len
    }

    /// Whether there are no bytes.
    pub const fn is_empty(self) -> bool {
        self.len == 0
    }

    /// Whether it may be written.
    pub const fn is_writable(self) -> bool {
        self.writable
    }

    /// Its address.
    pub const fn addr(self) -> usize {
        self.start
    }

    /// Where a value at this offset is; none if it is not aligned, or not within.
    fn place<T: Value>(self, offset: usize) -> Option<usize> {
        let end = offset.checked_add(size_of::<T>())?;
        (end <= self.len && offset.is_multiple_of(size_of::<T>())).then_some(self.start + offset)
    }

    /// Reads the value at an offset, which is a multiple of its size; none if it is not within.
    pub fn read<T: Value>(self, offset: usize) -> Option<T> {
        let place = ptr::with_exposed_provenance::<T>(self.place::<T>(offset)?);
        // SAFETY: the root task has mapped these bytes for the life of the program, at an address that belongs to
        // no object of it; the access is aligned, and any bytes make a valid integer. It is volatile, since others
        // may write.
        Some(unsafe { place.read_volatile() })
    }

    /// Writes a value at an offset, which is a multiple of its size; none if it is not within, or not writable.
    pub fn write<T: Value>(self, offset: usize, value: T) -> Option<()> {
        let place = ptr::with_exposed_provenance_mut::<T>(self.place::<T>(offset)?);
        if !self.writable {
            return None;
        }
        // SAFETY: as in `read`, and mapped writable. No reference to these bytes exists.
        unsafe { place.write_volatile(value) };
        Some(())
    }

    /// As [`read`](Self::read); what is read afterwards is as new as this.
    pub fn load<T: Value>(self, offset: usize) -> Option<T> {
        let value = self.read(offset);
        fence(Ordering::Acquire);
        value
    }

    /// As [`write`](Self::write); whoever [`load`](Self::load)s it sees what was written before.
    pub fn store<T: Value>(self, offset: usize, value: T) -> Option<()> {
        fence(Ordering::Release);
        self.write(offset, value)
    }

    /// Copies bytes out; none if they are not all within.
    pub fn copy_out(self, offset: usize, bytes: &mut [u8]) -> Option<()> {
        offset
            .checked_add(bytes.len())
            .filter(|end| *end <= self.len)?;
        for (byte, at) in bytes.iter_mut().zip(offset..) {
            *byte = self.read(at)?;
        }
        Some(())
    }

    /// Copies bytes in; none if they are not all within, or it is not writable.
    pub fn copy_in(self, offset: usize, bytes: &[u8]) -> Option<()> {
        offset
            .checked_add(bytes.len())
            .filter(|end| *end <= self.len)?;
        for (&byte, at) in bytes.iter().zip(offset..) {
            self.write(at, byte)?;
        }
        Some(())
    }
}

impl Memory {
    /// A page that the root task has mapped at this address.
    pub(crate) const fn page(start: u64, writable: bool) -> Self {
        Self {
            start: start as usize,
            len: 4096,
            writable,
        }
    }

    /// The word of 64 bits at this offset, a multiple of 8; none if it is not within. It is only to be stored to if this
    /// is writable.
    pub(crate) fn word(&self, offset: usize) -> Option<&AtomicU64> {
        let place = ptr::with_exposed_provenance_mut::<u64>(self.place::<u64>(offset)?);
        // SAFETY: mapped for the life of the program, as in `read`, and aligned. Others access it, too, and whatever they
        // write, a load gives some number; a load needs no right to write.
        Some(unsafe { AtomicU64::from_ptr(place) })
    }

    /// Memory whose address was taken from one before; none at 0.
    pub(crate) fn registers(start: usize, len: usize) -> Option<Self> {
        (start != 0).then_some(Self {
            start,
            len,
            writable: true,
        })
    }
}
