// SPDX-License-Identifier: BSD-2-Clause
//! The entry point, registers of devices, and a fault.
#![allow(unsafe_code)]

use core::arch::{asm, naked_asm};
use core::panic::PanicInfo;
use core::{ptr, slice};

/// Where the root task has the first thread begin: x0 and x1 are address and length of the handoff, and there
/// is a stack.
///
/// # Safety
/// Only the root task may come here, as it starts a process server.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    // A frame pointer and return address of 0 end backtraces.
    naked_asm!("mov x29, xzr", "mov x30, xzr", "b {}", sym start)
}

extern "C" fn start(handoff: *const u8, len: usize) -> ! {
    // SAFETY: the root task has mapped so many bytes there, read-only, for the life of this program.
    crate::main(unsafe { slice::from_raw_parts(handoff, len) })
}

/// A page of a device's registers.
pub struct Page(usize);

impl Page {
    /// The page that the root task has mapped there, as its handoff says.
    pub fn at(vaddr: u64) -> Self {
        Self(vaddr as usize)
    }

    /// Reads a 32-bit register.
    pub fn read(&self, offset: usize) -> u32 {
        // SAFETY: the page is mapped for the life of this program, and what is read has no effect on memory. Were it
        // not, the MMU would end this program, which is what it is here for.
        unsafe { ptr::with_exposed_provenance::<u32>(self.0 + offset).read_volatile() }
    }

    /// Writes a 32-bit register.
    pub fn write(&self, offset: usize, value: u32) {
        // SAFETY: as in `read`; nothing that is written here tells a device an address.
        unsafe { ptr::with_exposed_provenance_mut::<u32>(self.0 + offset).write_volatile(value) }
    }
}

/// Faults.
pub fn fault() -> ! {
    // SAFETY: raises an exception; the thread never goes on from here.
    unsafe { asm!("brk #1", options(noreturn)) }
}

#[panic_handler]
fn panic(_: &PanicInfo<'_>) -> ! {
    fault()
}
