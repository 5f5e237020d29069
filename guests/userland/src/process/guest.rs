// SPDX-License-Identifier: BSD-2-Clause
//! Guests of the spec, whatever process runs them.

use atoll_abi::{Error, Handle, message::TakeRequest};

use super::Process;
use crate::{
    handle::{Capability, capability},
    sys::calls,
    text::bounded,
    wake::Task,
};

/// A capability for a guest of the spec: `worker: worker (RWG)`. It stays the same while processes that run the guest
/// come and go. With the right to read one sees these, with that to write one starts the guest, by its name
/// ([`Command::guest`](super::Command::guest)), and stops it, with that to grant one gives to it and takes from it.
///
/// ```no_run
/// use userland::{Error, info, process::{Command, Guest, Process}, start::Start};
///
/// /// The process that runs a guest: the one that there is, or a new one.
/// fn worker(start: &Start) -> Result<Process, Error> {
///     let guest: Guest = start.capability("worker").ok_or(Error::NotFound)?;
///     match guest.process() {
///         Ok(process) if process.is_alive()? => Ok(process),
///         _ => Command::guest("worker").start(),
///     }
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Guest {
    handle: Handle,
}

capability!(Guest);

/// What all calls of a guest can be refused with: [`Error::Denied`] without the right that they need,
/// [`Error::BadHandle`], [`Error::Revoked`], [`Error::WrongKind`].
impl Guest {
    /// The process that runs it, or ran it last, with the rights of this capability. See the example of [`Guest`].
    ///
    /// # Errors
    /// [`Error::NotFound`] if it was never started; [`Error::TooManyHandles`].
    pub fn process(&self) -> Result<Process, Error> {
        calls::process::of_guest(self.handle).map(Process::from_handle)
    }

    /// Has `task` put into the mailbox at every change of the state of each process that runs it. Needs the right to
    /// read.
    ///
    /// ```no_run
    /// use userland::{Error, process::Guest, task::Event};
    ///
    /// /// Waits until somebody has started it.
    /// async fn until_it_is_there(guest: &Guest) -> Result<(), Error> {
    ///     let changes = Event::new();
    ///     guest.watch(changes.task())?;
    ///     while guest.process() == Err(Error::NotFound) {
    ///         changes.wait().await;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::TooManyListeners`].
    pub fn watch(&self, task: Task) -> Result<(), Error> {
        calls::process::watch(self.handle, task.0)
    }

    /// Takes away what the spec gives it in this slot, and what this guest gave it under this name. What the spec gives
    /// stays away until [`Guest::restore`], however often the guest is started. Needs the right to grant.
    ///
    /// ```no_run
    /// use userland::{Error, process::Guest};
    ///
    /// /// The guest has no network for a while.
    /// fn unplug(guest: &Guest, work: impl FnOnce()) -> Result<(), Error> {
    ///     guest.take("net")?;
    ///     work();
    ///     guest.restore("net")
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is nothing, or nothing any more.
    pub fn take(&self, slot: &str) -> Result<(), Error> {
        calls::process::take(&self.request(slot)?)
    }

    /// Gives it back what was taken from it in this slot, with the rights of the spec; a notice tells it if it runs.
    /// Needs the right to grant. See the example of [`Guest::take`].
    ///
    /// # Errors
    /// [`Error::NotFound`] if nothing was taken, [`Error::TooManyHandles`] if its table is full.
    pub fn restore(&self, slot: &str) -> Result<(), Error> {
        calls::process::restore(&self.request(slot)?)
    }

    fn request(&self, slot: &str) -> Result<TakeRequest, Error> {
        Ok(TakeRequest {
            process: self.handle,
            name: bounded(slot)?,
        })
    }
}
