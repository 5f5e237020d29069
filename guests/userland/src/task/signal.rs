// SPDX-License-Identifier: BSD-2-Clause
//! What an event and the executor share.

use core::{
    cell::Cell,
    fmt,
    task::{Poll, Waker},
};

use super::sleeper::Sleeper;

/// Whether something has happened, and who waits for it.
#[derive(Default)]
pub(super) struct Signal {
    happened: Cell<bool>,
    sleeper: Cell<Sleeper>,
    /// A stop makes it happen.
    on_stop: bool,
}

impl Signal {
    pub(super) fn new(on_stop: bool) -> Self {
        Self {
            on_stop,
            ..Self::default()
        }
    }

    pub(super) const fn is_on_stop(&self) -> bool {
        self.on_stop
    }

    /// It happens; answers who is to be woken.
    #[inline]
    pub(super) fn happens(&self) -> Sleeper {
        self.happened.set(true);
        self.sleeper.take()
    }

    /// Whether it has happened since this last said so. If not, whoever is behind the waker is woken when it
    /// does.
    #[inline]
    pub(super) fn poll(&self, waker: &Waker) -> Poll<()> {
        if self.happened.take() {
            return Poll::Ready(());
        }
        let mut sleeper = self.sleeper.take();
        let before = sleeper.put(waker);
        self.sleeper.set(sleeper);
        // A waker of another make may do anything when it is dropped: it is not in its place any more.
        drop(before);
        Poll::Pending
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("happened", &self.happened)
            .finish_non_exhaustive()
    }
}
