// SPDX-License-Identifier: BSD-2-Clause
//! What one task waits for until another raises it.

use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    task::{Poll, Waker},
};

/// See the module. One task waits at a time.
#[derive(Default)]
pub struct Flag {
    waker: RefCell<Option<Waker>>,
    is_up: Cell<bool>,
}

impl Flag {
    /// Raises it.
    pub fn raise(&self) {
        self.is_up.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    /// Waits until it is raised, and takes it down.
    pub async fn wait(&self) {
        poll_fn(|cx| {
            if self.is_up.take() {
                return Poll::Ready(());
            }
            self.waker.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
