// SPDX-License-Identifier: BSD-2-Clause
//! Starts and ends guests by the thousand, each kind of end in turn, and looks at what is left.
//!
//! What the server and this guest have in use after the first cycles, when every table has its size, is
//! what they have in use after the last.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{
    Error, Pid, info, introspect,
    process::{Command, Module, Outcome, Usage},
    start::Start,
    time::Instant,
};

/// Cycles after which there is nothing more to come.
const FIRST: u32 = 240;
/// log2 of the memory of a child.
const BITS: u8 = 20;
/// How long a child lives that does not end by itself.
const LIFE: Duration = Duration::from_micros(500);

/// How a guest is started, and what it comes to.
#[derive(Debug)]
enum Kind {
    /// A child that plays a role of the hostile guest, and ends by itself.
    Child(&'static str, &'static str, Outcome),
    /// One that is ended in the midst of it.
    Killed(&'static str, &'static str),
    /// The guest of the spec.
    Guest,
}

const DONE: Outcome = Outcome::Exited(userland::exit::ExitCode(0));

const KINDS: [Kind; 12] = [
    Kind::Child("exit", "0", DONE),
    Kind::Killed("spin", ""),
    Kind::Child("litter", "exit", DONE),
    Kind::Guest,
    Kind::Child("litter", "trap", Outcome::Failed),
    Kind::Child("breach", "store", Outcome::Failed),
    Kind::Killed("sleep", ""),
    Kind::Killed("litter", "spin"),
    Kind::Child("exit", "0", DONE),
    Kind::Child("breach", "read", Outcome::Failed),
    // Killed before its first instruction, if this guest is not interrupted.
    Kind::Killed("", ""),
    Kind::Killed("grinder", "revoke"),
];

/// What is in use.
#[derive(Debug, PartialEq, Eq)]
struct Used {
    processes: u32,
    timers: u32,
    grants: u32,
    heap: u64,
    slots: u64,
    memory: u64,
    handles: u32,
    children: u32,
}

fn used(pid: Pid) -> Verdict<Used> {
    let system = introspect::system()?;
    let usage: Usage = introspect::process(pid)?.usage;
    Ok(Used {
        processes: system.processes,
        timers: system.timers,
        grants: system.grants,
        heap: system.heap_used,
        slots: system.slots_used,
        memory: usage.spent,
        handles: usage.handles,
        children: usage.children,
    })
}

#[userland::entrypoint]
fn main() -> Result<(), Fault> {
    let start = Start::read()?;
    let cycles: u32 = start
        .value("cycles")
        .and_then(|n| n.parse().ok())
        .unwrap_or(1000);
    let module = Module::new("hostile", BITS)
        .name("mayfly")
        .groups(start.groups())
        .limits(start.limits().clone());
    let mut at_first = None;
    for cycle in 0..cycles {
        if cycle == FIRST {
            at_first = Some(used(start.pid())?);
        }
        let kind = &KINDS[cycle as usize % KINDS.len()];
        live(&module, kind)
            .map_err(|fault| Fault::new(alloc::format!("cycle {cycle}: {fault}")))?;
        if cycle % 1000 == 999 {
            info!("{} cycles: {:?}", cycle + 1, used(start.pid())?);
        }
    }
    let at_last = used(start.pid())?;
    if at_first.as_ref() != Some(&at_last) {
        // Whose lives they are that leave something.
        for kind in &KINDS {
            let before = used(start.pid())?;
            (0..FIRST).try_for_each(|_| live(&module, kind))?;
            let after = used(start.pid())?;
            if before != after {
                info!("{kind:?}: {after:?}, where {before:?} was");
            }
        }
        let text = alloc::format!("{at_last:?} is used, where {at_first:?} was");
        return Err(Fault::new(text));
    }
    info!("{cycles} cycles, and nothing is left of them");
    Ok(())
}

/// One life.
fn live(module: &Module<'_>, kind: &Kind) -> Verdict {
    let (process, wanted) = match kind {
        Kind::Child(role, arg, outcome) => (
            Command::module(module).arg(role).arg(arg).start()?,
            *outcome,
        ),
        Kind::Guest => (
            Command::guest("lodger").start()?,
            Outcome::Exited(userland::exit::ExitCode(7)),
        ),
        Kind::Killed(role, arg) => {
            let process = Command::module(module).arg(role).arg(arg).start()?;
            if !role.is_empty() {
                match process.wait_until(Instant::now() + LIFE) {
                    Err(Error::TimedOut) => {}
                    ended => {
                        return Err(Fault::new(alloc::format!(
                            "{role}: {ended:?}, {}",
                            process.report()?.text
                        )));
                    }
                }
            }
            process.stop(Duration::ZERO)?;
            (process, Outcome::Failed)
        }
    };
    let outcome = process.wait()?;
    ensure!(
        outcome == wanted,
        "{outcome}, where {wanted} was due: {}",
        process.report()?.text
    );
    Ok(userland::handle::Capability::close(process)?)
}
