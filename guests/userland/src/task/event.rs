// SPDX-License-Identifier: BSD-2-Clause
//! What a task can wait for that comes from outside.

use alloc::rc::Rc;
use core::{
    future::{Future, poll_fn},
    pin::Pin,
    task::{Context, Poll},
};

use super::{executor::with, signal::Signal};
use crate::{
    Error,
    handle::Capability as _,
    shm::Region,
    sys::calls,
    wake::{Bells, Task},
};

/// A wake with an id of its own, which one task can wait for.
///
/// The id goes to whoever is to wake the task: to [`Event::listen`] for the bells of a region, to
/// [`Process::watch`](crate::process::Process::watch), to [`Timer::at`](crate::time::Timer::at). An event
/// that has happened stays so until somebody has seen it, so none is missed between two waits; several
/// may be seen as one. It says that there may be something to see, not that there is: when ids were
/// dropped from a full mailbox, every event has happened.
///
/// ```no_run
/// use userland::{Error, shm::Region, task::Event, wake::Bells};
///
/// /// Sleeps until the first word of a region is not zero.
/// async fn answered(region: &Region) -> Result<(), Error> {
///     let event = Event::new();
///     event.listen(region, Bells(1))?;
///     let mut word = [0; 4];
///     loop {
///         region.read_at(0, &mut word)?;
///         if word != [0; 4] {
///             return Ok(());
///         }
///         event.wait().await;
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Event {
    key: u32,
    signal: Rc<Signal>,
}

impl Event {
    /// An event that has not happened.
    ///
    /// ```
    /// use userland::task::Event;
    ///
    /// let (one, other) = (Event::new(), Event::new());
    /// assert_ne!(one.task(), other.task());
    /// ```
    ///
    /// # Panics
    /// There are 65,535 already.
    #[expect(clippy::new_without_default, reason = "it takes a place in a table")]
    pub fn new() -> Self {
        Self::with_stop(false)
    }

    pub(super) fn with_stop(on_stop: bool) -> Self {
        let signal = Rc::new(Signal::new(on_stop));
        let key = with(|state| state.add_event(&signal));
        Self { key, signal }
    }

    /// The id that makes it happen. It is this event's alone: when the event is dropped, an id that comes
    /// late wakes nobody.
    ///
    /// ```no_run
    /// use userland::{Error, process::Process, task::Event};
    ///
    /// async fn change(process: &Process) -> Result<(), Error> {
    ///     let event = Event::new();
    ///     process.watch(event.task())?;
    ///     event.wait().await;
    ///     Ok(())
    /// }
    /// ```
    pub const fn task(&self) -> Task {
        Task(self.key)
    }

    /// Makes it happen whenever somebody else rings one of these bells of the region, a process that held
    /// the region no longer does, or this guest loses it. A guest listens to a region once: this takes the
    /// place of an earlier call. See the example of [`Event`].
    ///
    /// # Errors
    /// [`Error::Denied`] without the right to read, [`Error::Revoked`], [`Error::TooManyListeners`],
    /// [`Error::TooMany`], [`Error::InvalidArgument`] for no bells.
    pub fn listen(&self, region: &Region, bells: Bells) -> Result<(), Error> {
        calls::wake::listen(region.handle(), self.key, bells.0)
    }

    /// Whether it has happened since this, or [`Event::wait`], last said so. If not, the task is woken
    /// when it does; only the one that asked last.
    ///
    /// ```no_run
    /// use core::{future::poll_fn, task::Poll};
    /// use userland::task::Event;
    ///
    /// /// Looks for something at first and whenever the event happens.
    /// async fn look<T>(event: &Event, mut find: impl FnMut() -> Option<T>) -> T {
    ///     poll_fn(|cx| loop {
    ///         match find() {
    ///             Some(found) => return Poll::Ready(found),
    ///             None if event.poll(cx).is_pending() => return Poll::Pending,
    ///             None => {}
    ///         }
    ///     })
    ///     .await
    /// }
    /// ```
    #[inline]
    pub fn poll(&self, cx: &Context<'_>) -> Poll<()> {
        self.signal.poll(cx.waker())
    }

    /// Waits until it happens, or has happened since the last time. See the example of [`Event`].
    pub fn wait(&self) -> impl Future<Output = ()> {
        poll_fn(|cx| self.poll(cx))
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        let signal = with(|state| state.remove_event(self.key));
        drop(signal);
    }
}

/// What [`stopping`](super::stopping) answers. See the example of [`stopping`](super::stopping).
#[derive(Debug)]
pub struct Stopping {
    event: Option<Event>,
}

impl Stopping {
    pub(super) const fn new() -> Self {
        Self { event: None }
    }
}

impl Future for Stopping {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let event = self.event.get_or_insert_with(|| Event::with_stop(true));
        // An event may happen without a stop; so this has to look again, and ask again.
        loop {
            if with(|state| state.is_stopping()) {
                return Poll::Ready(());
            }
            if event.poll(cx).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
