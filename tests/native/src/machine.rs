// SPDX-License-Identifier: BSD-2-Clause
//! What the MMU is to refuse.
#![allow(unsafe_code)]

use core::ptr;

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
