// SPDX-License-Identifier: BSD-2-Clause
//! What the MMU is to refuse.
#![allow(unsafe_code)]

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};
use core::{ptr, slice};

use native_handoff::{Handoff, vspace};

/// Writes to an address, whatever is there.
pub fn write(addr: usize) {
    // SAFETY: none: the page is not mapped to be written, and this program ends here. It is a test of just that.
    unsafe { ptr::with_exposed_provenance_mut::<u32>(addr).write_volatile(1) }
}

/// Executes what is at an address.
pub fn execute(addr: usize) {
    // SAFETY: none: the page is not mapped to be executed, and this program ends here. It is a test of just that.
    let function = unsafe {
        core::mem::transmute::<*const (), extern "C" fn()>(ptr::with_exposed_provenance(addr))
    };
    function();
}

/// The handoff, as the root task has left it: the runtime keeps some of it to itself.
pub fn handoff() -> Option<Handoff<'static>> {
    const PAGE: usize = 4096;
    let start = ptr::with_exposed_provenance(vspace::HANDOFF as usize);
    // SAFETY: so many pages are mapped there, read-only, for the life of the program.
    Handoff::read(unsafe { slice::from_raw_parts(start, vspace::HANDOFF_PAGES as usize * PAGE) })
}

/// Writes to a word of a page of this program that others read.
pub fn store(addr: usize, value: u64) {
    // SAFETY: the caller names an aligned word of a page that is mapped to be written, of which there are no references
    // but to atomics.
    unsafe { AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(addr)) }.store(value, Relaxed);
}
