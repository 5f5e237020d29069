// SPDX-License-Identifier: BSD-2-Clause
//! The calling thread's IPC buffer, in thread-local storage.

use core::cell::{BorrowError, BorrowMutError, RefCell};

use crate::IpcBuffer;

type Slot = Option<&'static mut IpcBuffer>;

#[thread_local]
static IPC_BUFFER: RefCell<Slot> = RefCell::new(None);

const UNSET: &str = "the thread has no IPC buffer: set_ipc_buffer was not called";
const BUSY: &str = "IPC buffer already borrowed";

/// Whether each thread has an IPC buffer slot of its own.
pub const fn ipc_buffer_is_thread_local() -> bool {
    true
}

/// Names the calling thread's IPC buffer, for all capabilities without an explicit context.
///
/// # Panics
/// When the slot is borrowed, that is, inside `with_ipc_buffer` or an invocation.
pub fn set_ipc_buffer(ipc_buffer: &'static mut IpcBuffer) {
    *IPC_BUFFER.try_borrow_mut().expect(BUSY) = Some(ipc_buffer);
}

/// Calls `f` with the slot, or with the error that it is mutably borrowed.
pub fn try_with_ipc_buffer_slot<T>(
    f: impl FnOnce(Result<&Option<&'static mut IpcBuffer>, BorrowError>) -> T,
) -> T {
    match IPC_BUFFER.try_borrow() {
        Ok(slot) => f(Ok(&slot)),
        Err(error) => f(Err(error)),
    }
}

/// Calls `f` with the slot, or with the error that it is borrowed.
pub fn try_with_ipc_buffer_slot_mut<T>(
    f: impl FnOnce(Result<&mut Option<&'static mut IpcBuffer>, BorrowMutError>) -> T,
) -> T {
    match IPC_BUFFER.try_borrow_mut() {
        Ok(mut slot) => f(Ok(&mut slot)),
        Err(error) => f(Err(error)),
    }
}

/// Calls `f` with the calling thread's IPC buffer.
///
/// # Panics
/// When the thread has none, or inside `with_ipc_buffer_mut` or an invocation.
#[inline]
pub fn with_ipc_buffer<T>(f: impl FnOnce(&IpcBuffer) -> T) -> T {
    f(IPC_BUFFER
        .try_borrow()
        .expect(BUSY)
        .as_deref()
        .expect(UNSET))
}

/// Calls `f` with the calling thread's IPC buffer.
///
/// # Panics
/// When the thread has none, or when it is already borrowed.
#[inline]
pub fn with_ipc_buffer_mut<T>(f: impl FnOnce(&mut IpcBuffer) -> T) -> T {
    f(IPC_BUFFER
        .try_borrow_mut()
        .expect(BUSY)
        .as_deref_mut()
        .expect(UNSET))
}
