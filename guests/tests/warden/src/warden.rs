// SPDX-License-Identifier: BSD-2-Clause
//! What scenarios have in common.

use alloc::{string::String, vec::Vec};
use core::time::Duration;

use atoll_abi::message::{Kind, SystemInfo};
use drill::{Fault, Verdict, ensure, line::Line};
use userland::{
    Error, Handle, Limits, Pid, ProcessState, Rights,
    handle::{self, Capability, Event, Notice},
    introspect,
    process::{Command, Module, Process},
    shm::Region,
    singleton::Service,
    start::Start,
    time::Instant,
    wake::{Mailbox, Task},
};

use crate::actor::Actor;

/// What comes with a ring of a line.
pub const LINE: Task = Task(1);
/// What comes with a notice.
pub const NOTICE: Task = Task(2);
/// What comes with a change of a process's state.
pub const STATE: Task = Task(3);
/// What comes with a ring of whatever else.
pub const BELL: Task = Task(4);
/// What comes when the provider of the service changes.
pub const DOOR: Task = Task(5);

/// How long anything may take that somebody else does.
pub const PATIENCE: Duration = Duration::from_secs(20);
/// log2 of the memory of a hostile guest.
pub const BITS: u8 = 20;

/// The guest that watches.
pub struct Warden {
    pub start: Start,
    pub mailbox: Mailbox,
    pub door: Service,
    pid: Pid,
    /// What it holds between scenarios.
    own: Vec<Handle>,
}

/// What is left of a scenario, if it differs from what was there before.
#[derive(Debug, PartialEq, Eq)]
struct Left {
    processes: u32,
    timers: u32,
    grants: u32,
    own: [u32; 6],
}

impl Warden {
    pub fn new() -> Verdict<Self> {
        let start = Start::read()?;
        let mailbox = Mailbox::open()?;
        let door = start.capability("door");
        let door: Service = door.ok_or_else(|| Fault::new("door was not given"))?;
        handle::watch(NOTICE)?;
        let mut warden = Self {
            pid: start.pid(),
            own: Vec::new(),
            start,
            mailbox,
            door,
        };
        warden.own = warden.held()?.iter().map(|(handle, _)| *handle).collect();
        Ok(warden)
    }

    /// Whether a scenario is to run: all, if the argument `only` does not say which.
    pub fn wants(&self, name: &str) -> bool {
        let only = self.start.value("only");
        only.is_none_or(|only| only.split(',').any(|one| one == name))
    }

    /// Runs a scenario, and looks at what is left of it.
    pub fn run(&mut self, scenario: &dyn Fn(&mut Self) -> Verdict) -> Verdict {
        let before = self.left()?;
        let verdict = scenario(self);
        self.clean_up()?;
        verdict?;
        // A process that was stopped and that nobody holds ends when it gets to it.
        let patience = Instant::now() + Duration::from_millis(100);
        let mut after = self.left()?;
        while before != after && Instant::now() < patience {
            self.rest(Duration::from_millis(1))?;
            after = self.left()?;
        }
        ensure!(
            before == after,
            "it leaves {after:?}, where {before:?} was there"
        );
        Ok(())
    }

    fn held(&self) -> Verdict<Vec<(Handle, Kind)>> {
        let all = introspect::holdings(self.pid).map(|held| held.map(|one| (one.handle, one.kind)));
        Ok(all.collect::<Result<_, _>>()?)
    }

    fn left(&self) -> Verdict<Left> {
        let SystemInfo {
            processes,
            timers,
            grants,
            ..
        } = introspect::system()?;
        let usage = introspect::process(self.pid)?.usage;
        Ok(Left {
            processes,
            timers,
            grants,
            own: [
                usage.handles,
                usage.timers,
                usage.regions,
                usage.windows,
                usage.children,
                usage.tokens,
            ],
        })
    }

