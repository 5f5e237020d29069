// SPDX-License-Identifier: BSD-2-Clause
//! Processes of this shell: modules of the image, and signed ones of the disk.

use alloc::{
    rc::Rc,
    string::{String, ToString as _},
    vec::Vec,
};
use core::{ops::RangeInclusive, time::Duration};

use shell_language::Options;
use userland::{
    Group, Groups, Handle, Rights,
    exit::ExitCode,
    future::join3,
    handle::Capability,
    introspect::Kind,
    module::Loaded,
    process::{Child, Command, Module, Outcome, Process},
    task::spawn,
};

use super::{Call, files, system};
use crate::{
    failure::{About as _, Done, Failure},
    pipeline,
    session::Session,
    shell::Shell,
    stream::{Pipe, Sink, Source},
};

/// Bits of the memory of a process if nothing is said.
const BITS: u8 = 21;
/// What there can be: a process has at least a page of WebAssembly, and no more than addresses of 32 bits reach.
const POSSIBLE: RangeInclusive<u8> = 16..=32;
/// Longest module.
const MAX_MODULE: usize = 8 << 20;
/// How long a process has to end.
pub const GRACE: Duration = Duration::from_secs(2);

/// A capability of any kind, to be handed on.
struct Any(Handle);

impl Capability for Any {
    const KIND: Kind = Kind::Region;

    fn from_handle(handle: Handle) -> Self {
        Self(handle)
    }

    fn handle(&self) -> Handle {
        self.0
    }
}

/// How a process is started.
#[derive(Clone)]
pub struct How {
    bits: u8,
    groups: Groups,
    /// Slots of this shell, and the names the process finds them under.
    slots: Vec<(String, String)>,
}

impl How {
    /// As options say: `b:`, `g:` and `c:`.
    pub fn of(options: &Options) -> Result<Self, Failure> {
        let bits = match options.number('b')? {
            None => BITS,
            Some(bits) => u8::try_from(bits)
                .ok()
                .filter(|bits| POSSIBLE.contains(bits))
                .ok_or_else(|| {
                    Failure::Misused(alloc::format!(
                        "-b is from {} to {}: so many bits have 64 KiB and 4 GiB",
                        POSSIBLE.start(),
                        POSSIBLE.end()
                    ))
                })?,
        };
        let mut groups = Groups::NONE;
        for name in options.values('g').flat_map(|names| names.split(',')) {
            let group = Group::named(name);
            groups = groups.with(group.ok_or_else(|| {
                let known = Group::ALL.iter().filter_map(|group| group.grant());
                let known = known.collect::<Vec<_>>().join(" ");
                Failure::Misused(alloc::format!("`{name}` is no group; there are {known}"))
            })?);
        }
        if !options.has('g') {
            groups = Groups::NONE
                .with(Group::Log)
                .with(Group::Wake)
                .with(Group::Time)
                .with(Group::SharedMemory);
        }
        let slots = options.values('c').map(|slot| {
            let (slot, name) = slot.split_once('=').unwrap_or((slot, slot));
            (slot.to_string(), name.to_string())
        });
        Ok(Self {
            bits,
            groups,
            slots: slots.collect(),
        })
    }

    /// A module under this name, with what it is to have.
    pub fn module<'a>(&self, loaded: &Loaded, name: &'a str) -> Module<'a> {
        Module::loaded(loaded, name, self.bits).groups(self.groups)
    }

    /// Gives a process to be the capabilities that it is to have.
    pub fn give(&self, shell: &Shell, command: &mut Command) -> Done {
        for (slot, name) in &self.slots {
            let capability: Any = shell.capability(slot)?;
            let rights = capability.rights().about(slot)?;
            let rights = [Rights::READ, Rights::WRITE]
                .into_iter()
                .filter(|right| rights.contains(*right))
                .fold(Rights::NONE, Rights::union);
            command.give(name, &capability, rights);
        }
        Ok(())
    }
}

/// A child of the shell, of which `stop` and others can get hold. When this goes, the process is asked to end, and
/// then ended.
pub struct Running {
    shell: Rc<Shell>,
    child: Option<Child>,
}

impl Running {
    /// Starts it.
    pub fn start(shell: &Rc<Shell>, command: &Command) -> Result<Self, Failure> {
        let child = command.spawn()?;
        let pid = child.process().info()?.pid;
        let handle = child.process().handle();
        shell.children.borrow_mut().insert(pid, handle);
        Ok(Self {
            shell: shell.clone(),
            child: Some(child),
        })
    }

    /// The process.
    pub fn process(&self) -> Result<&Process, Failure> {
        match &self.child {
            Some(child) => Ok(child.process()),
            None => Err(Failure::new("it has ended")),
        }
    }

