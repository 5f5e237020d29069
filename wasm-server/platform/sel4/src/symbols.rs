// SPDX-License-Identifier: BSD-2-Clause
//! The functions that wasmtime without std asks of its platform (its `sys/custom/capi.rs`).

use core::{cell::Cell, ptr};

use lock_api::RawMutex;

use crate::{
    fault::{self, TrapHandler},
    lock::WordLock,
};

#[thread_local]
static SLOT: Cell<*mut u8> = Cell::new(ptr::null_mut());

#[unsafe(no_mangle)]
extern "C" fn wasmtime_tls_get(_: usize) -> *mut u8 {
    // The other slot is of a feature that is off.
    SLOT.get()
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_tls_set(_: usize, value: *mut u8) {
    SLOT.set(value);
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_init_traps(handler: TrapHandler) -> i32 {
    fault::set_handler(handler);
    0
}

/// # Safety
/// The word is one of wasmtime's locks.
unsafe fn lock(word: *mut usize) {
    // SAFETY: wasmtime's locks are aligned words, zero at first, that it touches through these
    // functions only and keeps for longer than any call.
    unsafe { WordLock::at(word) }.lock();
}

/// # Safety
/// As [`lock`], and the calling thread holds it.
unsafe fn unlock(word: *mut usize) {
    // SAFETY: as above; wasmtime releases what it acquired.
    unsafe { WordLock::at(word).unlock() };
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_sync_lock_acquire(word: *mut usize) {
    // SAFETY: wasmtime's promise.
    unsafe { lock(word) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_sync_lock_release(word: *mut usize) {
    // SAFETY: wasmtime's promise.
    unsafe { unlock(word) }
}

/// A lock that nobody holds has nothing to give back.
#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_lock_free(_: *mut usize) {}

// Readers exclude each other, too: the sections are short, none nests in another of the same lock,
// and there is one core.

#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_sync_rwlock_read(word: *mut usize) {
    // SAFETY: wasmtime's promise.
    unsafe { lock(word) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_sync_rwlock_read_release(word: *mut usize) {
    // SAFETY: wasmtime's promise.
    unsafe { unlock(word) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_sync_rwlock_write(word: *mut usize) {
    // SAFETY: wasmtime's promise.
    unsafe { lock(word) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn wasmtime_sync_rwlock_write_release(word: *mut usize) {
    // SAFETY: wasmtime's promise.
    unsafe { unlock(word) }
}

#[unsafe(no_mangle)]
extern "C" fn wasmtime_sync_rwlock_free(_: *mut usize) {}