    /// Ends and closes what a scenario left.
    fn clean_up(&mut self) -> Verdict {
        let more = self.held()?;
        let more = || more.iter().filter(|(handle, _)| !self.own.contains(handle));
        for (handle, _) in more().filter(|(_, kind)| *kind == Kind::Process) {
            let process = Process::from_handle(*handle);
            process.stop(Duration::ZERO)?;
            process.wait_until(Instant::now() + PATIENCE)?;
        }
        for (handle, _) in more() {
            Region::from_handle(*handle).close()?;
        }
        // What was lost and not closed.
        while let Some(notice) = handle::notice()? {
            match Region::from_handle(notice.handle).close() {
                Ok(()) | Err(Error::BadHandle) => {}
                Err(error) => return Err(error.into()),
            }
        }
        self.mailbox.clear();
        self.mailbox.overflowed();
        Ok(())
    }

    /// What a hostile guest is by default.
    pub fn module(&self) -> Module<'static> {
        Module::new("hostile", BITS)
            .groups(self.start.groups())
            .limits(Limits::DEFAULT)
    }

    /// Starts one in this role, on a line.
    pub fn actor(&mut self, role: &str, args: &[&str]) -> Verdict<Actor> {
        let module = self.module();
        self.actor_with(&module, role, args, |_| ())
    }

    /// As [`Self::actor`], with more.
    pub fn actor_with(
        &mut self,
        module: &Module<'_>,
        role: &str,
        args: &[&str],
        more: impl FnOnce(&mut Command),
    ) -> Verdict<Actor> {
        let mut command = Command::module(module);
        command.arg(role).args(args.iter().copied());
        more(&mut command);
        Actor::start(self, &mut command)
    }

    /// As [`Self::actor_with`], but leaves a message for it first.
    pub fn actor_told(
        &mut self,
        bytes: &[u8],
        role: &str,
        args: &[&str],
        more: impl FnOnce(&mut Command),
    ) -> Verdict<Actor> {
        let module = self.module();
        let mut command = Command::module(&module);
        command.arg(role).args(args.iter().copied());
        more(&mut command);
        Actor::start_told(self, &mut command, bytes)
    }

    /// Sleeps until `ready` has something, which comes with a wake.
    pub fn wait<T>(&mut self, what: &str, ready: impl FnMut() -> Option<T>) -> Verdict<T> {
        let found = self.mailbox.wait_until(Instant::now() + PATIENCE, ready)?;
        found.ok_or_else(|| Fault::new(alloc::format!("waiting for {what}")))
    }

    /// Waits for the next notice, which is of this handle and event.
    pub fn notice(&mut self, of: Handle, wanted: Event) -> Verdict<Notice> {
        let notice = self.wait("a notice", || handle::notice().ok().flatten())?;
        ensure!(notice.handle == of && notice.event == wanted, "{notice:?}");
        Ok(notice)
    }

    /// Sleeps so long.
    pub fn rest(&mut self, time: Duration) -> Verdict {
        self.mailbox
            .wait_until(Instant::now() + time, || None::<()>)?;
        Ok(())
    }

    /// Waits until a process sleeps, which it is about to.
    pub fn until_blocked(&mut self, process: &Process) -> Verdict {
        let patience = Instant::now() + PATIENCE;
        while process.state()? != ProcessState::Blocked {
            ensure!(
                Instant::now() < patience,
                "it does not wait: {:?}",
                process.state()
            );
            self.rest(Duration::from_millis(1))?;
        }
        Ok(())
    }

    /// The names of all processes.
    pub fn names(&self) -> Verdict<Vec<String>> {
        let names = introspect::processes().map(|one| one.map(|one| one.name.as_str().into()));
        Ok(names.collect::<Result<_, _>>()?)
    }
}

/// Every right but that to hand it on.
pub const USE: Rights = Rights::READ_WRITE;

/// A line that is given to somebody.
pub fn give(command: &mut Command, line: &Line) {
    command.give(drill::line::NAME, &line.region, Rights::ALL);
}
