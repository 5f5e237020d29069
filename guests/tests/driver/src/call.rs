// SPDX-License-Identifier: BSD-2-Clause
//! Hostcalls for devices with any numbers, and the memory that devices are told of.
//!
//! What makes this sound: memory here is pages that were grown here, or a window, which nobody else in this
//! guest knows; it is only ever touched through atomics. A device that is told of any other address either is
//! refused, or what this guest is about to show has been shown: then nothing is sound any more.
#![allow(unsafe_code)]

use core::{
    arch::wasm32,
    ptr::with_exposed_provenance_mut,
    sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed},
};

use atoll_abi::{PAGE, from_wire};
use userland::{Error, Handle, Rights, handle::Capability as _, raw, shm::Region};

/// Reads a register.
///
/// # Errors
/// The server's.
pub fn read(device: Handle, offset: u32, width: u32) -> Result<u32, Error> {
    // SAFETY: the call touches no memory of this guest.
    from_wire(unsafe { raw::device::read(device.0, offset, width) })
}

/// Writes a register.
///
/// # Errors
/// The server's.
pub fn write(device: Handle, offset: u32, width: u32, value: u32) -> Result<(), Error> {
    // SAFETY: whatever the device is told of, see above.
    from_wire(unsafe { raw::device::write(device.0, offset, width, value) })
}

/// Hands the device what is available.
///
/// # Errors
/// The server's.
pub fn kick(device: Handle, queue: u32) -> Result<(), Error> {
    // SAFETY: what is available is in memory of this module, see above.
    from_wire(unsafe { raw::device::kick(device.0, queue) })
}

/// Takes the interrupt status, and what was used.
///
/// # Errors
/// The server's.
pub fn ack(device: Handle) -> Result<u32, Error> {
    // SAFETY: the server writes used rings, which are in memory of this module.
    from_wire(unsafe { raw::device::ack(device.0) })
}

/// Has a task told of interrupts.
///
/// # Errors
/// The server's.
pub fn listen(device: Handle, task: u32) -> Result<(), Error> {
    // SAFETY: the call touches no memory of this guest but its mailbox.
    from_wire(unsafe { raw::device::listen(device.0, task) })
}

/// Sleeps until something was used.
///
/// # Errors
/// The server's.
pub fn wait(device: Handle, queue: u32, deadline: u64) -> Result<bool, Error> {
    // SAFETY: as for `ack`.
    from_wire(unsafe { raw::device::wait(device.0, queue, deadline) })
}

/// Where this guest's memory ends, in bytes.
pub fn end() -> u64 {
    wasm32::memory_size(0) as u64 * u64::from(PAGE)
}

/// Memory that devices may be told of: whole pages, zeroed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    base: u32,
    len: u32,
}

impl Memory {
    /// New pages at the end of this guest's memory.
    ///
    /// # Errors
    /// [`Error::NoMemory`].
    pub fn grow(pages: u32) -> Result<Self, Error> {
        let at = wasm32::memory_grow(0, pages as usize);
        if at == usize::MAX {
            return Err(Error::NoMemory);
        }
        Ok(Self {
            base: at as u32 * PAGE,
            len: pages * PAGE,
        })
    }

    /// A new window onto a region.
    ///
    /// # Errors
    /// Those of attaching.
    pub fn window(region: &Region, rights: Rights) -> Result<Self, Error> {
        let len = region.size()?;
        // SAFETY: the call touches no memory that is there.
        let base = from_wire(unsafe { raw::shm::attach(region.handle().0, rights.bits()) })?;
        Ok(Self { base, len })
    }

    /// Takes a window away. What is there then are private pages.
    ///
    /// # Errors
    /// [`Error::NotFound`]: it is none, or was taken away.
    pub fn detach(self) -> Result<(), Error> {
        // SAFETY: the memory stays, with other content, as it may have at any time.
        from_wire(unsafe { raw::shm::detach(self.base) })
    }

