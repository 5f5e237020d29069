// SPDX-License-Identifier: BSD-2-Clause
//! The algorithm, a semaphore of one over a binary notification ("benaphore").

use core::sync::atomic::{AtomicIsize, Ordering, fence};

use sel4::cap;

/// 1 when free; otherwise 0 less one for each waiter.
#[derive(Debug)]
pub(crate) struct State(AtomicIsize);

impl State {
    pub(crate) const fn new() -> Self {
        Self(AtomicIsize::new(1))
    }

    /// `notification` is asked for only on contention.
    #[inline]
    pub(crate) fn lock(&self, notification: impl FnOnce() -> cap::Notification) {
        if self.0.fetch_sub(1, Ordering::Acquire) <= 0 {
            notification().wait();
            // The owner before released the counter and then signalled; only one signal can be under
            // way, since the next is sent by the owner that this one makes. The wait itself orders
            // nothing for the compiler's memory model, so the acquisition is completed here.
            self.0.load(Ordering::Relaxed);
            fence(Ordering::Acquire);
        }
    }

    #[inline]
    pub(crate) fn try_lock(&self) -> bool {
        self.0
            .compare_exchange(1, 0, Ordering::Acquire, Ordering::Relaxed)
            .is_ok()
    }

    #[inline]
    pub(crate) fn unlock(&self, notification: impl FnOnce() -> cap::Notification) {
        if self.0.fetch_add(1, Ordering::Release) < 0 {
            notification().signal();
        }
    }

    #[inline]
    pub(crate) fn is_locked(&self) -> bool {
        self.0.load(Ordering::Relaxed) <= 0
    }
}
