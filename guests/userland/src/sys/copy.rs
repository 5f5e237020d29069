// SPDX-License-Identifier: BSD-2-Clause
//! Copies between memory of this program and memory that others write.
//!
//! On wasm by volatile accesses: each byte is read or written once, by loads and stores of which wasm
//! says what they do whoever else writes (some value, torn at most), and the compiler does not read
//! again what was copied. Elsewhere, where threads of this very program are at the other end, by
//! relaxed atomics.

#[cfg(target_family = "wasm")]
use core::arch::wasm32::{v128, v128_load, v128_store};
use core::ptr::with_exposed_provenance_mut;
#[cfg(not(target_family = "wasm"))]
use core::sync::atomic::Ordering::Relaxed;
#[cfg(not(any(target_family = "wasm", all(test, not(loom)))))]
use core::sync::atomic::{AtomicU8, AtomicU64};

#[cfg(all(test, not(loom)))]
use super::steps::{AtomicU8, AtomicU64};

/// Bytes that are copied at once.
pub(super) const BLOCK: usize = 16;
/// Blocks that are copied without a look at the epoch, which every turn of a loop and every call takes:
/// in calls, and in turns.
const RUN: usize = 32;
const FEW: usize = 8;

type Block = [u64; 2];

/// # Safety
/// There are as many bytes at `address`, a multiple of 16, as in `Shared::new`.
#[inline(always)]
pub(super) unsafe fn aligned_in(address: usize, bytes: &[u8]) {
    let (blocks, rest) = bytes.as_chunks::<BLOCK>();
    let (runs, blocks) = blocks.as_chunks::<RUN>();
    let mut to = with_exposed_provenance_mut::<Block>(address);
    for run in runs {
        // SAFETY: as promised; so for all below. Vectors are part of what every guest may use.
        unsafe { run_in(to, run) };
        // SAFETY: as promised.
        to = unsafe { to.add(RUN) };
    }
    let (groups, blocks) = blocks.as_chunks::<FEW>();
    for group in groups {
        for (i, block) in group.iter().enumerate() {
            // SAFETY: as promised.
            unsafe { store(to.add(i), block) };
        }
        // SAFETY: as promised.
        to = unsafe { to.add(FEW) };
    }
    for block in blocks {
        // SAFETY: as promised.
        unsafe { store(to, block) };
        // SAFETY: as promised.
        to = unsafe { to.add(1) };
    }
    if !rest.is_empty() {
        // SAFETY: as promised.
        unsafe { bytes_in(to.addr(), rest) };
    }
}

/// Copies a run. Apart, without a loop around it: in one, the compiler would compute each of the
/// addresses anew, which takes twice as many instructions. And only here with vectors: the first vector
/// after another thread has run takes the kernel a hundred instructions.
///
/// # Safety
/// As [`aligned_in`].
#[cfg(target_family = "wasm")]
#[target_feature(enable = "simd128")]
#[inline(never)]
unsafe fn run_in(to: *mut Block, run: &[[u8; BLOCK]; RUN]) {
    let to = to.cast::<v128>();
    for (i, block) in run.iter().enumerate() {
        // SAFETY: as promised; the load takes any alignment.
        unsafe { to.add(i).write_volatile(v128_load(block.as_ptr().cast())) };
    }
}

/// As [`run_in`], the other way.
///
/// # Safety
/// As [`aligned_in`].
#[cfg(target_family = "wasm")]
#[target_feature(enable = "simd128")]
#[inline(never)]
unsafe fn run_out(from: *mut Block, run: &mut [[u8; BLOCK]; RUN]) {
    let from = from.cast::<v128>();
    for (i, block) in run.iter_mut().enumerate() {
        // SAFETY: as promised; the store takes any alignment.
        unsafe { v128_store(block.as_mut_ptr().cast(), from.add(i).read_volatile()) };
    }
}

/// Copies a run.
///
/// # Safety
/// As [`aligned_in`].
#[cfg(not(target_family = "wasm"))]
unsafe fn run_in(to: *mut Block, run: &[[u8; BLOCK]; RUN]) {
    for (i, block) in run.iter().enumerate() {
        // SAFETY: as promised.
        unsafe { store(to.add(i), block) };
    }
}

/// As [`run_in`], the other way.
///
/// # Safety
/// As [`aligned_in`].
#[cfg(not(target_family = "wasm"))]
unsafe fn run_out(from: *mut Block, run: &mut [[u8; BLOCK]; RUN]) {
    for (i, block) in run.iter_mut().enumerate() {
        // SAFETY: as promised.
        unsafe { load(from.add(i), block) };
    }
}

/// # Safety
/// As [`aligned_in`].
#[inline(always)]
pub(super) unsafe fn aligned_out(address: usize, bytes: &mut [u8]) {
    let (blocks, rest) = bytes.as_chunks_mut::<BLOCK>();
    let (runs, blocks) = blocks.as_chunks_mut::<RUN>();
    let mut from = with_exposed_provenance_mut::<Block>(address);
    for run in runs {
        // SAFETY: as promised; so for all below.
        unsafe { run_out(from, run) };
        // SAFETY: as promised.
        from = unsafe { from.add(RUN) };
    }
    let (groups, blocks) = blocks.as_chunks_mut::<FEW>();
    for group in groups {
        for (i, block) in group.iter_mut().enumerate() {
            // SAFETY: as promised.
            unsafe { load(from.add(i), block) };
        }
        // SAFETY: as promised.
        from = unsafe { from.add(FEW) };
    }
    for block in blocks {
        // SAFETY: as promised.
        unsafe { load(from, block) };
        // SAFETY: as promised.
        from = unsafe { from.add(1) };
    }
    if !rest.is_empty() {
        // SAFETY: as promised.
        unsafe { bytes_out(from.addr(), rest) };
    }
}

