// SPDX-License-Identifier: BSD-2-Clause
//! Where an invocation finds the thread's IPC buffer.

use core::cell::RefCell;

use crate::{IpcBuffer, with_ipc_buffer_mut};

/// Gives access to the calling thread's IPC buffer.
pub trait InvocationContext {
    /// Calls `f` with the buffer.
    fn with_context<T>(&mut self, f: impl FnOnce(&mut IpcBuffer) -> T) -> T;
}

/// The buffer in the thread-local slot that [`set_ipc_buffer`](crate::set_ipc_buffer) filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ImplicitInvocationContext;

/// The context of a capability to which none was attached.
pub type NoExplicitInvocationContext = ImplicitInvocationContext;

impl InvocationContext for ImplicitInvocationContext {
    #[inline]
    fn with_context<T>(&mut self, f: impl FnOnce(&mut IpcBuffer) -> T) -> T {
        with_ipc_buffer_mut(f)
    }
}

impl InvocationContext for &mut IpcBuffer {
    #[inline]
    fn with_context<T>(&mut self, f: impl FnOnce(&mut IpcBuffer) -> T) -> T {
        f(self)
    }
}

impl<U: InvocationContext> InvocationContext for &mut U {
    #[inline]
    fn with_context<T>(&mut self, f: impl FnOnce(&mut IpcBuffer) -> T) -> T {
        U::with_context(self, f)
    }
}

impl<U: InvocationContext> InvocationContext for &RefCell<U> {
    /// # Panics
    /// When the cell is borrowed.
    #[inline]
    fn with_context<T>(&mut self, f: impl FnOnce(&mut IpcBuffer) -> T) -> T {
        self.borrow_mut().with_context(f)
    }
}