    /// Its address.
    pub const fn base(self) -> u32 {
        self.base
    }

    /// Its bytes.
    #[expect(clippy::len_without_is_empty, reason = "it has a page, or part of one")]
    pub const fn len(self) -> u32 {
        self.len
    }

    /// Part of it, whole words of 8 bytes.
    ///
    /// # Panics
    /// It is not.
    #[track_caller]
    pub fn part(self, offset: u32, len: u32) -> Self {
        let fits = offset.checked_add(len).is_some_and(|end| end <= self.len);
        let whole = offset.is_multiple_of(8) && len.is_multiple_of(8);
        assert!(fits && whole, "{len} bytes at {offset} of {}", self.len);
        Self {
            base: self.base + offset,
            len,
        }
    }

    /// Panics unless there is a number of so many bytes, aligned.
    #[track_caller]
    fn check(self, offset: u32, bytes: u32) {
        let fits = offset.checked_add(bytes).is_some_and(|end| end <= self.len);
        let aligned = offset.is_multiple_of(bytes);
        assert!(fits && aligned, "{bytes} bytes at {offset} of {}", self.len);
    }

    /// The byte there. As all below, panics for a place outside or not aligned.
    #[track_caller]
    pub fn byte(&self, offset: u32) -> u8 {
        self.check(offset, 1);
        // SAFETY: in bounds; memory that is there for ever, and has no references but to atomics. It came into
        // being outside of Rust, which counts as exposed.
        unsafe { AtomicU8::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .load(Relaxed)
    }

    /// Sets the byte there.
    #[track_caller]
    pub fn set_byte(&self, offset: u32, value: u8) {
        self.check(offset, 1);
        // SAFETY: as for `byte`.
        unsafe { AtomicU8::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .store(value, Relaxed);
    }

    /// The 16 bits there.
    #[track_caller]
    pub fn half(&self, offset: u32) -> u16 {
        self.check(offset, 2);
        // SAFETY: as for `byte`, and aligned: pages are.
        unsafe { AtomicU16::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .load(Relaxed)
    }

    /// Sets the 16 bits there.
    #[track_caller]
    pub fn set_half(&self, offset: u32, value: u16) {
        self.check(offset, 2);
        // SAFETY: as for `half`.
        unsafe { AtomicU16::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .store(value, Relaxed);
    }

    /// The 32 bits there.
    #[track_caller]
    pub fn word(&self, offset: u32) -> u32 {
        self.check(offset, 4);
        // SAFETY: as for `half`.
        unsafe { AtomicU32::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .load(Relaxed)
    }

    /// Sets the 32 bits there.
    #[track_caller]
    pub fn set_word(&self, offset: u32, value: u32) {
        self.check(offset, 4);
        // SAFETY: as for `half`.
        unsafe { AtomicU32::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .store(value, Relaxed);
    }

    /// The 64 bits there.
    #[track_caller]
    pub fn double(&self, offset: u32) -> u64 {
        self.check(offset, 8);
        // SAFETY: as for `half`.
        unsafe { AtomicU64::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .load(Relaxed)
    }

    /// Sets the 64 bits there.
    #[track_caller]
    pub fn set_double(&self, offset: u32, value: u64) {
        self.check(offset, 8);
        // SAFETY: as for `half`.
        unsafe { AtomicU64::from_ptr(with_exposed_provenance_mut(self.address(offset))) }
            .store(value, Relaxed);
    }

    fn address(&self, offset: u32) -> usize {
        (self.base + offset) as usize
    }
}

/// What all of it may be filled with, and found to be.
impl Memory {
    /// Fills it with a word of this value.
    pub fn fill(&self, value: u64) {
        for offset in (0..self.len).step_by(8) {
            self.set_double(offset, value);
        }
    }

    /// Where the first word is that has not this value.
    pub fn first_other_than(&self, value: u64) -> Option<u32> {
        (0..self.len)
            .step_by(8)
            .find(|offset| self.double(*offset) != value)
    }
}
