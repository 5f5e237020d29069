// SPDX-License-Identifier: BSD-2-Clause
//! `memcpy` and `memset`, which every copy and initialisation of a large value is.
//!
//! Those that come with the compiler serve machines that refuse unaligned accesses, and go by eight
//! bytes at most. Here memory is normal memory behind an MMU: pairs of words, whatever their alignment.

use core::arch::naked_asm;

/// C's `memcpy`.
///
/// # Safety
/// `n` bytes at `from` are readable and as many at `to` writable, and they do not overlap.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memcpy(to: *mut u8, from: *const u8, n: usize) -> *mut u8 {
    naked_asm!(
        "mov x3, x0",
        "subs x2, x2, #32",
        "b.lo 2f",
        "1:",
        "ldp x4, x5, [x1], #16",
        "ldp x6, x7, [x1], #16",
        "subs x2, x2, #32",
        "stp x4, x5, [x3], #16",
        "stp x6, x7, [x3], #16",
        "b.hs 1b",
        // The low five bits are what is left.
        "2:",
        "tbz x2, #4, 3f",
        "ldp x4, x5, [x1], #16",
        "stp x4, x5, [x3], #16",
        "3:",
        "tbz x2, #3, 4f",
        "ldr x4, [x1], #8",
        "str x4, [x3], #8",
        "4:",
        "tbz x2, #2, 5f",
        "ldr w4, [x1], #4",
        "str w4, [x3], #4",
        "5:",
        "tbz x2, #1, 6f",
        "ldrh w4, [x1], #2",
        "strh w4, [x3], #2",
        "6:",
        "tbz x2, #0, 7f",
        "ldrb w4, [x1]",
        "strb w4, [x3]",
        "7:",
        "ret",
    )
}

/// C's `memset`.
///
/// # Safety
/// `n` bytes at `to` are writable.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn memset(to: *mut u8, byte: i32, n: usize) -> *mut u8 {
    naked_asm!(
        "and w1, w1, #0xff",
        "orr w1, w1, w1, lsl #8",
        "orr w1, w1, w1, lsl #16",
        "orr x1, x1, x1, lsl #32",
        "mov x3, x0",
        "subs x2, x2, #32",
        "b.lo 2f",
        "1:",
        "stp x1, x1, [x3], #16",
        "stp x1, x1, [x3], #16",
        "subs x2, x2, #32",
        "b.hs 1b",
        "2:",
        "tbz x2, #4, 3f",
        "stp x1, x1, [x3], #16",
        "3:",
        "tbz x2, #3, 4f",
        "str x1, [x3], #8",
        "4:",
        "tbz x2, #2, 5f",
        "str w1, [x3], #4",
        "5:",
        "tbz x2, #1, 6f",
        "strh w1, [x3], #2",
        "6:",
        "tbz x2, #0, 7f",
        "strb w1, [x3]",
        "7:",
        "ret",
    )
}
