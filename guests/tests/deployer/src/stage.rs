// SPDX-License-Identifier: BSD-2-Clause
//! What scenarios have in common.

use drill::{Fault, Verdict, ensure};
use userland::{
    Groups, Limits, Pid,
    exit::ExitCode,
    handle::Capability,
    introspect,
    module::Loaded,
    process::{Command, Module, Outcome, Process, Usage},
    start::Start,
};

use crate::files::Files;

/// log2 of a child's memory.
pub const BITS: u8 = 21;

pub struct Stage {
    pub start: Start,
    pub files: Files,
}

/// What is in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Used {
    processes: u32,
    timers: u32,
    grants: u32,
    pub heap: u64,
    slots: u64,
    pub memory: u64,
    handles: u32,
    children: u32,
    pub modules: u32,
}

impl Stage {
    pub async fn new(start: Start) -> Verdict<Self> {
        let files = Files::read(&start).await?;
        Ok(Self { start, files })
    }

    pub fn pid(&self) -> Pid {
        self.start.pid()
    }

    pub fn used(&self) -> Verdict<Used> {
        let system = introspect::system()?;
        let usage: Usage = introspect::process(self.pid())?.usage;
        Ok(Used {
            processes: system.processes,
            // Its own: the file system sets some, too.
            timers: usage.timers,
            grants: system.grants,
            heap: system.heap_used,
            slots: system.slots_used,
            memory: usage.spent,
            handles: usage.handles,
            children: usage.children,
            modules: usage.modules,
        })
    }

    /// The capability in a slot.
    pub fn given<T: Capability>(&self, slot: &str) -> Verdict<T> {
        given(&self.start, slot)
    }

    /// A child of a loaded module, with all that this guest may do.
    pub fn command(&self, loaded: &Loaded, role: &str, arg: &str) -> Command {
        self.command_with(loaded, self.start.groups(), 0, role, arg)
    }

    pub fn command_with(
        &self,
        loaded: &Loaded,
        groups: Groups,
        stack: u32,
        role: &str,
        arg: &str,
    ) -> Command {
        let module = Module::loaded(loaded, "child", BITS)
            .groups(groups)
            .stack(stack)
            .limits(self.limits());
        let mut command = Command::module(&module);
        command.arg(role).arg(arg);
        command
    }

    /// A child that is this guest again, in another part.
    pub fn part(&self, role: &str, name: &str) -> Command {
        let module = Module::new("deployer", 23)
            .name(name)
            .groups(self.start.groups())
            .limits(self.limits());
        let mut command = Command::module(&module);
        command.arg(role);
        command
    }

    pub fn limits(&self) -> Limits {
        self.start.limits().clone()
    }
}

/// The capability in a slot.
pub fn given<T: Capability>(start: &Start, slot: &str) -> Verdict<T> {
    start
        .capability(slot)
        .ok_or_else(|| Fault::new(format_args!("there is nothing in the slot {slot}")))
}

/// Waits until a process has ended like this.
#[track_caller]
pub fn ends(process: Process, wanted: Outcome) -> Verdict {
    let outcome = process.wait()?;
    let report = process.report()?.text;
    ensure!(
        outcome == wanted,
        "{outcome}, where {wanted} was due: {report}"
    );
    Ok(process.close()?)
}

/// The same, with this code.
#[track_caller]
pub fn exits(process: Process, code: u32) -> Verdict {
    ends(process, Outcome::Exited(ExitCode(code)))
}
