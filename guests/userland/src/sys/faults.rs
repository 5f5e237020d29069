// SPDX-License-Identifier: BSD-2-Clause
//! Instructions that trap, for guests that show what the server does then (feature `faults`).
//!
//! Written in assembly: to the compiler these are undefined behaviour, which it may turn into
//! anything, while to WebAssembly they are traps.

use core::arch::{asm, wasm32};

/// Loads the word behind the end of the guest's memory.
#[inline(always)]
pub fn load_beyond_memory() -> u32 {
    // A memory of 4 GiB has no such word; no budget is that large.
    let Some(end) = (wasm32::memory_size(0) as u32).checked_mul(atoll_abi::PAGE) else {
        wasm32::unreachable()
    };
    let word: u32;
    // SAFETY: traps. It reads nothing.
    unsafe {
        asm!(
            "local.get {end}",
            "i32.load 0",
            "local.set {word}",
            end = in(local) end,
            word = lateout(local) word,
        );
    }
    word
}

/// Divides unsigned numbers; traps if `divisor` is 0.
#[inline(always)]
pub fn divide(dividend: u32, divisor: u32) -> u32 {
    let quotient: u32;
    // SAFETY: gives the quotient, or traps.
    unsafe {
        asm!(
            "local.get {dividend}",
            "local.get {divisor}",
            "i32.div_u",
            "local.set {quotient}",
            dividend = in(local) dividend,
            divisor = in(local) divisor,
            quotient = lateout(local) quotient,
        );
    }
    quotient
}

/// Executes `unreachable`.
#[inline(always)]
pub fn unreachable() -> ! {
    wasm32::unreachable()
}
