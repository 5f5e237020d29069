// SPDX-License-Identifier: BSD-2-Clause
//! What scenarios have in common.

use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{
    exit::ExitCode,
    process::{Child, Command, Module, Outcome},
    start::Start,
    time::timeout,
};

/// How long anything may take that another guest does.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// log2 of a child's memory.
pub const BITS: u8 = 20;

/// What this guest was given.
pub struct Stage {
    pub start: Start,
}

impl Stage {
    pub fn new(start: Start) -> Verdict<Self> {
        Ok(Self { start })
    }

    /// Whether a scenario is to run: all, if the argument `only` does not say which.
    pub fn wants(&self, name: &str) -> bool {
        let only = self.start.value("only");
        only.is_none_or(|only| only.split(',').any(|one| one == name))
    }

    /// This guest's module, to run as a child with all that this one may do.
    pub fn module(&self) -> Module<'static> {
        Module::new("library", BITS)
            .name("peer")
            .groups(self.start.groups())
            .limits(self.start.limits().clone())
    }

    /// A child that plays a role.
    pub fn command(&self, role: &str) -> Command {
        let mut command = Command::module(&self.module());
        command.arg(role);
        command
    }

    /// Starts a child that plays a role.
    pub fn spawn(&self, role: &str) -> Verdict<Child> {
        Ok(self.command(role).spawn()?)
    }
}

/// Waits until a child has ended, but not for ever.
pub async fn outcome(child: &Child) -> Verdict<Outcome> {
    timeout(PATIENCE, child.wait())
        .await
        .map_err(|_| Fault::new("the child does not end"))?
        .map_err(Fault::from)
}

/// Waits until a child has ended with this code.
#[track_caller]
pub fn exits(child: Child, code: u32) -> impl Future<Output = Verdict> {
    let place = core::panic::Location::caller();
    async move {
        let outcome = outcome(&child).await?;
        let report = child.process().report()?.text;
        ensure!(
            outcome == Outcome::Exited(ExitCode(code)),
            "{outcome}, where code {code} was due at {place}: {report}"
        );
        Ok(child.close()?)
    }
}

/// Waits until a child has failed, with this in its report.
#[track_caller]
pub fn fails(child: Child, text: &str) -> impl Future<Output = Verdict> {
    let place = core::panic::Location::caller();
    async move {
        let outcome = outcome(&child).await?;
        let report = child.process().report()?.text;
        ensure!(
            outcome == Outcome::Failed && report.contains(text),
            "{outcome}, where {text:?} was due at {place}: {report}"
        );
        Ok(child.close()?)
    }
}
