// SPDX-License-Identifier: BSD-2-Clause
//! Other processes. Needs the grant `processes`.
//!
//! ```ignore
//! let child = Command::guest("worker").arg("jobs=3").give("jobs", &jobs, Rights::READ).start()?;
//! match child.wait()? {
//!     Outcome::Exited(code) => info!("worker ended with {code:?}"),
//!     Outcome::Failed => warn!("worker failed: {}", child.report()?.text),
//! }
//! child.close()?;
//! ```

mod command;

use core::{fmt, time::Duration};

pub use atoll_abi::message::{Events, ProcessEntry, ProcessInfo, Report, StateChange, Usage};
use atoll_abi::{
    Error, FAILED, Groups, Handle, Pid, ProcessState, Rights,
    message::{EventsRequest, Give, GrantRequest, TakeRequest},
};

pub use command::{Command, Module};

use crate::{
    exit::ExitCode,
    handle::{Capability, capability},
    list,
    sys::calls,
    text::bounded,
    time::{Instant, whole_nanoseconds},
    wake::Task,
};

/// How a process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Returned from its entry point (code 0), or exited with this code.
    Exited(ExitCode),
    /// Trapped, panicked, was ended by force or could not start; [`Process::report`] says why.
    Failed,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited(ExitCode(code)) => write!(f, "exited with code {code}"),
            Self::Failed => f.write_str("failed"),
        }
    }
}

/// A capability for a process. To drop or close it leaves the process alone.
#[derive(Debug, PartialEq, Eq)]
pub struct Process {
    handle: Handle,
}

capability!(Process);

/// Starts the guest of the spec with this name, one that starts on demand; see [`Command`] for more.
///
/// # Errors
/// See [`Command::start`].
pub fn start(name: &str) -> Result<Process, Error> {
    Command::guest(name).start()
}

/// The processes that this one started, in the order of their ids.
pub fn children() -> impl Iterator<Item = Result<ProcessEntry, Error>> {
    list::entries(
        Pid::default(),
        |entry: &ProcessEntry| entry.pid,
        |after| calls::process::children(&after).map(|page| page.processes),
    )
}

/// What all calls of a process can be refused with: [`Error::Denied`] without the right that they
/// need, [`Error::BadHandle`], [`Error::Revoked`], [`Error::WrongKind`].
impl Process {
    /// Sleeps until it has ended and all it held is reclaimed. Needs the right to read.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is this one.
    pub fn wait(&self) -> Result<Outcome, Error> {
        self.wait_until(Instant::NEVER)
    }

    /// As [`Process::wait`], but not beyond the deadline.
    ///
    /// # Errors
    /// [`Error::TimedOut`] if it has not ended by then.
    pub fn wait_until(&self, deadline: Instant) -> Result<Outcome, Error> {
        let answer = calls::process::wait(self.handle, deadline.nanoseconds())?;
        Ok(match u32::try_from(answer) {
            Ok(code) => Outcome::Exited(ExitCode(code)),
            Err(_) => Outcome::Failed,
        })
    }

    /// Asks it to stop: it finds [`Task::STOP`] in its mailbox. After `grace` it is ended by force.
    /// Does not wait for either; one that has ended stays as it is. Needs the right to write.
    ///
    /// # Errors
    /// See [`Process`].
    pub fn stop(&self, grace: Duration) -> Result<(), Error> {
        calls::process::stop(self.handle, whole_nanoseconds(grace))
    }

    /// Where it is in its life. Needs the right to read.
    ///
    /// # Errors
    /// See [`Process`].
    pub fn state(&self) -> Result<ProcessState, Error> {
        calls::process::state(self.handle)
    }

    /// What there is to know of it. Needs the right to read.
    ///
    /// # Errors
    /// See [`Process`].
    pub fn info(&self) -> Result<ProcessInfo, Error> {
        calls::process::info(&self.handle)
    }

    /// The changes of its state behind the first `known` ones, as many as fit in an answer. Needs the
    /// right to read.
    ///
    /// # Errors
    /// See [`Process`].
    pub fn events(&self, known: u32) -> Result<Events, Error> {
        calls::process::events(&EventsRequest {
            process: self.handle,
            after: known,
        })
    }

    /// Why it failed: reason and backtrace; empty if it did not. Needs the right to read.
    ///
    /// # Errors
    /// See [`Process`].
    pub fn report(&self) -> Result<Report, Error> {
        calls::process::report(&self.handle)
    }

    /// Has `task` put into the mailbox at every change of its state. Needs the right to read.
    ///
    /// # Errors
    /// [`Error::TooManyListeners`].
    pub fn watch(&self, task: Task) -> Result<(), Error> {
        calls::process::watch(self.handle, task.0)
    }

    /// Gives it a capability under this name, of which a notice tells it. Needs the right to grant, and
    /// on the capability, too.
    ///
    /// # Errors
    /// [`Error::Ended`], [`Error::TooManyHandles`] if its table is full, [`Error::NotEntitled`],
    /// [`Error::InvalidArgument`] for a name that is too long.
    pub fn grant(
        &self,
        name: &str,
        capability: &impl Capability,
        rights: Rights,
    ) -> Result<(), Error> {
        calls::process::grant(&GrantRequest {
            process: self.handle,
            give: give(name, capability, rights)?,
        })
    }

    /// Takes away what this guest gave it under this name. Needs the right to grant.
    ///
    /// # Errors
    /// [`Error::NotFound`] if that is nothing, [`Error::Ended`].
    pub fn take(&self, name: &str) -> Result<(), Error> {
        calls::process::take(&TakeRequest {
            process: self.handle,
            name: bounded(name)?,
        })
    }

    /// Takes groups of hostcalls away from it: such calls are refused with [`Error::NotGranted`] from
    /// now on. Needs the right to grant.
    ///
    /// # Errors
    /// [`Error::Ended`].
    pub fn restrict(&self, groups: Groups) -> Result<(), Error> {
        calls::process::restrict(self.handle, groups)
    }
}

fn give(name: &str, capability: &impl Capability, rights: Rights) -> Result<Give, Error> {
    Ok(Give {
        name: bounded(name)?,
        handle: capability.handle(),
        rights,
    })
}

const _: () = assert!(FAILED > u32::MAX as u64, "no exit code means a failure");
