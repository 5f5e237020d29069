// SPDX-License-Identifier: BSD-2-Clause
//! Hundreds of lives, and nothing is left of them.

use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{
    Error, Groups, exit::ExitCode, handle::Capability as _, info, module::Loaded, process::Outcome,
    time::Instant,
};

use crate::stage::{Stage, ends};

/// How a process of a loaded module ends.
enum Kind {
    /// By itself, like this.
    Ends(&'static str, &'static str, Outcome),
    /// By force.
    Killed(&'static str, &'static str),
    /// It does not start, for want of grants.
    Refused,
    /// Nothing is started at all.
    Unused,
}

const DONE: Outcome = Outcome::Exited(ExitCode(0));

const KINDS: [Kind; 10] = [
    Kind::Ends("exit", "0", DONE),
    Kind::Killed("spin", ""),
    Kind::Ends("litter", "exit", DONE),
    Kind::Refused,
    Kind::Ends("litter", "trap", Outcome::Failed),
    // Ended without unwinding, in code of the server: see the scenario of this name.
    Kind::Ends("breach", "store", Outcome::Failed),
    Kind::Killed("litter", "spin"),
    Kind::Unused,
    Kind::Ends("breach", "read", Outcome::Failed),
    Kind::Killed("", ""),
];

/// Cycles after which every table has its size, and all.
const FIRST: usize = 60;
const CYCLES: usize = 300;

pub async fn cycles(stage: &Stage) -> Verdict {
    let mut at_first = None;
    for cycle in 0..CYCLES {
        if cycle == FIRST {
            at_first = Some(stage.used()?);
        }
        let kind = &KINDS[cycle % KINDS.len()];
        // A platform without the rights of pages ends a guest for its misuse instead.
        live(stage, kind, cycle % 3 == 0)
            .map_err(|fault| Fault::new(format_args!("cycle {cycle}: {fault}")))?;
    }
    let at_last = stage.used()?;
    ensure!(
        at_first.as_ref() == Some(&at_last),
        "{at_last:?} is used, where {at_first:?} was"
    );
    info!("{CYCLES} cycles of load, start, end and close, and nothing is left of them");
    Ok(())
}

fn live(stage: &Stage, kind: &Kind, closes_first: bool) -> Verdict {
    let loaded = Loaded::load(&stage.files.hostile)?;
    let process = match kind {
        Kind::Unused => return Ok(loaded.close()?),
        Kind::Refused => {
            let start = stage.command_with(&loaded, Groups::NONE, 0, "exit", "0");
            drill::refused(start.start(), Error::BadModule)?;
            return Ok(loaded.close()?);
        }
        Kind::Ends(role, arg, _) | Kind::Killed(role, arg) => {
            stage.command(&loaded, role, arg).start()?
        }
    };
    let mut loaded = Some(loaded);
    if closes_first && let Some(loaded) = loaded.take() {
        loaded.close()?;
    }
    let wanted = match kind {
        Kind::Ends(_, _, outcome) => *outcome,
        _ => {
            let _ = process.wait_until(Instant::now() + Duration::from_micros(500));
            process.stop(Duration::ZERO)?;
            Outcome::Failed
        }
    };
    ends(process, wanted)?;
    loaded.map_or(Ok(()), |loaded| Ok(loaded.close()?))
}
