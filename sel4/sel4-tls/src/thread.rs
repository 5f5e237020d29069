// SPDX-License-Identifier: BSD-2-Clause
//! The thread pointer, and a new thread's way to its first function.

use core::arch::{asm, naked_asm};

/// The calling thread's thread pointer (TPIDR_EL0).
#[inline]
pub fn thread_pointer() -> usize {
    let value;
    // SAFETY: Reads a register that EL0 may read.
    unsafe {
        asm!("mrs {}, tpidr_el0", out(reg) value, options(nomem, nostack, preserves_flags));
    }
    value
}

/// Makes the block that [`TlsImage::initialize`](crate::TlsImage::initialize) filled the calling
/// thread's own.
///
/// # Safety
/// `pointer` is that function's result for a block that no other thread uses. No thread-local variable
/// may be borrowed across the call, nor used by the function that calls this: the compiler takes the thread pointer
/// for a constant, and may read it before.
#[inline]
pub unsafe fn set_thread_pointer(pointer: usize) {
    // SAFETY: The caller's promise. The assembler block is not `nomem`, so no access to a thread-local
    // variable moves across it.
    unsafe { asm!("msr tpidr_el0, {}", in(reg) pointer, options(nostack, preserves_flags)) }
}

/// How a new thread begins.
#[derive(Clone, Copy, Debug)]
pub struct ThreadStart {
    /// The thread's first function, which must not return.
    pub function: extern "C" fn(usize) -> !,
    /// Its argument.
    pub argument: usize,
    /// The address after the highest byte of its stack; a multiple of 16.
    pub stack_top: usize,
    /// What [`TlsImage::initialize`](crate::TlsImage::initialize) returned.
    pub thread_pointer: usize,
}

/// Registers that the thread's creator has to write; the others can be 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StartRegisters {
    /// Program counter.
    pub pc: u64,
    /// Stack pointer.
    pub sp: u64,
    /// x0, x1, x2.
    pub params: [u64; 3],
}

impl ThreadStart {
    /// Registers that make the thread begin at [`thread_entry`].
    pub fn registers(&self) -> StartRegisters {
        StartRegisters {
            pc: thread_entry as *const () as u64,
            sp: self.stack_top as u64,
            params: [
                self.argument as u64,
                self.thread_pointer as u64,
                self.function as *const () as u64,
            ],
        }
    }
}

/// The first instructions of a thread: x1 becomes the thread pointer, and x2 is called with x0.
///
/// # Safety
/// Only for a thread's registers, with the values of [`ThreadStart::registers`].
#[unsafe(naked)]
pub unsafe extern "C" fn thread_entry() -> ! {
    // A frame pointer and return address of 0 end backtraces.
    naked_asm!("msr tpidr_el0, x1", "mov x29, xzr", "mov x30, xzr", "br x2",)
}
