// SPDX-License-Identifier: BSD-2-Clause
//! Sleeping and being woken. Needs the grant `wake`.
//!
//! Wakes come as task ids, in a mailbox in the guest's memory. A wake that comes while the guest is
//! awake stays in the mailbox, and the next wait does not sleep: so a guest that empties the mailbox,
//! *then* looks at what it waits for, *then* waits, misses nothing. [`Mailbox::wait_until`] is that.
//!
//! A guest with tasks has no need of a [`Mailbox`]: it waits for an [`Event`](crate::task::Event). What is here
//! besides, they have in common. See the example of [`Mailbox`].

use core::cell::Cell;

use atoll_abi::{Error, TASK_STOP};

use crate::{
    handle::Capability as _,
    mailbox::Ring,
    shm::Region,
    sys::{calls, local::local, memory},
    time::Instant,
};

/// Names what a wake is for; the guest's own choice.
///
/// ```
/// use userland::wake::Task;
///
/// const LINE: Task = Task(1);
/// const CLOCK: Task = Task(2);
/// assert_ne!(LINE, CLOCK);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Task(pub u32);

impl Task {
    /// Wakes a guest that is asked to stop. It has some time to end by itself.
    ///
    /// ```no_run
    /// use userland::{Error, wake::{Mailbox, Task}};
    ///
    /// /// For a guest without tasks; one with them awaits `task::stopping()`.
    /// fn until_stopped(mailbox: &mut Mailbox) -> Result<(), Error> {
    ///     mailbox.wait_for(Task::STOP)
    /// }
    /// ```
    pub const STOP: Self = Self(TASK_STOP);
}

/// Some of the 32 bells of a region, as a mask. What each is for is between those who share the region.
///
/// ```
/// use userland::wake::Bells;
///
/// const FRAME: Bells = Bells(1 << 0);
/// const ROOM: Bells = Bells(1 << 1);
/// assert_eq!(FRAME | ROOM, Bells(3));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Bells(pub u32);

impl Bells {
    /// All of them.
    ///
    /// ```
    /// # use userland::wake::Bells;
    /// assert_eq!(Bells(1) | Bells::ALL, Bells::ALL);
    /// ```
    pub const ALL: Self = Self(u32::MAX);
}

impl core::ops::BitOr for Bells {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

/// Ids that the mailbox holds; beyond that, they are dropped and [`Mailbox::overflowed`] says so.
///
/// ```no_run
/// use userland::{Error, time::{Instant, Timer}, wake::{self, Mailbox, Task}};
///
/// fn fill(mailbox: &mut Mailbox) -> Result<(), Error> {
///     for _ in 0..wake::CAPACITY + 1 {
///         Timer::at(Instant::from_nanoseconds(0), Task(1))?;
///     }
///     assert!(mailbox.overflowed());
///     Ok(())
/// }
/// ```
pub const CAPACITY: usize = 64;

local! {
    /// Where the server writes ids.
    pub(crate) static RING: Ring<CAPACITY> = Ring::new();
}

local! {
    /// Whether there is a [`Mailbox`].
    static OPEN: Cell<bool> = Cell::new(false);
}

/// The guest's mailbox. There is one.
///
/// ```no_run
/// use userland::{Error, info, shm::Region, time::Instant, wake::{Bells, Mailbox, Task, notify}};
///
/// const LINE: Task = Task(1);
///
/// fn serve(region: &Region) -> Result<(), Error> {
///     let mut mailbox = Mailbox::open()?;
///     mailbox.listen(region, LINE, Bells(1))?;
///     loop {
///         mailbox.wait(Instant::NEVER)?;
///         while let Some(task) = mailbox.take() {
///             match task {
///                 LINE => notify(region, Bells(2))?,
///                 Task::STOP => return mailbox.unlisten(region),
///                 Task(other) => info!("nobody asked for {other}"),
///             }
///         }
///         if mailbox.overflowed() {
///             notify(region, Bells(2))?; // one that was dropped may have been LINE
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Mailbox {
    _only_one: (),
}

impl Mailbox {
    /// Tells the server where the mailbox is; wakes arrive from now on. See the example of [`Mailbox`].
    ///
    /// # Errors
    /// [`Error::Busy`] if it was opened before.
    pub fn open() -> Result<Self, Error> {
        if OPEN.with(Cell::get) {
            return Err(Error::Busy);
        }
        memory::register()?;
        OPEN.with(|open| open.set(true));
        Ok(Self { _only_one: () })
    }

    /// Empties the mailbox. If the guest was asked to stop, [`Task::STOP`] is in it afterwards, although
    /// it may have been dropped before.
    pub(crate) fn reopen(&mut self) -> Result<(), Error> {
        memory::register()
    }

    /// Has `task` put into the mailbox whenever somebody else rings one of these bells of the region, a
    /// process that held the region no longer does ([`Region::is_held_by`]), or this guest loses it. A
    /// later call for the same region replaces task and bells. See the example of [`Mailbox`].
    ///
    /// # Errors
    /// [`Error::Denied`] without the right to read, [`Error::Revoked`], [`Error::TooManyListeners`],
    /// [`Error::TooMany`], [`Error::InvalidArgument`] for no bells.
    pub fn listen(&self, region: &Region, task: Task, bells: Bells) -> Result<(), Error> {
        calls::wake::listen(region.handle(), task.0, bells.0)
    }

