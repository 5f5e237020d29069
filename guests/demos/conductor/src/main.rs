// SPDX-License-Identifier: BSD-2-Clause
//! Starts guests of the spec, all at once, waits for their ends, and tells how each of them ended and whether
//! anything is left of them.
//!
//! Arguments: the names of the guests; as `stop=NAME` one that is asked to stop when it is its turn.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, vec::Vec};
use core::{error::Error, time::Duration};

use userland::{
    exit::ExitCode,
    info, introspect,
    process::{Command, Outcome},
    start::Start,
};

/// How long a guest may take that is asked to stop.
const GRACE: Duration = Duration::from_secs(5);

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let before = in_use()?;
    let mut guests = Vec::new();
    for arg in start.args() {
        let to_stop = arg.strip_prefix("stop=");
        let name = to_stop.unwrap_or(arg);
        guests.push((name, to_stop.is_some(), Command::guest(name).spawn()?));
    }
    let mut failed = 0;
    let count = guests.len();
    for (name, to_stop, guest) in guests {
        let outcome = if to_stop {
            guest.stop(GRACE).await?
        } else {
            guest.wait().await?
        };
        info!("{name} {outcome}");
        if outcome != Outcome::Exited(ExitCode::SUCCESS) {
            failed += 1;
        }
        guest.close()?;
    }
    let after = in_use()?;
    if before != after {
        return Err(format!("{after:?} where there was {before:?}").into());
    }
    info!("{count} have ended, {failed} failed; nothing is left of them");
    Ok(())
}

/// Processes, timers and capabilities that there are.
fn in_use() -> Result<[u32; 3], userland::Error> {
    let system = introspect::system()?;
    Ok([system.processes, system.timers, system.grants])
}