/// # Safety
/// There are 16 bytes, at a multiple of 16, as in `Shared::new`.
#[cfg(target_family = "wasm")]
#[inline(always)]
unsafe fn store(to: *mut Block, block: &[u8; BLOCK]) {
    let (words, _) = block.as_chunks::<8>();
    for (i, word) in words.iter().enumerate() {
        let word = u64::from_ne_bytes(*word);
        // SAFETY: as promised.
        unsafe { to.cast::<u64>().add(i).write_volatile(word) };
    }
}

/// # Safety
/// As [`store`].
#[cfg(target_family = "wasm")]
#[inline(always)]
unsafe fn load(from: *mut Block, block: &mut [u8; BLOCK]) {
    let (words, _) = block.as_chunks_mut::<8>();
    for (i, word) in words.iter_mut().enumerate() {
        // SAFETY: as promised.
        *word = unsafe { from.cast::<u64>().add(i).read_volatile() }.to_ne_bytes();
    }
}

/// # Safety
/// As the one for wasm.
#[cfg(not(target_family = "wasm"))]
#[inline(always)]
unsafe fn store(to: *mut Block, block: &[u8; BLOCK]) {
    let words: Block = [0, 8].map(|at| {
        let mut word = [0; 8];
        word.copy_from_slice(&block[at..at + 8]);
        u64::from_ne_bytes(word)
    });
    for (i, word) in words.into_iter().enumerate() {
        // SAFETY: as promised; aligned to 8 then.
        let word_at = unsafe { &*to.cast::<AtomicU64>().add(i) };
        word_at.store(word, Relaxed);
    }
}

/// # Safety
/// As the one for wasm.
#[cfg(not(target_family = "wasm"))]
#[inline(always)]
unsafe fn load(from: *mut Block, block: &mut [u8; BLOCK]) {
    for (i, bytes) in block.chunks_exact_mut(8).enumerate() {
        // SAFETY: as promised; aligned to 8 then.
        let word_at = unsafe { &*from.cast::<AtomicU64>().add(i) };
        bytes.copy_from_slice(&word_at.load(Relaxed).to_ne_bytes());
    }
}

/// # Safety
/// There are 16 bytes at `address`, a multiple of 16, as in `Shared::new`; 32 if it is for two blocks.
#[inline(always)]
pub(super) unsafe fn short_in(address: usize, words: &[u64; 4], two: bool) {
    let [first, second, third, fourth] = *words;
    // SAFETY: as promised.
    unsafe { word_in(address, first) };
    // SAFETY: as promised.
    unsafe { word_in(address + 8, second) };
    if two {
        // SAFETY: as promised.
        unsafe { word_in(address + 16, third) };
        // SAFETY: as promised.
        unsafe { word_in(address + 24, fourth) };
    }
}

/// # Safety
/// As [`short_in`].
#[inline(always)]
pub(super) unsafe fn short_out(address: usize, two: bool) -> [u64; 4] {
    // SAFETY: as promised.
    let (first, second) = unsafe { (word_out(address), word_out(address + 8)) };
    let (third, fourth) = if two {
        // SAFETY: as promised.
        unsafe { (word_out(address + 16), word_out(address + 24)) }
    } else {
        (0, 0)
    };
    [first, second, third, fourth]
}

/// # Safety
/// There are 8 bytes at `address`, a multiple of 8, as in `Shared::new`.
#[inline(always)]
unsafe fn word_in(address: usize, word: u64) {
    let to = with_exposed_provenance_mut::<u64>(address);
    #[cfg(target_family = "wasm")]
    // SAFETY: as promised.
    unsafe {
        to.write_volatile(word.to_le());
    }
    #[cfg(not(target_family = "wasm"))]
    // SAFETY: as promised.
    unsafe { AtomicU64::from_ptr(to) }.store(word.to_le(), Relaxed);
}

/// # Safety
/// As [`word_in`].
#[inline(always)]
unsafe fn word_out(address: usize) -> u64 {
    let from = with_exposed_provenance_mut::<u64>(address);
    #[cfg(target_family = "wasm")]
    // SAFETY: as promised.
    let word = unsafe { from.read_volatile() };
    #[cfg(not(target_family = "wasm"))]
    // SAFETY: as promised.
    let word = unsafe { AtomicU64::from_ptr(from) }.load(Relaxed);
    u64::from_le(word)
}

/// # Safety
/// There are as many bytes at `address`, as in `Shared::new`.
pub(super) unsafe fn bytes_in(address: usize, bytes: &[u8]) {
    for (i, byte) in bytes.iter().enumerate() {
        let to = with_exposed_provenance_mut::<u8>(address + i);
        #[cfg(target_family = "wasm")]
        // SAFETY: as promised.
        unsafe {
            to.write_volatile(*byte);
        }
        #[cfg(not(target_family = "wasm"))]
        // SAFETY: as promised.
        unsafe { AtomicU8::from_ptr(to) }.store(*byte, Relaxed);
    }
}

/// # Safety
/// As [`bytes_in`].
pub(super) unsafe fn bytes_out(address: usize, bytes: &mut [u8]) {
    for (i, byte) in bytes.iter_mut().enumerate() {
        let from = with_exposed_provenance_mut::<u8>(address + i);
        #[cfg(target_family = "wasm")]
        // SAFETY: as promised.
        let value = unsafe { from.read_volatile() };
        #[cfg(not(target_family = "wasm"))]
        // SAFETY: as promised.
        let value = unsafe { AtomicU8::from_ptr(from) }.load(Relaxed);
        *byte = value;
    }
}