    /// Waits for its end.
    pub async fn wait(&self) -> Result<Outcome, Failure> {
        match &self.child {
            Some(child) => Ok(child.wait().await?),
            None => Err(Failure::new("it has ended")),
        }
    }

    /// What its end comes to.
    pub async fn done(&self) -> Done {
        match self.wait().await? {
            Outcome::Exited(ExitCode(0)) => Ok(()),
            Outcome::Exited(ExitCode(code)) => {
                Err(Failure::new(alloc::format!("it exited with code {code}")))
            }
            Outcome::Failed => {
                let report = self.process()?.report()?;
                // Where it was is in the log, with the same words.
                let why = report.text.lines().next().unwrap_or_default();
                Err(Failure::new(alloc::format!("it failed: {why}")))
            }
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(child) = self.child.take() else {
            return;
        };
        let shell = self.shell.clone();
        spawn(async move {
            // One that cannot be stopped has ended, or was taken away.
            let _ = child.stop(GRACE).await;
            let handle = child.process().handle();
            shell
                .children
                .borrow_mut()
                .retain(|_, other| *other != handle);
            let _ = child.close();
        });
    }
}

/// A module in a file, checked.
pub async fn load(session: &Session, path: &str) -> Result<Loaded, Failure> {
    let mut source = pipeline::open(session, path).await?;
    let mut bytes = Vec::new();
    while source.read(&mut bytes).await.about(path)? {
        if bytes.len() > MAX_MODULE {
            return Err(Failure::new("it is too long for a module").about(path));
        }
    }
    Loaded::load(&bytes).about(path)
}

/// A loaded module that is closed when this goes: it stays until the last process of it has ended.
struct Kept(Option<Loaded>);

impl Drop for Kept {
    fn drop(&mut self) {
        if let Some(loaded) = self.0.take() {
            // It may be lost already.
            let _ = loaded.close();
        }
    }
}

pub async fn run(mut call: Call) -> Done {
    let args = core::mem::take(&mut call.args);
    let options = Options::parse_first(args, "b:n:g:c:d:")?;
    let how = How::of(&options)?;
    let Some((what, args)) = options.args.split_first() else {
        return Err(Failure::Misused("which module?".into()));
    };
    let name = options.value('n').map(String::from);
    let is_file = what.contains('/') || what.ends_with(".module");
    let kept = Kept(if is_file {
        Some(load(&call.session, what).await?)
    } else {
        None
    });
    let (module, name) = match &kept.0 {
        Some(loaded) => (None, name.unwrap_or(loaded.info()?.name.to_string())),
        None => (Some(what), name.unwrap_or_else(|| what.clone())),
    };
    let mut about = match (&kept.0, module) {
        (Some(loaded), _) => how.module(loaded, &name),
        (None, Some(module)) => Module::new(module, how.bits).name(&name).groups(how.groups),
        (None, None) => return Err(Failure::Quiet),
    };
    if let Some(text) = options.value('d') {
        about = about.deadline(system::seconds(text)?);
    }
    let mut command = Command::module(&about);
    command.args(args.iter().map(String::as_str));
    how.give(&call.session.shell, &mut command)?;
    let input = core::mem::replace(&mut call.input, Source::Nothing);
    let to_child = match &input {
        Source::Pipe(_) | Source::File(..) => Some(Pipe::to_other()?),
        Source::Nothing | Source::Keys(_) => None,
    };
    let from_child = match &call.output {
        Sink::Pipe(_) | Sink::File(..) => Some(Pipe::from_other()?),
        Sink::Screen(_) | Sink::Above(_) => None,
    };
    if let Some((pipe, _)) = &to_child {
        command.give("stdin", pipe.region(), Rights::READ_WRITE);
    }
    if let Some((pipe, _)) = &from_child {
        command.give("stdout", pipe.region(), Rights::READ_WRITE);
    }
    let running = Running::start(&call.session.shell, &command).about(what)?;
    drop(kept);
    let there = async {
        match to_child {
            Some((pipe, mut sink)) => pass(input, &mut sink, pipe).await,
            None => Ok(()),
        }
    };
    let back = async {
        match from_child {
            Some((pipe, mut source)) => {
                let done = files::pass(&mut source, &mut call).await;
                drop(pipe);
                done
            }
            None => Ok(()),
        }
    };
    let (_, shown, done) = join3(there, back, running.done()).await;
    done?;
    shown
}

/// What comes in goes to the process, for as long as it reads.
async fn pass(mut input: Source, sink: &mut Sink, pipe: Rc<Pipe>) -> Done {
    let mut bytes = Vec::new();
    while input.read(&mut bytes).await? {
        sink.write(&bytes).await?;
        bytes.clear();
    }
    drop(pipe);
    Ok(())
}
