// SPDX-License-Identifier: BSD-2-Clause
//! Who is to be told of the changes of a process or a service.

use alloc::{sync::Arc, vec::Vec};

use atoll_abi::{Error, Pid};

use crate::{
    Lock,
    grant::{Dependents, Grant},
    platform::Platform,
    server::Server,
};

/// Most processes that watch one thing.
const MAX_WATCHERS: usize = 256;

/// A process that watches, and the task that is put into its mailbox.
#[derive(Clone, Copy)]
pub(crate) struct Watcher {
    pub pid: Pid,
    pub task: u32,
}

/// Those who watch one thing.
pub(crate) struct Watchers<P: Platform>(Dependents<P, Watcher>);

impl<P: Platform> Watchers<P> {
    pub fn new() -> Self {
        Self(Dependents::new(Lock::<P, _>::new(Vec::new())))
    }

    /// Adds a watcher, one for each process, in place of the one before.
    ///
    /// # Errors
    /// `Revoked`, `TooManyListeners`.
    pub fn add(&self, watcher: Watcher, grant: &Arc<Grant<P>>) -> Result<(), Error> {
        self.0.take(|_, other| other.pid == watcher.pid, |_| {});
        self.0
            .add(grant, watcher, MAX_WATCHERS, Error::TooManyListeners)
    }
}

impl<P: Platform> Server<P> {
    /// Tells those who watch. No lock is held.
    pub(crate) fn tell_all(&self, watchers: &Watchers<P>) {
        let mut n = 0;
        // One at a time: nobody is woken under a lock.
        while let Some(watcher) = watchers.0.nth(n, |watcher| *watcher) {
            if let Ok(guest) = self.guest(watcher.pid) {
                guest.wake_for(watcher.task);
            }
            n += 1;
        }
    }

    /// Forgets those whose grants were cut. Each is woken one last time, to find out. No lock is held.
    pub(crate) fn strip_watchers(&self, watchers: &Watchers<P>) {
        while let Some(watcher) = watchers.0.take_cut(|_| {}) {
            if let Ok(guest) = self.guest(watcher.pid) {
                guest.wake_for(watcher.task);
            }
        }
    }
}
