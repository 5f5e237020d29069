// SPDX-License-Identifier: BSD-2-Clause
//! A timer of the executor, for `time`.

use core::{
    marker::PhantomData,
    task::{Context, Poll},
};

use super::{executor::with, timers::Key};
use crate::time::Instant;

/// A timer that was set. It is taken back when this is dropped.
#[derive(Debug)]
pub(crate) struct Timer {
    key: Key,
    /// The executor is this thread's.
    _local: PhantomData<*const ()>,
}

impl Timer {
    /// Has the task be woken when the time of this clock has come.
    pub(crate) fn set(deadline: Instant, clock: fn() -> Instant, cx: &Context<'_>) -> Self {
        Self {
            key: with(|state| state.set_timer(deadline, clock, cx.waker())),
            _local: PhantomData,
        }
    }

    /// Whether its time has come. If not, the task is woken when it does; only the one that asked last.
    pub(crate) fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        let (poll, before) = with(|state| state.poll_timer(self.key, cx.waker()));
        drop(before);
        poll
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        let sleeper = with(|state| state.cancel_timer(self.key));
        drop(sleeper);
    }
}