    /// Takes that back. Ids that are in the mailbox stay. See the example of [`Mailbox`].
    ///
    /// # Errors
    /// [`Error::NotFound`] if this guest does not listen, [`Error::Revoked`].
    pub fn unlisten(&self, region: &Region) -> Result<(), Error> {
        calls::wake::unlisten(region.handle())
    }

    /// Sleeps until the mailbox has an id or the deadline ([`Instant::NEVER`] for none) is reached;
    /// answers how many ids it has. See the example of [`Mailbox`].
    ///
    /// # Errors
    /// None that a guest of this version meets.
    #[inline]
    pub fn wait(&mut self, deadline: Instant) -> Result<u32, Error> {
        calls::wake::wait(deadline.nanoseconds())
    }

    /// Rings, as [`notify`], then sleeps, as [`Mailbox::wait`]: one call where those are two. If the ring
    /// is refused, it does not sleep.
    ///
    /// ```no_run
    /// use userland::{Error, shm::Region, time::Instant, wake::{Bells, Mailbox}};
    ///
    /// fn call(mailbox: &mut Mailbox, region: &Region) -> Result<(), Error> {
    ///     region.write_at(0, b"question")?;
    ///     mailbox.notify_wait(region, Bells(1), Instant::NEVER)?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`notify`].
    #[inline]
    pub fn notify_wait(
        &mut self,
        region: &Region,
        bells: Bells,
        deadline: Instant,
    ) -> Result<u32, Error> {
        calls::wake::notify_wait(region.handle(), bells.0, deadline.nanoseconds())
    }

    /// How many ids it has.
    #[inline]
    pub(crate) fn pending(&self) -> u32 {
        RING.with(Ring::pending)
    }

    /// Takes the oldest id. See the example of [`Mailbox`].
    #[inline]
    pub fn take(&mut self) -> Option<Task> {
        RING.with(Ring::take).map(Task)
    }

    /// Takes every id, oldest first.
    ///
    /// ```no_run
    /// use userland::wake::{Mailbox, Task};
    ///
    /// fn was_stopped(mailbox: &mut Mailbox) -> bool {
    ///     mailbox.drain().any(|task| task == Task::STOP)
    /// }
    /// ```
    #[inline]
    pub fn drain(&mut self) -> impl Iterator<Item = Task> {
        core::iter::from_fn(|| self.take())
    }

    /// Throws all ids away.
    ///
    /// ```no_run
    /// use userland::{Error, time::Instant, wake::Mailbox};
    ///
    /// /// Sleeps until something happens from now on.
    /// fn next(mailbox: &mut Mailbox) -> Result<u32, Error> {
    ///     mailbox.clear();
    ///     mailbox.wait(Instant::NEVER)
    /// }
    /// ```
    pub fn clear(&mut self) {
        RING.with(Ring::clear);
    }

    /// Whether ids were dropped since this was last asked, because the mailbox was full: then any
    /// task may have been woken. See the example of [`Mailbox`].
    #[inline]
    pub fn overflowed(&mut self) -> bool {
        RING.with(Ring::take_overflow)
    }

    /// Sleeps until this task is woken, and takes that id; other ids before it are thrown away. Returns as
    /// well when ids were dropped, of which it may have been one.
    ///
    /// ```no_run
    /// use core::time::Duration;
    /// use userland::{Error, time::{Instant, Timer}, wake::{Mailbox, Task}};
    ///
    /// fn pause(mailbox: &mut Mailbox) -> Result<(), Error> {
    ///     Timer::at(Instant::now() + Duration::from_secs(1), Task(7))?;
    ///     mailbox.wait_for(Task(7))
    /// }
    /// ```
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
    /// ```no_run
    /// use core::{sync::atomic::Ordering, time::Duration};
    /// use userland::{Error, shm::Window, time::Instant, wake::Mailbox};
    ///
    /// /// The first word, once it is not zero; whoever writes it rings a bell that this guest listens to.
    /// fn answer(mailbox: &mut Mailbox, window: &Window) -> Result<Option<u32>, Error> {
    ///     let deadline = Instant::now() + Duration::from_secs(1);
    ///     mailbox.wait_until(deadline, || match window.load(0, Ordering::Acquire) {
    ///         Ok(0) | Err(_) => None,
    ///         Ok(word) => Some(word),
    ///     })
    /// }
    /// ```
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

/// Rings these bells of the region: wakes everyone else who listens to one of them. That nobody does is
/// no error. See the example of [`Mailbox`].
///
/// # Errors
/// [`Error::Denied`] without the right to write, [`Error::Revoked`], [`Error::InvalidArgument`] for no
/// bells.
#[inline]
pub fn notify(region: &Region, bells: Bells) -> Result<(), Error> {
    calls::wake::notify(region.handle(), bells.0)
}
