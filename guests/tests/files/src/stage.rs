// SPDX-License-Identifier: BSD-2-Clause
//! What scenarios have in common.

use core::{cell::RefCell, time::Duration};

use drill::{Fault, Verdict, ensure};
use userland::{
    Rights,
    exit::ExitCode,
    fs::{Dir, Error, Fs, Options, Reason},
    handle::Capability,
    process::{Child, Command, Module, Outcome},
    start::Start,
    time::timeout,
};

/// How long anything may take that another guest does.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// log2 of a child's memory.
const BITS: u8 = 22;

/// What this guest was given, and the fs guest, if it has started that.
pub struct Stage {
    start: Start,
    fs: RefCell<Option<Child>>,
}

impl Stage {
    pub fn new(start: Start) -> Self {
        Self {
            start,
            fs: RefCell::new(None),
        }
    }

    /// Starts the fs guest, by its name in the spec.
    pub fn start_fs(&self) -> Verdict {
        let child = Command::guest("fs").spawn()?;
        self.fs.replace(Some(child));
        Ok(())
    }

    /// Ends the fs guest at once, whatever it does.
    pub async fn kill_fs(&self) -> Verdict {
        match self.fs.take() {
            Some(child) => kill(child).await,
            None => Ok(()),
        }
    }

    /// Asks the fs guest to end.
    pub async fn end(&self) -> Verdict {
        let Some(child) = self.fs.take() else {
            return Ok(());
        };
        let outcome = child.stop(PATIENCE).await?;
        ensure!(
            outcome == Outcome::Exited(ExitCode::SUCCESS),
            "the fs guest: {outcome}"
        );
        Ok(child.close()?)
    }

    /// A connection at one of the doors, with all directories of it.
    pub async fn fs(&self, slot: &str) -> Verdict<Fs> {
        let door = self.given(slot)?;
        Ok(Fs::at(&door, Options::named("files")).await?)
    }

    /// The directory behind a door.
    pub async fn root(&self, slot: &str, name: &str) -> Verdict<Dir> {
        Ok(self.fs(slot).await?.root(name).await?)
    }

    /// The capability in a slot.
    pub fn given<T: Capability>(&self, slot: &str) -> Verdict<T> {
        self.start
            .capability(slot)
            .ok_or_else(|| Fault::new(format_args!("there is nothing in the slot {slot}")))
    }

    /// A child that plays a part at the door `all`.
    pub fn child(&self, name: &str, args: &[&str]) -> Verdict<Child> {
        // All: it is the same module, which does not start without what it imports.
        let groups = self.start.groups();
        let module = Module::new("files", BITS)
            .name(name)
            .groups(groups)
            .limits(self.start.limits().clone());
        let mut command = Command::module(&module);
        for arg in args {
            command.arg(arg);
        }
        let door = self.given::<userland::shm::Region>("all")?;
        Ok(command.give("all", &door, Rights::READ_WRITE).spawn()?)
    }
}

/// Waits until a child has ended with code 0.
pub async fn succeeds(child: Child) -> Verdict {
    let outcome = timeout(10 * PATIENCE, child.wait()).await;
    let outcome = outcome.map_err(|_| Fault::new("the child does not end"))??;
    let report = child.process().report()?.text;
    ensure!(
        outcome == Outcome::Exited(ExitCode::SUCCESS),
        "{outcome}: {report}"
    );
    Ok(child.close()?)
}

/// Ends a child, whatever it does.
pub async fn kill(child: Child) -> Verdict {
    child.stop(Duration::ZERO).await?;
    Ok(child.close()?)
}

/// What a request comes to when the fs guest has been started again: who made it may be told first that the one before is
/// gone.
pub async fn anew<T, F>(request: impl Fn() -> F) -> Result<T, Error>
where
    F: Future<Output = Result<T, Error>>,
{
    match request().await {
        Err(Error::Call(_)) => request().await,
        other => other,
    }
}

/// Something was refused, and for this reason.
#[track_caller]
pub fn refused<T>(result: Result<T, Error>, reason: Reason) -> Verdict {
    match result {
        Err(Error::Fs(given)) if given == reason => Ok(()),
        Err(other) => Err(Fault::new(format_args!("{other}, and not {reason}"))),
        Ok(_) => Err(Fault::new(format_args!("done, and not {reason}"))),
    }
}
