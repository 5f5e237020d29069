// SPDX-License-Identifier: BSD-2-Clause
//! Typed views of memory that others may write at any time: words in structures of atomics, and bytes
//! that are copied.

#[cfg(not(target_family = "wasm"))]
use core::sync::atomic::Ordering;
#[cfg(not(test))]
use core::sync::atomic::{AtomicU32, AtomicU64};
use core::{marker::PhantomData, ptr::with_exposed_provenance};

#[cfg(test)]
use super::steps::{AtomicU32, AtomicU64};
use super::{copy, shared::Shared};
use crate::channel::layout::{Descriptor, Header, Slot};

/// What can lie in memory that others write.
///
/// # Safety
/// The type is `repr(C)`, consists of atomic integers and nothing else, and is aligned as it says.
pub(crate) unsafe trait Atoms: Sync {}

// SAFETY: see there.
unsafe impl Atoms for AtomicU32 {}
// SAFETY: see there.
unsafe impl Atoms for AtomicU64 {}
// SAFETY: see there.
unsafe impl Atoms for Header {}
// SAFETY: see there.
unsafe impl Atoms for Slot {}
// SAFETY: see there.
unsafe impl Atoms for Descriptor {}

/// A word that one party writes before another word says that it is there, and others read after. Wasm
/// has no weaker atomics than the sequentially consistent ones; this is a plain access there, which is
/// whole or torn, as others please.
#[repr(transparent)]
pub(crate) struct Loose(AtomicU64);

impl Loose {
    /// What is there.
    #[inline(always)]
    pub(crate) fn load(&self) -> u64 {
        #[cfg(target_family = "wasm")]
        // SAFETY: inside, so mapped, and aligned, since there is a reference; volatile, as in `copy`.
        return unsafe { self.0.as_ptr().read_volatile() };
        #[cfg(not(target_family = "wasm"))]
        self.0.load(Ordering::Relaxed)
    }

    /// Puts something there.
    #[inline(always)]
    pub(crate) fn store(&self, word: u64) {
        #[cfg(target_family = "wasm")]
        // SAFETY: as in `load`; the type allows changes behind a reference.
        unsafe {
            self.0.as_ptr().write_volatile(word);
        }
        #[cfg(not(target_family = "wasm"))]
        self.0.store(word, Ordering::Relaxed);
    }
}

/// A power of two of structures, one behind the other.
#[derive(Debug)]
pub(crate) struct Cells<T> {
    address: usize,
    mask: u32,
    of: PhantomData<*const T>,
}

// SAFETY: it shows atoms, which are there to be shared, and owns nothing.
unsafe impl<T: Atoms> Send for Cells<T> {}
// SAFETY: as above.
unsafe impl<T: Atoms> Sync for Cells<T> {}

// By hand: a copy of the view is none of what it shows.
impl<T> Clone for Cells<T> {
    fn clone(&self) -> Self {
        Self {
            address: self.address,
            mask: self.mask,
            of: PhantomData,
        }
    }
}

impl<T: Atoms> Cells<T> {
    /// Those at this offset; none if they are not inside, not aligned, or no power of two.
    pub(crate) fn of(memory: &Shared, offset: u32, count: u32) -> Option<Self> {
        let bytes = count.checked_mul(size_of::<T>() as u32)?;
        let address = memory.range(offset, bytes)?;
        let good = count.is_power_of_two() && address.is_multiple_of(align_of::<T>());
        good.then_some(Self {
            address,
            mask: count - 1,
            of: PhantomData,
        })
    }

    /// The one at this place, counted modulo their number, to be kept.
    pub(crate) fn one(&self, index: u32) -> One<T> {
        One {
            address: self.address + self.place(index),
            of: PhantomData,
        }
    }

    #[inline(always)]
    const fn place(&self, index: u32) -> usize {
        (index & self.mask) as usize * size_of::<T>()
    }

