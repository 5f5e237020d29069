// SPDX-License-Identifier: BSD-2-Clause
//! Sleeping and being woken. Needs the grant `wake`.
//!
//! Wakes come as task ids, in a mailbox in the guest's memory. A wake that comes while the guest is
//! awake stays in the mailbox, and the next wait does not sleep: so a guest that empties the mailbox,
//! *then* looks at what it waits for, *then* waits, misses nothing. [`Mailbox::wait_until`] is that.

use core::sync::atomic::{AtomicBool, Ordering};

use atoll_abi::{Error, TASK_STOP};

use crate::{
    handle::Capability as _,
    mailbox::Ring,
    shm::Region,
    sys::{calls, memory},
    time::Instant,
};

/// Names what a wake is for; the guest's own choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task(pub u32);

impl Task {
    /// Wakes a guest that is asked to stop. It has some time to end by itself.
    pub const STOP: Self = Self(TASK_STOP);
}

/// Ids that the mailbox holds; beyond that, they are dropped and [`Mailbox::overflowed`] says so.
pub const CAPACITY: usize = 64;

static RING: Ring<CAPACITY> = Ring::new();
static OPEN: AtomicBool = AtomicBool::new(false);

/// The guest's mailbox. There is one.
#[derive(Debug)]
pub struct Mailbox {
    _only_one: (),
}

impl Mailbox {
    /// Tells the server where the mailbox is; wakes arrive from now on.
    ///
    /// # Errors
    /// [`Error::Busy`] if it was opened before.
    pub fn open() -> Result<Self, Error> {
        if OPEN.swap(true, Ordering::Relaxed) {
            return Err(Error::Busy);
        }
        memory::register(&RING)?;
        Ok(Self { _only_one: () })
    }

    /// Has `task` put into the mailbox whenever somebody else rings the region's doorbell, and when
    /// the region is lost. A later call for the same region replaces the task.
    ///
    /// # Errors
    /// [`Error::Denied`] without the right to read, [`Error::Revoked`], [`Error::TooManyListeners`],
    /// [`Error::TooMany`].
    pub fn listen(&self, region: &Region, task: Task) -> Result<(), Error> {
        calls::wake::listen(region.handle(), task.0)
    }

    /// Takes that back. Ids that are in the mailbox stay.
    ///
    /// # Errors
    /// [`Error::NotFound`] if this guest does not listen, [`Error::Revoked`].
    pub fn unlisten(&self, region: &Region) -> Result<(), Error> {
        calls::wake::unlisten(region.handle())
    }

    /// Sleeps until the mailbox has an id or the deadline ([`Instant::NEVER`] for none) is reached;
    /// answers how many ids it has.
    ///
    /// # Errors
    /// None that a guest of this version meets.
    pub fn wait(&mut self, deadline: Instant) -> Result<u32, Error> {
        calls::wake::wait(deadline.nanoseconds())
    }

    /// Takes the oldest id.
    pub fn take(&mut self) -> Option<Task> {
        RING.take().map(Task)
    }

    /// Takes every id, oldest first.
    pub fn drain(&mut self) -> impl Iterator<Item = Task> {
        core::iter::from_fn(|| self.take())
    }

    /// Throws all ids away.
    pub fn clear(&mut self) {
        RING.clear();
    }

    /// Whether ids were dropped since this was last asked, because the mailbox was full: then any
    /// task may have been woken.
    pub fn overflowed(&mut self) -> bool {
        RING.take_overflow()
    }

    /// Sleeps until this task is woken, and takes that id; other ids before it are thrown away. Returns as
    /// well when ids were dropped, of which it may have been one.
    ///
    /// # Errors
    /// As [`Mailbox::wait`].
    pub fn wait_for(&mut self, task: Task) -> Result<(), Error> {
        loop {
            self.wait(Instant::NEVER)?;
            if self.drain().any(|id| id == task) || self.overflowed() {
                return Ok(());
            }
        }
    }

    /// Sleeps until `ready` has something, or the deadline; none then. `ready` is asked at once and
    /// after every wake, for whatever task. What it waits for must come with a wake.
    ///
    /// # Errors
    /// As [`Mailbox::wait`].
    pub fn wait_until<T>(
        &mut self,
        deadline: Instant,
        mut ready: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>, Error> {
        loop {
            self.clear();
            if let Some(value) = ready() {
                return Ok(Some(value));
            }
            if self.wait(deadline)? == 0 && deadline != Instant::NEVER {
                return Ok(ready());
            }
        }
    }
}

/// Rings the region's doorbell: wakes everyone else who listens.
///
/// # Errors
/// [`Error::Denied`] without the right to write, [`Error::Revoked`].
pub fn notify(region: &Region) -> Result<(), Error> {
    calls::wake::notify(region.handle())
}
