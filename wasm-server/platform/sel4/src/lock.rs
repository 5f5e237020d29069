// SPDX-License-Identifier: BSD-2-Clause
//! The lock of every table in the server, wasmtime's included, and that of what the fault thread
//! takes, too.

use core::arch::asm;

use lock_api::{GuardNoSend, RawMutex};

use crate::pool::Notifications;

/// One word that makes no system call unless somebody has to sleep.
pub type WordLock = wasm_lock::WordLock<Notifications>;

/// A [`WordLock`] whose holder never waits for the fault thread, so that the fault thread may take it.
///
/// Who holds it touches no guest's memory. A guest's stack is mapped page by page as it is touched,
/// by the fault thread: so before the lock is taken, `STACK` bytes of stack are touched, and what runs
/// under the lock gets by with that. A lock that is taken under another one has the smaller `STACK`.
pub struct FaultLock<const STACK: usize>(WordLock);

/// For what the fault thread looks at. Below a page, so that touching the end touches all of it.
pub type SpaceLock = FaultLock<2048>;
/// For what is looked at when the heap is used, under a [`SpaceLock`] or not.
pub type SpillLock = FaultLock<1024>;
/// For what is used under all others, the heap above all: what dlmalloc needs.
pub type InnerLock = FaultLock<512>;

// SAFETY: the inner lock's.
unsafe impl<const STACK: usize> RawMutex for FaultLock<STACK> {
    const INIT: Self = Self(WordLock::INIT);
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        touch_stack::<STACK>();
        self.0.lock();
    }

    fn try_lock(&self) -> bool {
        touch_stack::<STACK>();
        self.0.try_lock()
    }

    unsafe fn unlock(&self) {
        // SAFETY: the caller's promise.
        unsafe { self.0.unlock() };
    }
}

#[inline(always)]
fn touch_stack<const BYTES: usize>() {
    const { assert!(BYTES < 4096) };
    // SAFETY: reads one byte of this thread's own stack. Where the stack is at its end, the guard page
    // ends the guest, or the server on a thread of its own, as it would with the next function call.
    unsafe {
        asm!(
            "sub {scratch}, sp, {bytes}",
            "ldrb {scratch:w}, [{scratch}]",
            scratch = out(reg) _,
            bytes = const BYTES,
            options(nostack, preserves_flags),
        );
    }
}
