// SPDX-License-Identifier: BSD-2-Clause
//! What scenarios have in common.

use core::{fmt, time::Duration};

use drill::{Fault, Verdict, ensure};
use userland::{
    Groups, PAGE, Rights,
    exit::ExitCode,
    handle::Capability,
    process::{Child, Command, Module, Outcome},
    shm::Region,
    start::Start,
    time::timeout,
};

/// How long anything may take that another guest does.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// log2 of a child's memory.
const BITS: u8 = 21;

/// What this guest was given.
pub struct Stage {
    start: Start,
}

impl Stage {
    pub fn new(start: Start) -> Verdict<Self> {
        Ok(Self { start })
    }

    /// What this guest may do.
    pub fn groups(&self) -> Groups {
        self.start.groups()
    }

    /// The capability in a slot.
    pub fn given<T: Capability>(&self, slot: &str) -> Verdict<T> {
        given(&self.start, slot)
    }

    /// A child that plays a part, with these groups.
    pub fn command_with(&self, role: &str, name: &str, groups: Groups) -> Command {
        let module = Module::new("rpc", BITS)
            .name(name)
            .groups(groups)
            .limits(self.start.limits().clone());
        let mut command = Command::module(&module);
        command.arg(role);
        command
    }

    /// A child that plays a part, with all that this one may do.
    pub fn command(&self, role: &str, name: &str) -> Command {
        self.command_with(role, name, self.groups())
    }

    /// A child with a region in the slot `door`.
    pub fn at_door(&self, role: &str, name: &str, door: &Region) -> Verdict<Child> {
        let mut command = self.command(role, name);
        Ok(command.give("door", door, Rights::READ_WRITE).spawn()?)
    }
}

/// A region for a door or a log.
pub fn region(bytes: u32) -> Verdict<Region> {
    Ok(Region::alloc(bytes.div_ceil(PAGE))?)
}

/// The capability in a slot.
pub fn given<T: Capability>(start: &Start, slot: &str) -> Verdict<T> {
    start
        .capability(slot)
        .ok_or_else(|| Fault::new(format_args!("there is nothing in the slot {slot}")))
}

/// As an outcome of a scenario.
#[track_caller]
pub fn fault(error: impl fmt::Display) -> Fault {
    Fault::new(error)
}

/// Waits until a child has ended with this code.
pub async fn exits(child: Child, code: u32) -> Verdict {
    let outcome = timeout(PATIENCE, child.wait()).await;
    let outcome = outcome.map_err(|_| Fault::new("the child does not end"))??;
    let report = child.process().report()?.text;
    ensure!(
        outcome == Outcome::Exited(ExitCode(code)),
        "{outcome}, where code {code} was due: {report}"
    );
    Ok(child.close()?)
}

/// Ends a child, whatever it does.
pub async fn kill(child: Child) -> Verdict {
    child.stop(Duration::ZERO).await?;
    Ok(child.close()?)
}
