// SPDX-License-Identifier: BSD-2-Clause
//! A process that tasks wait for.

use core::time::Duration;

use super::{Outcome, Process};
use crate::{Error, handle::Capability as _, task::Event, time::Instant};

/// A process that was [spawned](super::Command::spawn), or that is watched otherwise. To drop it leaves the
/// process alone. Needs the right to read, and the grant `wake`.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{Error, info, process::Command, time::timeout};
///
/// async fn job() -> Result<(), Error> {
///     let child = Command::guest("worker").arg("jobs=3").spawn()?;
///     match timeout(Duration::from_secs(60), child.wait()).await {
///         Ok(outcome) => info!("the worker {}", outcome?),
///         Err(_) => info!("the worker {}", child.stop(Duration::from_secs(1)).await?),
///     }
///     child.close()
/// }
/// ```
#[derive(Debug)]
pub struct Child {
    process: Process,
    changes: Event,
}

impl Child {
    /// Watches a process. A guest watches each once: this takes the place of an earlier watch.
    ///
    /// ```no_run
    /// use userland::{Error, process::{Child, Outcome}, start::Start};
    ///
    /// /// Waits for a process that another guest has started, and gave to this one.
    /// async fn end_of_patient(start: &Start) -> Result<Outcome, Error> {
    ///     let process = start.capability("patient").ok_or(Error::NotFound)?;
    ///     Child::new(process)?.wait().await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Process`], and [`Error::TooManyListeners`].
    pub fn new(process: Process) -> Result<Self, Error> {
        let changes = Event::new();
        process.watch(changes.task())?;
        Ok(Self { process, changes })
    }

    /// Waits until it has ended and all it held is reclaimed. One task at a time can wait. See the example of
    /// [`Child`].
    ///
    /// # Errors
    /// See [`Process`].
    pub async fn wait(&self) -> Result<Outcome, Error> {
        loop {
            match self.process.wait_until(PAST) {
                Err(Error::TimedOut) => self.changes.wait().await,
                outcome => return outcome,
            }
        }
    }

    /// Asks it to stop, has it ended by force after `grace`, and waits for either. Needs the right to write.
    /// See the example of [`Child`].
    ///
    /// # Errors
    /// See [`Process`].
    pub async fn stop(&self, grace: Duration) -> Result<Outcome, Error> {
        self.process.stop(grace)?;
        self.wait().await
    }

    /// The capability for it.
    ///
    /// ```no_run
    /// use userland::{Error, info, process::Child};
    ///
    /// fn show(child: &Child) -> Result<(), Error> {
    ///     info!("{:?}", child.process().state()?);
    ///     Ok(())
    /// }
    /// ```
    pub const fn process(&self) -> &Process {
        &self.process
    }

    /// The capability for it, which is no longer watched.
    ///
    /// ```no_run
    /// use userland::{Error, process::{Child, Process}};
    ///
    /// async fn first_change(process: Process) -> Result<Process, Error> {
    ///     let child = Child::new(process)?;
    ///     child.wait().await?;
    ///     Ok(child.into_process())
    /// }
    /// ```
    pub fn into_process(self) -> Process {
        self.process
    }

    /// Gives up the capability for it, and frees its place in the guest's table. See the example of [`Child`].
    ///
    /// # Errors
    /// [`Error::BadHandle`].
    pub fn close(self) -> Result<(), Error> {
        self.process.close()
    }
}

/// A deadline that does not wait.
const PAST: Instant = Instant::from_nanoseconds(0);
