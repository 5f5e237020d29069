// SPDX-License-Identifier: BSD-2-Clause
//! What to start, and with what.

use core::fmt::Write as _;
use core::time::Duration;

use atoll_abi::{
    Error, Groups, Handle, Limits, Rights,
    message::{Code, ModuleRequest, Name, Program, StartRequest, Text},
};

use super::{Child, Process, give};
use crate::{handle::Capability, module::Loaded, session::Session, sys::calls, text::bounded};

/// A process to be.
///
/// What is wrong with a part of it, a text that is too long or one too many, [`Command::start`]
/// reports.
///
/// ```no_run
/// use userland::{Error, Rights, process::{Child, Command}, session::Session, shm::Region};
///
/// fn worker(jobs: &Region, session: &Session) -> Result<Child, Error> {
///     Command::guest("worker")
///         .arg("jobs=3")
///         .args(["quiet", "once"])
///         .env("LOG", "debug")
///         .give("jobs", jobs, Rights::READ)
///         .session(session)
///         .spawn()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Command {
    request: StartRequest,
    fault: Option<Error>,
}

impl Command {
    /// A guest of the spec, with all that the spec gives it. This guest needs a capability for it, a
    /// [`Guest`](super::Guest), with the right to write; the process is held with the rights of that.
    /// See the example of [`Command`].
    pub fn guest(name: &str) -> Self {
        Self::new(bounded(name).map(Program::Guest))
    }

    /// A child that runs a module, which this guest pays for and which ends with it.
    /// See the example of [`Module`].
    pub fn module(module: &Module<'_>) -> Self {
        Self::new(module.request().map(Program::Module))
    }

    fn new(program: Result<Program, Error>) -> Self {
        let fault = program.as_ref().err().copied();
        Self {
            request: StartRequest {
                program: program.unwrap_or(Program::Guest(Name::new())),
                args: Default::default(),
                env: Default::default(),
                gives: Default::default(),
                session: None,
            },
            fault,
        }
    }

    /// Adds an argument. A guest of the spec that is given any has none of the spec's.
    /// See the example of [`Command`].
    pub fn arg(&mut self, arg: &str) -> &mut Self {
        let added = bounded(arg).and_then(|arg| {
            let args = &mut self.request.args;
            args.push(arg).map_err(|_| Error::InvalidArgument)
        });
        self.note(added)
    }

