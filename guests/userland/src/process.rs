// SPDX-License-Identifier: BSD-2-Clause
//! Other processes. Needs the grant `processes`.
//!
//! ```no_run
//! use userland::{Error, Rights, info, process::{Command, Outcome}, shm::Region, warn};
//!
//! async fn work(jobs: &Region) -> Result<(), Error> {
//!     let child = Command::guest("worker").arg("jobs=3").give("jobs", jobs, Rights::READ).spawn()?;
//!     match child.wait().await? {
//!         Outcome::Exited(code) => info!("worker ended with {code:?}"),
//!         Outcome::Failed => warn!("worker failed: {}", child.process().report()?.text),
//!     }
//!     child.close()
//! }
//! ```

mod child;
mod command;
mod guest;

use core::{fmt, time::Duration};

pub use atoll_abi::message::{Events, ProcessEntry, ProcessInfo, Report, StateChange, Usage};
use atoll_abi::{
    Error, FAILED, Groups, Handle, Pid, ProcessState, Rights,
    message::{EventsRequest, Give, GrantRequest, TakeRequest},
};

pub use child::Child;
pub use command::{Command, Module};
pub use guest::Guest;

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
///
/// ```
/// use userland::{exit::ExitCode, process::Outcome};
///
/// assert_eq!(Outcome::Exited(ExitCode(3)).to_string(), "exited with code 3");
/// assert_eq!(Outcome::Failed.to_string(), "failed");
/// ```
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
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{Error, ProcessState, handle::Capability, info, process::{Outcome, Process, start}};
///
/// /// Starts a guest, and ends it again; the whole guest waits.
/// fn try_out() -> Result<Outcome, Error> {
///     let process: Process = start("worker")?;
///     info!("{:?}", process.info()?);
///     if process.state()? != ProcessState::Failed {
///         process.stop(Duration::from_secs(1))?;
///     }
///     let outcome = process.wait()?;
///     process.close()?;
///     Ok(outcome)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Process {
    handle: Handle,
}

capability!(Process);

/// Starts the guest of the spec with this name, for which this guest holds a capability; see [`Command`] for more.
/// See the example of [`Process`].
///
/// # Errors
/// See [`Command::start`].
pub fn start(name: &str) -> Result<Process, Error> {
    Command::guest(name).start()
}

/// The processes that this one started, in the order of their ids.
///
/// ```no_run
/// use userland::{Error, info, process::children};
///
/// fn family() -> Result<(), Error> {
///     for child in children() {
///         let child = child?;
///         info!("{} is {:?}", child.name, child.state);
///     }
///     Ok(())
/// }
/// ```
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
    /// See the example of [`Process`].
    ///
    /// # Errors
    /// [`Error::InvalidArgument`] if it is this one.
    pub fn wait(&self) -> Result<Outcome, Error> {
        self.wait_until(Instant::NEVER)
    }

    /// As [`Process::wait`], but not beyond the deadline.
    ///
    /// ```no_run
    /// use core::time::Duration;
    /// use userland::{Error, process::Process, time::Instant};
    ///
    /// fn ends_soon(process: &Process) -> Result<bool, Error> {
    ///     match process.wait_until(Instant::now() + Duration::from_millis(10)) {
    ///         Ok(_) => Ok(true),
    ///         Err(Error::TimedOut) => Ok(false),
    ///         Err(error) => Err(error),
    ///     }
    /// }
    /// ```
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
    /// See the example of [`Process`].
    ///
    /// # Errors
    /// See [`Process`].
    pub fn stop(&self, grace: Duration) -> Result<(), Error> {
        calls::process::stop(self.handle, whole_nanoseconds(grace))
    }

    /// Where it is in its life. Needs the right to read. See the example of [`Process`].
    ///
    /// # Errors
    /// See [`Process`].
    pub fn state(&self) -> Result<ProcessState, Error> {
        calls::process::state(self.handle)
    }

    /// Whether it has not ended. Needs the right to read. See the example of [`Guest`].
    ///
    /// # Errors
    /// See [`Process`].
    pub fn is_alive(&self) -> Result<bool, Error> {
        let state = self.state()?;
        Ok(!matches!(
            state,
            ProcessState::Stopped | ProcessState::Failed
        ))
    }

    /// What there is to know of it. Needs the right to read. See the example of [`Process`].
    ///
    /// # Errors
    /// See [`Process`].
    pub fn info(&self) -> Result<ProcessInfo, Error> {
        calls::process::info(&self.handle)
    }

    /// The changes of its state behind the first `known` ones, as many as fit in an answer. Needs the
    /// right to read.
    ///
    /// ```no_run
    /// use userland::{Error, info, process::Process};
    ///
    /// fn history(process: &Process) -> Result<(), Error> {
    ///     for change in process.events(0)?.changes {
    ///         info!("{:?} at {} ns", change.state, change.at);
    ///     }
    ///     Ok(())
    /// }
    /// ```
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
    /// ```no_run
    /// use userland::{Error, process::{Outcome, Process}, warn};
    ///
    /// fn explain(process: &Process) -> Result<(), Error> {
    ///     if process.wait()? == Outcome::Failed {
    ///         warn!("{}", process.report()?.text);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Process`].
    pub fn report(&self) -> Result<Report, Error> {
        calls::process::report(&self.handle)
    }

    /// Has `task` put into the mailbox at every change of its state. Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, ProcessState, process::Process, task::Event};
    ///
    /// async fn until_it_runs(process: &Process) -> Result<(), Error> {
    ///     let changes = Event::new();
    ///     process.watch(changes.task())?;
    ///     while matches!(process.state()?, ProcessState::Created | ProcessState::Starting) {
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

    /// Gives it a capability under this name, of which a notice tells it. Needs the right to grant, and
    /// on the capability, too.
    ///
    /// ```no_run
    /// use userland::{Error, Rights, process::Process, shm::Region};
    ///
    /// /// Lets it see a region for a while.
    /// fn lend(process: &Process, region: &Region, work: impl FnOnce()) -> Result<(), Error> {
    ///     process.grant("loan", region, Rights::READ)?;
    ///     work();
    ///     process.take("loan")
    /// }
    /// ```
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
    /// See the example of [`Process::grant`].
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
    /// ```no_run
    /// use userland::{Error, Group, Groups, process::Process};
    ///
    /// fn silence(process: &Process) -> Result<(), Error> {
    ///     process.restrict(Groups::NONE.with(Group::Log))
    /// }
    /// ```
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
