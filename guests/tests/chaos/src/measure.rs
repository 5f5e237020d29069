// SPDX-License-Identifier: BSD-2-Clause
//! What there is of everything that could be lost.

use alloc::vec::Vec;
use core::time::Duration;

use userland::{Pid, info, introspect, time::sleep};

use crate::Failure;

/// What there is of everything that could be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measure {
    /// Bytes of the server's heap.
    pub heap: u64,
    /// Slots of capabilities that the server uses.
    pub slots: u64,
    /// Capabilities of all guests.
    pub grants: u32,
    /// Timers that are set.
    pub timers: u32,
    /// Processes that run.
    pub processes: u32,
    /// Bytes of the budgets of all processes.
    pub spent: u64,
}

/// Says what each process has spent of its budget.
pub fn tell_budgets() -> Result<(), Failure> {
    for process in introspect::processes() {
        let process = introspect::process(process?.pid)?;
        let usage = &process.usage;
        info!(
            "{} has spent {} bytes, {} handles, {} regions, {} windows",
            process.name, usage.spent, usage.handles, usage.regions, usage.windows
        );
    }
    Ok(())
}

/// The least of some: what is under way comes and goes.
pub async fn measure() -> Result<Measure, Failure> {
    let mut least: Option<Measure> = None;
    for _ in 0..40 {
        let system = introspect::system()?;
        let mut pids: Vec<Pid> = Vec::new();
        for process in introspect::processes() {
            pids.push(process?.pid);
        }
        let spent = pids
            .iter()
            .filter_map(|pid| introspect::process(*pid).ok())
            .map(|process| process.usage.spent)
            .sum();
        let now = Measure {
            heap: system.heap_used,
            slots: system.slots_used,
            grants: system.grants,
            timers: system.timers,
            processes: system.processes,
            spent,
        };
        least = Some(match least {
            None => now,
            Some(least) => Measure {
                heap: least.heap.min(now.heap),
                slots: least.slots.min(now.slots),
                grants: least.grants.min(now.grants),
                timers: least.timers.min(now.timers),
                processes: least.processes.min(now.processes),
                spent: least.spent.min(now.spent),
            },
        });
        sleep(Duration::from_millis(25)).await;
    }
    least.ok_or_else(|| "nothing was measured".into())
}
