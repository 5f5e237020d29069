// SPDX-License-Identifier: BSD-2-Clause
//! Starts hostile guests, one scenario after the other, and looks at what comes of it.
//!
//! A scenario holds if what it looks at does and if nothing is left of it: then the log says `ok NAME`, and
//! otherwise `FAILED NAME` and why. At the end it says how many there were.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod actor;
mod ends;
mod leaving;
mod misuse;
mod sessions;
mod sharing;
mod slots;
mod solo;
mod warden;

use drill::{Fault, Verdict};
use userland::info;
use warden::Warden;

type Scenario = fn(&mut Warden) -> Verdict;

#[userland::entrypoint]
fn main() -> Result<(), Fault> {
    let mut warden = Warden::new()?;
    let mut failed = 0;
    let mut done = 0;
    let mut run = |name: &str, scenario: &dyn Fn(&mut Warden) -> Verdict| {
        if !warden.wants(name) {
            return;
        }
        let verdict = warden.run(scenario);
        done += 1;
        match verdict {
            Ok(()) => info!("ok {name}"),
            Err(fault) => {
                failed += 1;
                info!("FAILED {name} {fault}");
            }
        }
    };
    for role in solo::ROLES {
        run(role.name, &|warden| solo::play(warden, role));
    }
    for scenarios in [
        misuse::SCENARIOS,
        sharing::SCENARIOS,
        leaving::SCENARIOS,
        sessions::SCENARIOS,
        ends::SCENARIOS,
        slots::SCENARIOS,
    ] {
        for (name, scenario) in scenarios {
            run(name, scenario);
        }
    }
    info!("{done} scenarios, {failed} failed");
    Ok(())
}