    /// The one at this place, counted modulo their number.
    #[inline(always)]
    pub(crate) fn at(&self, index: u32) -> &T {
        let cell = with_exposed_provenance::<T>(self.address + self.place(index));
        // SAFETY: `of` saw `mask + 1` of them inside the memory, aligned. `Shared` promises that it stays
        // mapped to the end of the program and is only accessed by atomics; the type is those alone, so
        // whatever others write is a value of it.
        unsafe { &*cell }
    }
}

/// One structure.
#[derive(Debug)]
pub(crate) struct One<T> {
    address: usize,
    of: PhantomData<*const T>,
}

// SAFETY: as for `Cells`.
unsafe impl<T: Atoms> Send for One<T> {}
// SAFETY: as for `Cells`.
unsafe impl<T: Atoms> Sync for One<T> {}

impl<T> Clone for One<T> {
    fn clone(&self) -> Self {
        Self {
            address: self.address,
            of: PhantomData,
        }
    }
}

impl<T: Atoms> One<T> {
    /// The one at this offset; none if it is not inside or not aligned.
    pub(crate) fn of(memory: &Shared, offset: u32) -> Option<Self> {
        Cells::of(memory, offset, 1).map(|cells| cells.one(0))
    }

    /// One that this program has for itself.
    pub(crate) fn own(cell: &'static T) -> Self {
        Self {
            address: core::ptr::from_ref(cell).expose_provenance(),
            of: PhantomData,
        }
    }

    /// It.
    #[inline(always)]
    pub(crate) fn get(&self) -> &T {
        let cell = with_exposed_provenance::<T>(self.address);
        // SAFETY: as in `Cells::at`, or it was a reference for ever.
        unsafe { &*cell }
    }
}

/// A power of two of bytes, at a multiple of 16. Positions in it are counted modulo its size, and down to a
/// multiple of 16.
#[derive(Clone, Debug)]
pub(crate) struct Data {
    address: usize,
    len: u32,
    /// Of a position, what counts.
    mask: u32,
}

impl Data {
    /// Those at this offset; none if they are not inside, not aligned, or no power of two.
    pub(crate) fn of(memory: &Shared, offset: u32, len: u32) -> Option<Self> {
        let address = memory.range(offset, len)?;
        let good = len.is_power_of_two() && len >= 16 && address.is_multiple_of(16);
        good.then_some(Self {
            address,
            len,
            mask: (len - 1) & !15,
        })
    }

    /// The first position behind this one that is counted as 0.
    pub(crate) const fn next_lap(&self, position: u32) -> u32 {
        (position | (self.len - 1)).wrapping_add(1)
    }

    /// Bytes from a position to the end.
    pub(crate) const fn contiguous(&self, position: u32) -> u32 {
        self.len - (position & self.mask)
    }

    /// The bytes from a position on; none if so many are not there without a wrap.
    #[inline(always)]
    pub(crate) const fn slice(&self, position: u32, len: u32) -> Option<Slice> {
        let place = position & self.mask;
        // No sum: neither side can wrap.
        if len > self.len - place {
            return None;
        }
        Some(Slice {
            address: self.address + place as usize,
            len,
        })
    }
}

/// Bytes that are given out one stretch after the other, each from a multiple of 16 on.
#[derive(Debug)]
pub(crate) struct Run {
    address: usize,
    left: u32,
    position: u32,
}

impl Run {
    /// No bytes.
    pub(crate) const fn empty() -> Self {
        Self {
            address: 0,
            left: 0,
            position: 0,
        }
    }

    /// Bytes of a ring, from a position on; as many, or up to its end.
    pub(crate) const fn of(data: &Data, position: u32, len: u32) -> Self {
        let place = position & data.mask;
        let contiguous = data.len - place;
        Self {
            address: data.address + place as usize,
            left: if len < contiguous { len } else { contiguous },
            position,
        }
    }

    /// Whether there are so many left.
    #[inline(always)]
    pub(crate) const fn has(&self, len: u32) -> bool {
        len <= self.left
    }

