// SPDX-License-Identifier: BSD-2-Clause
//! Kills guests at random, the supervisor among them if it is told to, then looks whether all is well and whether
//! anything is lost by it, and has the supervisor end the system.
//!
//! Arguments:
//!
//! * `kill=NAME,…`: guests in slots of these names
//! * `kills=N`: how many, after those that warm up
//! * `pause=N`: most milliseconds between two (60)
//! * `seed=N`: another order
//! * `door=SLOT`: the slot of the channel with the supervisor (`init`)
//! * `supervisor=SLOT`: the supervisor is killed, too; it is started again as the guest of this name, since nobody else
//!   does
//!
//! What it says is for `tests/src/chaos.rs`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod measure;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::time::Duration;

use userland::{
    error,
    handle::Capability as _,
    info,
    init::{Condition, Error, Health, Init, What},
    process::{Command, Guest},
    start::Start,
    time::{Instant, sleep},
    warn,
};

use measure::{measure, tell_budgets};

type Failure = Box<dyn core::error::Error>;

/// After so many kills everything is as large as it gets, and is measured for the first time.
const WARM: u32 = 60;
/// Most milliseconds between two kills, if nothing is said.
const PAUSE: u32 = 60;
/// Of so many kills about one is the supervisor's.
const SUPERVISORS: u64 = 16;
/// In which all members are to be well again when nobody is killed any more.
const PATIENCE: Duration = Duration::from_secs(30);
/// For which they are to be well without a break.
const CALM: Duration = Duration::from_secs(6);
/// How often is looked.
const LOOK: Duration = Duration::from_millis(100);

/// Whom to kill, and how.
struct Chaos {
    victims: Vec<(String, Guest)>,
    supervisor: Option<(String, Guest)>,
    pause: Duration,
    dice: Dice,
    done: u32,
}

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let guest = |name: &str| -> Result<(String, Guest), Failure> {
        let guest = start.capability(name);
        let guest = guest.ok_or_else(|| format!("no guest in a slot `{name}`"))?;
        Ok((name.into(), guest))
    };
    let number = |key: &str| start.value(key).and_then(|value| value.parse::<u32>().ok());
    let names = start.value("kill").ok_or("no argument `kill`")?;
    let kills = number("kills").ok_or("no argument `kills`")?;
    let door = start.value("door").unwrap_or("init");
    let mut chaos = Chaos {
        victims: names.split(',').map(guest).collect::<Result<_, _>>()?,
        supervisor: start.value("supervisor").map(guest).transpose()?,
        pause: Duration::from_millis(number("pause").unwrap_or(PAUSE).into()),
        dice: Dice(
            u64::from(number("seed").unwrap_or(1))
                .wrapping_mul(2)
                .wrapping_add(1),
        ),
        done: 0,
    };

    chaos.kill(WARM).await?;
    // Measured with a connection, as later.
    let init = calm(&start, door).await?;
    let before = measure().await?;
    drop(init);
    info!("before: {before:?}");
    tell_budgets()?;
    chaos.kill(kills).await?;
    let init = calm(&start, door).await?;
    let after = measure().await?;
    info!("after: {after:?}");
    tell_budgets()?;
    info!("all is well after {} kills", chaos.done);
    init.shutdown().await?;
    Ok(())
}

impl Chaos {
    /// Kills so many.
    async fn kill(&mut self, kills: u32) -> Result<(), Failure> {
        let end = self.done.saturating_add(kills);
        while self.done < end {
            let is_supervisor = self.dice.below(SUPERVISORS) == 0;
            let which = self.dice.below(self.victims.len() as u64) as usize;
            let chosen = match &self.supervisor {
                Some(supervisor) if is_supervisor => Some(supervisor),
                _ => self.victims.get(which),
            };
            let (name, guest) = chosen.ok_or("there is nobody to kill")?;
            if kill(name, guest)? {
                self.done += 1;
                info!("kill {}: {name}", self.done);
                if self.supervisor.as_ref().is_some_and(|(it, _)| it == name) {
                    Command::guest(name).start()?.close()?;
                }
            }
            let pause = self.dice.below(self.pause.as_micros() as u64);
            sleep(Duration::from_micros(pause)).await;
        }
        Ok(())
    }
}

/// Kills a guest, if it runs: one that is about to be started is not there.
fn kill(name: &str, guest: &Guest) -> Result<bool, Failure> {
    let Ok(process) = guest.process() else {
        return Ok(false);
    };
    let mut is_done = false;
    if process.is_alive() == Ok(true) {
        match process.stop(Duration::ZERO) {
            Ok(()) => {
                is_done = true;
                process.wait()?;
            }
            Err(error) => warn!("{name}: {error}"),
        }
    }
    process.close()?;
    Ok(is_done)
}

/// Waits until all members of init run and are well, for a while.
async fn calm(start: &Start, door: &str) -> Result<Init, Failure> {
    let end = Instant::now() + PATIENCE;
    let mut init = None;
    let mut since = None;
    loop {
        let now = Instant::now();
        let ill = match unwell(&mut init, start, door).await {
            Ok(ill) => ill,
            // A supervisor that was killed has no connections any more.
            Err(error) => {
                init = None;
                Some(format!("the supervisor ({error})"))
            }
        };
        if let Some(name) = ill {
            since = None;
            if now >= end {
                error!("{name} is not well");
                return Err(format!("{name} is not well {PATIENCE:?} after the last kill").into());
            }
        } else if now >= *since.get_or_insert(now) + CALM
            && let Some(init) = init.take()
        {
            return Ok(init);
        }
        sleep(LOOK).await;
    }
}

/// A member that is not well.
async fn unwell(
    connection: &mut Option<Init>,
    start: &Start,
    door: &str,
) -> Result<Option<String>, Error> {
    let init = match connection {
        Some(init) => init,
        None => connection.insert(Init::open(start, door).await?),
    };
    let bad = init.members().await?.into_iter().find(|member| {
        let is_ill = match member.what {
            What::Guest { health, .. } => matches!(health, Health::Unknown | Health::Hung),
            What::Group { .. } => false,
        };
        is_ill || member.condition != Condition::Up
    });
    Ok(bad.map(|member| member.name.as_str().into()))
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
