// SPDX-License-Identifier: BSD-2-Clause
//! Guest memory, from the server's side. The guest, and whoever shares a page with it, may change it
//! at any moment: no reference into it is ever made.

use core::{
    ptr,
    sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering},
};

use wasm_server_core::platform::{BadAddress, Words};

use crate::space::Space;

impl Space {
    fn check(&self, address: u32, len: usize) -> Result<usize, BadAddress> {
        let address = address as usize;
        if address
            .checked_add(len)
            .is_some_and(|end| end <= self.size())
        {
            Ok(self.memory() + address)
        } else {
            Err(BadAddress)
        }
    }

    /// Copies out.
    pub fn read(&self, address: u32, out: &mut [u8]) -> Result<(), BadAddress> {
        let from = self.check(address, out.len())?;
        // SAFETY: inside the linear memory, which never shrinks while the guest lives; a page of it that
        // is not mapped is a hole, which the fault thread fills.
        unsafe { copy_out(from, out) };
        Ok(())
    }

    /// Copies in.
    pub fn write(&self, address: u32, bytes: &[u8]) -> Result<(), BadAddress> {
        let to = self.check(address, bytes.len())?;
        // SAFETY: as in `read`.
        unsafe { copy_in(to, bytes) };
        Ok(())
    }

    /// See [`wasm_server_core::platform::Home::private_words`].
    pub fn private_words(&self, address: u32, len: u32) -> Option<PrivateWords> {
        let is_whole = address.is_multiple_of(4) && len.is_multiple_of(4);
        (is_whole && self.is_private(address as usize, len as usize)).then_some(PrivateWords {
            start: self.memory() + address as usize,
            len,
        })
    }
}

/// Words of a guest's memory in which no window is nor was.
#[derive(Clone, Debug)]
pub struct PrivateWords {
    /// A multiple of 4, as the base of a memory is.
    start: usize,
    /// A multiple of 4.
    len: u32,
}

impl PrivateWords {
    #[inline]
    fn word(&self, offset: u32) -> Option<&AtomicU32> {
        let is_word = offset < self.len && offset.is_multiple_of(4);
        let at = ptr::with_exposed_provenance_mut(self.start + offset as usize);
        // SAFETY: inside the range and aligned. The range was checked when this was made; memory never
        // shrinks, and it is there until the guest is evicted, before which whoever uses this lets go of it:
        // see `Home::private_words`. An atomic may be shared with the guest.
        is_word.then(|| unsafe { AtomicU32::from_ptr(at) })
    }
}

impl Words for PrivateWords {
    #[inline]
    fn load(&self, offset: u32) -> u32 {
        self.word(offset)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    #[inline]
    fn store(&self, offset: u32, value: u32) {
        if let Some(word) = self.word(offset) {
            word.store(value, Ordering::Release);
        }
    }

    #[inline]
    fn load_four(&self, offset: u32) -> [u32; 4] {
        const LEN: u32 = 16;
        if !offset.is_multiple_of(LEN) || offset >= self.len || self.len - offset < LEN {
            return [0; 4];
        }
        let start = self.start + offset as usize;
        [0, 4, 8, 12].map(|i| {
            let at = ptr::with_exposed_provenance_mut(start + i);
            // SAFETY: as in `word`: all four are inside the range, and aligned.
            unsafe { AtomicU32::from_ptr(at) }.load(Ordering::Relaxed)
        })
    }
}

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// Copies out of shared memory. Relaxed atomics may race with whatever others do there: each word or
/// byte is one access, so that nothing is read twice.
///
/// # Safety
/// The addresses are mapped, or faults there are mended.
pub unsafe fn copy_out(from: usize, out: &mut [u8]) {
    let (head, body) = out.split_at_mut(to_word(from).min(out.len()));
    let (words, tail) = body.as_chunks_mut::<WORD>();
    // SAFETY: the caller's promise, here and below; words are aligned behind the head.
    unsafe { bytes_out(from, head) };
    let mut at = from + head.len();
    for word in words {
        // SAFETY: as above.
        let value = unsafe { AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(at)) }
            .load(Ordering::Relaxed);
        *word = value.to_ne_bytes();
        at += WORD;
    }
    // SAFETY: as above.
    unsafe { bytes_out(at, tail) };
}

/// Copies into shared memory, as [`copy_out`] out of it.
///
/// # Safety
/// The addresses are mapped writable, or faults there are mended.
pub unsafe fn copy_in(to: usize, bytes: &[u8]) {
    let (head, body) = bytes.split_at(to_word(to).min(bytes.len()));
    let (words, tail) = body.as_chunks::<WORD>();
    // SAFETY: the caller's promise, here and below; words are aligned behind the head.
    unsafe { bytes_in(to, head) };
    let mut at = to + head.len();
    for word in words {
        // SAFETY: as above.
        unsafe { AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(at)) }
            .store(u64::from_ne_bytes(*word), Ordering::Relaxed);
        at += WORD;
    }
    // SAFETY: as above.
    unsafe { bytes_in(at, tail) };
}

/// Bytes from an address to the next word.
fn to_word(address: usize) -> usize {
    address.next_multiple_of(WORD) - address
}

/// # Safety
/// As for [`copy_out`].
unsafe fn bytes_out(from: usize, out: &mut [u8]) {
    for (i, byte) in out.iter_mut().enumerate() {
        // SAFETY: the caller's promise.
        *byte = unsafe { AtomicU8::from_ptr(ptr::with_exposed_provenance_mut(from + i)) }
            .load(Ordering::Relaxed);
    }
}

/// # Safety
/// As for [`copy_in`].
unsafe fn bytes_in(to: usize, bytes: &[u8]) {
    for (i, byte) in bytes.iter().enumerate() {
        // SAFETY: the caller's promise.
        unsafe { AtomicU8::from_ptr(ptr::with_exposed_provenance_mut(to + i)) }
            .store(*byte, Ordering::Relaxed);
    }
}

/// Zeroes whole words.
///
/// # Safety
/// As for [`copy_in`]; address and length are multiples of 8.
pub unsafe fn zero(at: usize, len: usize) {
    for word in (at..at + len).step_by(WORD) {
        // SAFETY: the caller's promise.
        unsafe { AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(word)) }
            .store(0, Ordering::Relaxed);
    }
}
