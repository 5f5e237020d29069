// SPDX-License-Identifier: BSD-2-Clause
//! From the kernel's first instruction to `main`.

use core::{arch::naked_asm, cell::UnsafeCell, ops::Range};

use sel4::{BootInfo, BootInfoPtr, FrameObjectType};
use sel4_tls::TlsImage;

use crate::{Termination, abort};

const PAGE: usize = FrameObjectType::GRANULE.bytes();

/// A stack of `N` bytes with a page below it that [`start`] unmaps.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct Stack<const N: usize> {
    guard: UnsafeCell<[u8; PAGE]>,
    stack: UnsafeCell<[u8; N]>,
}

// SAFETY: Only the first thread's stack pointer refers to the memory.
unsafe impl<const N: usize> Sync for Stack<N> {}

impl<const N: usize> Stack<N> {
    /// An empty stack.
    pub const fn new() -> Self {
        const { assert!(N.is_multiple_of(16), "a stack's size is a multiple of 16") };
        Self {
            guard: UnsafeCell::new([0; PAGE]),
            stack: UnsafeCell::new([0; N]),
        }
    }

    /// Where it begins.
    pub const fn top(&'static self) -> StackTop {
        StackTop {
            // One past the end of the object, which is where a descending stack begins.
            top: self.stack.get().wrapping_add(1).cast(),
            size: N,
            guard: self.guard.get().cast(),
        }
    }
}

impl<const N: usize> Default for Stack<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the first thread's stack lies. [`_start`] reads the first member.
#[repr(C)]
#[derive(Debug)]
pub struct StackTop {
    top: *mut u8,
    size: usize,
    guard: *mut u8,
}

// SAFETY: The addresses are not followed through this type.
unsafe impl Sync for StackTop {}

unsafe extern "Rust" {
    /// Defined by `declare_root_task!`.
    safe fn __sel4_root_task__main(bootinfo: &BootInfoPtr) -> !;
    /// Defined by `declare_root_task!`.
    safe static __sel4_root_task__stack_top: StackTop;
}

/// The first thread's stack.
pub(crate) fn stack_range() -> Range<usize> {
    let stack = &__sel4_root_task__stack_top;
    stack.top.addr() - stack.size..stack.top.addr()
}

/// The kernel enters here with x0 = boot information and no stack. Room for thread-local storage is
/// taken from the stack, so it lies at its top.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    naked_asm!(
        "adrp x1, {stack_top}",
        "ldr x1, [x1, #:lo12:{stack_top}]",
        "mov sp, x1",
        "mov x29, xzr",
        "mov x30, xzr",
        "mov x19, x0",
        "bl {tls_size}",
        "mov x1, sp",
        "sub x1, x1, x0",
        "mov sp, x1",
        "mov x0, x19",
        "mov x30, xzr",
        "b {start}",
        stack_top = sym __sel4_root_task__stack_top,
        tls_size = sym tls_size,
        start = sym start,
    )
}

fn tls_image() -> TlsImage {
    match TlsImage::of_program() {
        Ok(image) => image,
        Err(error) => abort!("root task: {error}"),
    }
}

/// Bytes to take off the stack: a block at any alignment, and the stack stays aligned to 16.
extern "C" fn tls_size() -> usize {
    let layout = tls_image().layout();
    (layout.size() + layout.align()).next_multiple_of(16)
}

/// Runs on the stack, before thread-local variables exist.
extern "C" fn start(bootinfo: *const BootInfo, tls: *mut u8) -> ! {
    let image = tls_image();
    let block = tls.wrapping_add(tls.align_offset(image.layout().align()));
    // SAFETY: `_start` left `tls_size` bytes from `tls` on to nobody else: the aligned block fits. The
    // first thread runs for ever, and no thread-local variable has been used.
    unsafe { sel4_tls::set_thread_pointer(image.initialize(block)) };
    begin(bootinfo)
}

/// Has thread-local variables. Apart, because the compiler takes the thread pointer for a constant: inlined, it may
/// be read before it is set.
#[inline(never)]
fn begin(bootinfo: *const BootInfo) -> ! {
    // SAFETY: The kernel's contract for the first thread: x0 is the boot information, in a page of its
    // own that it never touches again.
    let bootinfo = unsafe { BootInfoPtr::new(bootinfo) };
    // SAFETY: The kernel's contract: the buffer is a page of its own, mapped for good, and nobody else
    // forms a reference to it.
    sel4::set_ipc_buffer(unsafe { &mut *bootinfo.ipc_buffer() });
    unmap_guard(&bootinfo);
    __sel4_root_task__main(&bootinfo)
}

/// Makes a stack overflow a fault instead of a change of other variables.
fn unmap_guard(bootinfo: &BootInfoPtr) {
    unsafe extern "C" {
        static __executable_start: u8;
    }
    let image = (&raw const __executable_start).addr();
    let index = (__sel4_root_task__stack_top.guard.addr() - image) / PAGE;
    let result = bootinfo
        .user_image_frames()
        .index(index)
        .cap()
        .frame_unmap();
    if let Err(error) = result {
        abort!("root task: cannot unmap the page below the stack: {error}");
    }
}

/// Calls `main` and reports a return.
pub fn run_main<T: Termination>(main: fn(&BootInfoPtr) -> T, bootinfo: &BootInfoPtr) -> ! {
    let error = main(bootinfo).report();
    abort!("root task: main returned: {error:?}")
}
