// SPDX-License-Identifier: BSD-2-Clause
//! From the first instruction to `main`, and to the end.

use core::arch::{asm, naked_asm};
use core::panic::PanicInfo;
use core::{ptr, slice};

use native_handoff::{EXIT, Handoff, slot};
use sel4::{IpcBuffer, MessageInfo, cap};
use sel4_tls::TlsImage;

use crate::{End, Task, heap, println};

unsafe extern "Rust" {
    /// Defined by `entry!`.
    safe fn __sel4_native_task__main(task: &Task) -> !;
}

/// The root task has the first thread begin here: x0 and x1 are address and length of the handoff, x2 is the address
/// of the IPC buffer, and there is a stack. Room for thread-local storage is taken from it, so it lies at its top.
#[unsafe(naked)]
#[unsafe(no_mangle)]
unsafe extern "C" fn _start() -> ! {
    // A frame pointer and return address of 0 end backtraces.
    naked_asm!(
        "mov x29, xzr",
        "mov x30, xzr",
        "mov x19, x0",
        "mov x20, x1",
        "mov x21, x2",
        "bl {tls_size}",
        "mov x3, sp",
        "sub x3, x3, x0",
        "mov sp, x3",
        "mov x0, x19",
        "mov x1, x20",
        "mov x2, x21",
        "mov x30, xzr",
        "b {start}",
        tls_size = sym tls_size,
        start = sym start,
    )
}

/// Bytes to take off the stack: a block at any alignment, and the stack stays aligned to 16.
extern "C" fn tls_size() -> usize {
    tls_image().map_or(0, |image| {
        let layout = image.layout();
        (layout.size() + layout.align()).next_multiple_of(16)
    })
}

fn tls_image() -> Option<TlsImage> {
    TlsImage::of_program().ok()
}

/// Runs on the stack, before thread-local variables exist.
extern "C" fn start(handoff: *const u8, len: usize, ipc_buffer: usize, tls: *mut u8) -> ! {
    let Some(image) = tls_image() else { stop() };
    let block = tls.wrapping_add(tls.align_offset(image.layout().align()));
    // SAFETY: `_start` left `tls_size` bytes from `tls` on to nobody else: the aligned block fits. The
    // first thread runs for ever, and no thread-local variable has been used.
    unsafe { sel4_tls::set_thread_pointer(image.initialize(block)) };
    begin(handoff, len, ipc_buffer)
}

/// Has thread-local variables. Apart, because the compiler takes the thread pointer for a constant: inlined, it may
/// be read before it is set.
#[inline(never)]
fn begin(handoff: *const u8, len: usize, ipc_buffer: usize) -> ! {
    // SAFETY: the root task's promise: this is the first thread's buffer, mapped for good, and nobody else's.
    sel4::set_ipc_buffer(unsafe {
        &mut *ptr::with_exposed_provenance_mut::<IpcBuffer>(ipc_buffer)
    });
    // SAFETY: the root task's promise: so many bytes are mapped there, read-only, for the life of this program.
    let handoff = unsafe { slice::from_raw_parts(handoff, len) };
    let handoff = Handoff::read(handoff).expect("a handoff of this build");
    heap::init(handoff.heap);
    __sel4_native_task__main(&Task::new(handoff))
}

/// Calls `main` and ends the task with what it returns.
pub fn run_main<T: End>(main: fn(&Task) -> T, task: &Task) -> ! {
    let well = main(task).ended_well();
    exit(u64::from(!well))
}

/// Ends the task; 0 says that all went well. Whether it is started again is the spec's decision.
pub fn exit(code: u64) -> ! {
    let root = cap::Endpoint::from_bits(slot::FIRST_FAULT_ENDPOINT);
    root.send_with_mrs(MessageInfo::new(EXIT, 0, 0, 1), [code]);
    // The root task does not answer: it takes everything back.
    stop()
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    println!("{info}");
    stop()
}

fn stop() -> ! {
    loop {
        // SAFETY: a breakpoint is a user exception: the kernel stops the thread and tells the root task.
        unsafe { asm!("brk #0", options(nomem, nostack)) }
    }
}
