// SPDX-License-Identifier: BSD-2-Clause
//! Kills guests at random, then looks whether all is well and whether anything is lost by it, and has init end the
//! system.
//!
//! Arguments: `kill=NAME,…` (guests in slots of these names), `kills=N`, `seed=N`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::time::Duration;

use userland::{
    Pid, error,
    handle::Capability as _,
    info,
    init::{Condition, Health, Init, What},
    introspect,
    process::Guest,
    start::Start,
    time::{Instant, sleep},
    warn,
};

type Failure = Box<dyn core::error::Error>;

/// After so many kills everything is as large as it gets, and is measured for the first time.
const WARM: u32 = 60;
/// Most time between two kills.
const PAUSE: Duration = Duration::from_millis(60);
/// In which all members are to be well again when nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(30);
/// For which they are to be well without a break.
const CALM: Duration = Duration::from_secs(6);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);

/// What there is of everything that could be lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Measure {
    heap: u64,
    slots: u64,
    grants: u32,
    timers: u32,
    processes: u32,
    /// Bytes of the budgets of all processes.
    spent: u64,
}

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let names = start.value("kill").ok_or("no argument `kill`")?;
    let mut victims: Vec<(String, Guest)> = Vec::new();
    for name in names.split(',') {
        let guest = start
            .capability(name)
            .ok_or_else(|| format!("no guest in a slot `{name}`"))?;
        victims.push((name.into(), guest));
    }
    let number = |key: &str| start.value(key).and_then(|value| value.parse::<u32>().ok());
    let kills = number("kills").ok_or("no argument `kills`")?;
    let mut dice = Dice(
        u64::from(number("seed").unwrap_or(1))
            .wrapping_mul(2)
            .wrapping_add(1),
    );
    let mut init = Init::open(&start, "init").await?;

    kill(&victims, WARM, &mut dice).await;
    calm(&mut init).await?;
    let before = measure().await?;
    info!("before: {before:?}");
    tell_budgets()?;
    kill(&victims, kills, &mut dice).await;
    calm(&mut init).await?;
    let after = measure().await?;
    info!("after: {after:?}");
    tell_budgets()?;
    info!("all is well after {} kills", WARM + kills);
    init.shutdown().await?;
    Ok(())
}

/// Kills so many.
async fn kill(victims: &[(String, Guest)], kills: u32, dice: &mut Dice) {
    let mut done = 0;
    while done < kills {
        let Some((name, guest)) = victims.get(dice.below(victims.len() as u64) as usize) else {
            return;
        };
        // One that is about to be started is not there.
        if let Ok(process) = guest.process() {
            if process.is_alive() == Ok(true) {
                match process.stop(Duration::ZERO) {
                    Ok(()) => {
                        done += 1;
                        info!("kill {done}: {name}");
                    }
                    Err(error) => warn!("{name}: {error}"),
                }
            }
            let _ = process.close();
        }
        sleep(Duration::from_micros(dice.below(PAUSE.as_micros() as u64))).await;
    }
}

/// Waits until all members of init run and are well, for a while.
async fn calm(init: &mut Init) -> Result<(), Failure> {
    let end = Instant::now() + PATIENCE;
    let mut since = None;
    loop {
        let now = Instant::now();
        match unwell(init).await? {
            None => {
                let since = *since.get_or_insert(now);
                if now >= since + CALM {
                    return Ok(());
                }
            }
            Some(name) => {
                since = None;
                if now >= end {
                    error!("{name} is not well");
                    return Err(
                        format!("{name} is not well {PATIENCE:?} after the last kill").into(),
                    );
                }
            }
        }
        sleep(LOOK).await;
    }
}

/// A member that is not well.
async fn unwell(init: &mut Init) -> Result<Option<String>, Failure> {
    let bad = init.members().await?.into_iter().find(|member| {
        let is_ill = match member.what {
            What::Guest { health, .. } => matches!(health, Health::Unknown | Health::Hung),
            What::Group { .. } => false,
        };
        is_ill || member.condition != Condition::Up
    });
    Ok(bad.map(|member| member.name.as_str().into()))
}

/// Says what each process has spent of its budget.
fn tell_budgets() -> Result<(), Failure> {
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
async fn measure() -> Result<Measure, Failure> {
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

/// Numbers that are the same each time (xorshift64*).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % bound.max(1)
    }
}