    /// Adds arguments. See the example of [`Command`].
    pub fn args<'a>(&mut self, args: impl IntoIterator<Item = &'a str>) -> &mut Self {
        for arg in args {
            self.arg(arg);
        }
        self
    }

    /// Adds an environment variable. A guest of the spec that is given any has none of the spec's.
    /// See the example of [`Command`].
    pub fn env(&mut self, key: &str, value: &str) -> &mut Self {
        let mut entry = Text::new();
        let written = write!(entry, "{key}={value}");
        let added = written.map_err(|_| Error::InvalidArgument).and_then(|()| {
            let env = &mut self.request.env;
            env.push(entry).map_err(|_| Error::InvalidArgument)
        });
        self.note(added)
    }

    /// Gives it a capability, which it finds under this name. Needs the right to grant.
    /// See the example of [`Command`].
    pub fn give(&mut self, name: &str, capability: &impl Capability, rights: Rights) -> &mut Self {
        let added = give(name, capability, rights).and_then(|give| {
            let gives = &mut self.request.gives;
            gives.push(give).map_err(|_| Error::InvalidArgument)
        });
        self.note(added)
    }

    /// Starts it in this session, not in this guest's own. Needs the right to write to the session.
    /// See the example of [`Command`].
    pub fn session(&mut self, session: &Session) -> &mut Self {
        self.request.session = Some(session.handle());
        self
    }

    /// Starts it. Answers when its memory and its thread are made, before its first instruction.
    ///
    /// ```no_run
    /// use userland::{Error, process::{Command, Process}};
    ///
    /// fn worker() -> Result<Process, Error> {
    ///     Command::guest("worker").start()
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::NotFound`] if this guest holds no such guest, [`Error::Denied`] if it does without the right to
    /// write, [`Error::Busy`] if the guest runs
    /// already, [`Error::BadModule`], [`Error::NoMemory`], [`Error::TooLarge`] and [`Error::NotGranted`]
    /// for more than this guest may give, [`Error::TooManyChildren`], [`Error::TooManyHandles`],
    /// [`Error::TooMany`], [`Error::NotEntitled`] for more than the session may have, [`Error::Ended`] if
    /// that has, [`Error::Denied`] for a capability without the right to grant, and
    /// [`Error::InvalidArgument`] for what does not fit (see the limits in `atoll_abi::message`).
    pub fn start(&self) -> Result<Process, Error> {
        match self.fault {
            Some(fault) => Err(fault),
            None => calls::process::start(&self.request).map(Process::from_handle),
        }
    }

    /// Starts it, for tasks to wait for. See the example of [`Child`].
    ///
    /// # Errors
    /// As [`Command::start`], and [`Error::TooManyListeners`].
    pub fn spawn(&self) -> Result<Child, Error> {
        Child::new(self.start()?)
    }

    /// Keeps the first thing that went wrong.
    fn note(&mut self, added: Result<(), Error>) -> &mut Self {
        self.fault = self.fault.or(added.err());
        self
    }
}

/// A module to run as a child.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{Error, Group, Groups, Limits, process::{Child, Command, Module}};
///
/// fn worker() -> Result<Child, Error> {
///     let limits = Limits { timers: 4, ..Limits::DEFAULT };
///     let module = Module::new("worker", 20)
///         .name("worker-7")
///         .stack(64 << 10)
///         .prio(90)
///         .groups(Groups::NONE.with(Group::Log))
///         .limits(limits)
///         .deadline(Duration::from_secs(60));
///     Command::module(&module).spawn()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Module<'a> {
    module: Source<'a>,
    name: &'a str,
    memory_bits: u8,
    stack: u32,
    prio: u8,
    groups: Groups,
    limits: Limits,
    deadline: Option<Duration>,
}

/// Where its code is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Source<'a> {
    Archive(&'a str),
    Loaded(Handle),
}

impl<'a> Module<'a> {
    /// This module of the archive, with 2^`memory_bits` bytes of this guest's memory budget. The
    /// process has the module's name, this guest's priority and size of stack, no groups of hostcalls,
    /// the limits [`Limits::DEFAULT`], and no deadline. See the example of [`Module`].
    pub const fn new(module: &'a str, memory_bits: u8) -> Self {
        Self::of(Source::Archive(module), module, memory_bits)
    }

    /// As [`Module::new`], a module that was loaded, for a process of this name. Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, module::Loaded, process::{Command, Module, Process}};
    ///
    /// fn start(loaded: &Loaded) -> Result<Process, Error> {
    ///     Command::module(&Module::loaded(loaded, "worker", 20)).start()
    /// }
    /// ```
    pub fn loaded(loaded: &Loaded, name: &'a str, memory_bits: u8) -> Self {
        Self::of(Source::Loaded(loaded.handle()), name, memory_bits)
    }

    const fn of(module: Source<'a>, name: &'a str, memory_bits: u8) -> Self {
        Self {
            module,
            name,
            memory_bits,
            stack: 0,
            prio: 0,
            groups: Groups::NONE,
            limits: Limits::DEFAULT,
            deadline: None,
        }
    }

    /// With another name. See the example of [`Module`].
    #[must_use]
    pub const fn name(mut self, name: &'a str) -> Self {
        self.name = name;
        self
    }

    /// With a stack of this many bytes, as some guest of the spec has. See the example of [`Module`].
    #[must_use]
    pub const fn stack(mut self, bytes: u32) -> Self {
        self.stack = bytes;
        self
    }

    /// With this priority, at most this guest's. See the example of [`Module`].
    #[must_use]
    pub const fn prio(mut self, prio: u8) -> Self {
        self.prio = prio;
        self
    }

    /// With these groups of hostcalls, at most this guest's. See the example of [`Module`].
    #[must_use]
    pub const fn groups(mut self, groups: Groups) -> Self {
        self.groups = groups;
        self
    }

    /// With these limits, each at most this guest's. See the example of [`Module`].
    #[must_use]
    pub const fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Ended by force when it has run for so long, in whole milliseconds. See the example of [`Module`].
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = Some(deadline);
        self
    }

    fn request(&self) -> Result<ModuleRequest, Error> {
        let deadline_ms = match self
            .deadline
            .map(|deadline| u32::try_from(deadline.as_millis()))
        {
            None => None,
            Some(Ok(milliseconds)) => Some(milliseconds),
            Some(Err(_)) => return Err(Error::InvalidArgument),
        };
        Ok(ModuleRequest {
            module: match self.module {
                Source::Archive(name) => Code::Archive(bounded(name)?),
                Source::Loaded(handle) => Code::Loaded(handle),
            },
            name: bounded(self.name)?,
            memory_bits: self.memory_bits,
            stack: self.stack,
            prio: self.prio,
            groups: self.groups,
            limits: self.limits.clone(),
            deadline_ms,
        })
    }
}