    /// Takes the first of them, if there are as many; answers their position, too.
    #[inline(always)]
    pub(crate) const fn take(&mut self, len: u32) -> Option<(u32, Slice)> {
        if !self.has(len) {
            return None;
        }
        let slice = Slice {
            address: self.address,
            len,
        };
        let start = self.position;
        // At most what is left, rounded up: an end that is no multiple of 16 gives no more.
        let span = len.wrapping_add(15) & !15;
        self.left = self.left.saturating_sub(span);
        self.address += span as usize;
        self.position = self.position.wrapping_add(span);
        Some((start, slice))
    }
}

/// Some bytes, of which the first is at a multiple of 16.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slice {
    address: usize,
    len: u32,
}

impl Slice {
    /// Bytes.
    #[inline(always)]
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Forgets what is behind so many bytes.
    pub(crate) fn truncate(&mut self, len: u32) {
        self.len = self.len.min(len);
    }

    /// Where it is.
    pub(crate) const fn address(&self) -> usize {
        self.address
    }

    /// Copies bytes to the begin; none if they do not fit.
    #[inline(always)]
    pub(crate) fn put(&self, bytes: &[u8]) -> Option<()> {
        if bytes.len() > self.len as usize {
            return None;
        }
        // SAFETY: inside, by the check, and aligned, as `Data` made sure; `bytes` is readable memory.
        unsafe { copy::aligned_in(self.address, bytes) };
        Some(())
    }

    /// Copies bytes from the begin; none if there are not as many.
    #[inline(always)]
    pub(crate) fn get(&self, bytes: &mut [u8]) -> Option<()> {
        if bytes.len() > self.len as usize {
            return None;
        }
        // SAFETY: as in `put`.
        unsafe { copy::aligned_out(self.address, bytes) };
        Some(())
    }

    /// Writes a frame of 1 to 32 bytes, as words, of which no more are written than it takes; none if it is of
    /// another length. Without vectors: a guest that uses none saves the kernel from changing those at each switch.
    #[inline(always)]
    pub(crate) fn put_short(&self, words: &[u64; 4]) -> Option<()> {
        // Nothing may be at the very end.
        if self.len == 0 || self.len > 32 {
            return None;
        }
        // SAFETY: inside, since room begins and ends at multiples of 16; aligned, as `Data` made sure.
        unsafe { copy::short_in(self.address, words, self.len > 16) };
        Some(())
    }

    /// Reads a frame of 1 to 32 bytes, with anything behind it; none if it is of another length. See
    /// [`Self::put_short`].
    #[inline(always)]
    pub(crate) fn get_short(&self) -> Option<[u64; 4]> {
        if self.len == 0 || self.len > 32 {
            return None;
        }
        // SAFETY: as in `put_short`.
        Some(unsafe { copy::short_out(self.address, self.len > 16) })
    }

    /// Copies bytes to this offset; none if they do not fit.
    pub(crate) fn put_at(&self, offset: u32, bytes: &[u8]) -> Option<()> {
        let address = self.range(offset, bytes.len())?;
        if address.is_multiple_of(16) {
            // SAFETY: inside, by the check, and aligned.
            unsafe { copy::aligned_in(address, bytes) };
        } else {
            // SAFETY: inside, by the check.
            unsafe { copy::bytes_in(address, bytes) };
        }
        Some(())
    }

    /// Copies bytes from this offset; none if there are not as many.
    pub(crate) fn get_at(&self, offset: u32, bytes: &mut [u8]) -> Option<()> {
        let address = self.range(offset, bytes.len())?;
        if address.is_multiple_of(16) {
            // SAFETY: inside, by the check, and aligned.
            unsafe { copy::aligned_out(address, bytes) };
        } else {
            // SAFETY: inside, by the check.
            unsafe { copy::bytes_out(address, bytes) };
        }
        Some(())
    }

    fn range(&self, offset: u32, len: usize) -> Option<usize> {
        let room = self.len.checked_sub(offset)? as usize;
        (len <= room).then_some(self.address + offset as usize)
    }
}
