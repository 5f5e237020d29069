// SPDX-License-Identifier: BSD-2-Clause
//! Recurs without end.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::sync::atomic::{AtomicU32, Ordering};

/// The depth. An atomic, so that no optimizer makes a loop of the recursion; and a static, so that
/// the frames are on the native stack only, not on the one in linear memory.
static DEPTH: AtomicU32 = AtomicU32::new(0);

#[userland::entrypoint]
fn main() {
    userland::info!("about to recur without end");
    recur_without_end();
    userland::error!("recursion came to an end");
}

#[inline(never)]
fn recur_without_end() {
    if DEPTH.fetch_add(1, Ordering::Relaxed) != u32::MAX {
        recur_without_end();
    }
    DEPTH.fetch_sub(1, Ordering::Relaxed);
}
