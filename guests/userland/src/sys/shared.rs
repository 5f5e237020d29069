// SPDX-License-Identifier: BSD-2-Clause
//! Memory that others may write at any time.

use core::{ptr::with_exposed_provenance, sync::atomic::AtomicU32};

use super::copy;

/// A stretch of such memory. It stays memory of this program for as long as the program runs.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shared {
    address: usize,
    len: u32,
}

impl Shared {
    /// The `len` bytes at `address`.
    ///
    /// # Safety
    /// The address is a multiple of 4 and exposed; the bytes are mapped from now on to the end of the
    /// program, no Rust reference to them exists or will, except to atomics, and all who write them
    /// do it with atomic accesses or are outside this program.
    pub(crate) const unsafe fn new(address: usize, len: u32) -> Self {
        Self { address, len }
    }

    /// These words.
    #[cfg(test)]
    pub(crate) fn of(words: &'static [AtomicU32]) -> Self {
        let address = words.as_ptr().expose_provenance();
        let len = size_of_val(words) as u32;
        // SAFETY: static, aligned as its elements are, and atomic.
        unsafe { Self::new(address, len) }
    }

    /// Memory of zeros that is never freed, at a multiple of 64.
    #[cfg(test)]
    pub(crate) fn leak(len: u32) -> Self {
        let layout = core::alloc::Layout::from_size_align(len.max(1) as usize, 64).unwrap();
        // SAFETY: the layout is not empty.
        let memory = unsafe { alloc::alloc::alloc_zeroed(layout) };
        assert!(!memory.is_null());
        // SAFETY: mapped for ever, and nobody else's: all access is through this.
        unsafe { Self::new(memory.expose_provenance(), len) }
    }

    /// Where it begins, on the host.
    #[cfg(test)]
    pub(crate) const fn place(&self) -> usize {
        self.address
    }

    /// Where it begins.
    pub(crate) const fn address(&self) -> u32 {
        self.address as u32
    }

    /// Bytes.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// The `len` bytes at this offset, a multiple of 64; none if they are not inside.
    pub(crate) fn part(&self, offset: u32, len: u32) -> Option<Self> {
        let address = self.range(offset, len)?;
        offset.is_multiple_of(64).then_some(Self { address, len })
    }

    /// The address of `len` bytes at this offset; none if they are not inside.
    pub(crate) fn range(&self, offset: u32, len: u32) -> Option<usize> {
        let end = offset.checked_add(len)?;
        (end <= self.len).then_some(self.address + offset as usize)
    }

    /// The word at this offset; none if that is not a multiple of 4 or not inside.
    pub(crate) fn word(&self, offset: u32) -> Option<&AtomicU32> {
        if !offset.is_multiple_of(4) || offset.checked_add(4)? > self.len {
            return None;
        }
        let word = with_exposed_provenance::<AtomicU32>(self.address + offset as usize);
        // SAFETY: inside, so mapped, and aligned: both by the promises of `new` and the check above.
        // Whatever is written there by others, an atomic load gives some number.
        Some(unsafe { &*word })
    }

    /// Copies bytes to this offset; none if they do not fit.
    pub(crate) fn put(&self, offset: u32, bytes: &[u8]) -> Option<()> {
        let address = self.range(offset, u32::try_from(bytes.len()).ok()?)?;
        let (head, rest) = bytes.split_at(unaligned(address).min(bytes.len()));
        // SAFETY: inside, by the check; the rest is aligned, or empty.
        unsafe {
            copy::bytes_in(address, head);
            copy::aligned_in(address + head.len(), rest);
        }
        Some(())
    }

    /// Copies bytes from this offset; none if there are not as many.
    pub(crate) fn get(&self, offset: u32, bytes: &mut [u8]) -> Option<()> {
        let address = self.range(offset, u32::try_from(bytes.len()).ok()?)?;
        let (head, rest) = bytes.split_at_mut(unaligned(address).min(bytes.len()));
        // SAFETY: as in `put`.
        unsafe {
            copy::bytes_out(address, head);
            copy::aligned_out(address + head.len(), rest);
        }
        Some(())
    }
}

/// Bytes from this address to the next one that is a multiple of a block.
const fn unaligned(address: usize) -> usize {
    address.wrapping_neg() % copy::BLOCK
}
