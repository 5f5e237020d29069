// SPDX-License-Identifier: BSD-2-Clause
//! Has modules as bytes, from a disk or from the console, and does with them what there is to do. One scenario is
//! one promise; a line of the log says whether it holds. It starts itself again for the other parts, which the
//! first argument names.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod cycles;
mod deploy;
mod files;
mod loads;
mod parts;
mod refusals;
mod shared;
mod stage;

use drill::{Fault, Verdict};
use stage::Stage;
use userland::{exit::ExitCode, start::Start};

#[userland::entrypoint]
async fn main(start: Start) -> Result<ExitCode, Fault> {
    let role = start.args().next().unwrap_or_default();
    match role {
        "client" => parts::client(&start).await?,
        "lender" => parts::lender(&start).await?,
        "poor" => parts::poor(&start)?,
        "scribbler" => parts::scribbler(&start).await?,
        _ => return scenarios(start).await,
    }
    Ok(ExitCode(0))
}

async fn scenarios(start: Start) -> Verdict<ExitCode> {
    let stage = Stage::new(start).await?;
    let failed = drill::scenarios! { stage:
        "loads" => loads::loads,
        "grants" => loads::grants,
        "stacks" => loads::stacks,
        "closed" => loads::closed,
        "refusals" => refusals::refusals,
        "cuts" => refusals::cuts,
        "flips" => refusals::flips,
        "budget" => refusals::budget,
        "many" => refusals::many,
        "scribbled" => shared::scribbled,
        "lent" => shared::lent,
        "cycles" => cycles::cycles,
        "deploy" => deploy::deploy,
    };
    Ok(ExitCode(failed))
}
