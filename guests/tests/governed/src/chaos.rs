// SPDX-License-Identifier: BSD-2-Clause
//! Ends random members of a system that works, its supervisor too, and looks at what is left when it lets go.

use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{
    handle::Capability as _,
    info,
    init::{Condition, Init},
    introspect,
    process::{Command, Guest},
    start::Start,
    time::sleep,
};

use crate::fault;

/// The supervisor, which nobody else starts again when it was stopped on purpose.
const SUPERVISOR: &str = "init";
/// The slot of the channel with it.
const DOOR: &str = "door";
/// Ends before the system is looked at for the first time: what is made once is there then.
const WARM_UP: u32 = 40;

/// Numbers that look random, the same in each run (xorshift, Marsaglia 2003).
struct Dice(u32);

impl Dice {
    fn roll(&mut self, sides: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 17;
        self.0 ^= self.0 << 5;
        self.0 % sides.max(1)
    }
}

pub async fn run(start: &Start) -> Verdict {
    let kills: u32 = start.value("kills").unwrap_or("200").parse()?;
    let names = ["feeder", "net", "fs", "http"];
    let held = |name: &str| {
        let guest: Option<Guest> = start.capability(name);
        guest.ok_or_else(|| Fault::new(alloc::format!("{name} was not given")))
    };
    let mut victims = alloc::vec::Vec::new();
    for name in names {
        victims.push(held(name)?);
    }
    let supervisor = held(SUPERVISOR)?;
    let mut dice = Dice(0x2545_f491);
    calm(start).await?;
    let (mut ended, mut supervisors) = (0, 0);
    for round in 0..WARM_UP + kills {
        if round == WARM_UP {
            calm(start).await?;
            tell("before")?;
        }
        sleep(Duration::from_millis(u64::from(20 + dice.roll(130)))).await;
        if round % 16 == 15 {
            end(&supervisor)?;
            Command::guest(SUPERVISOR).start()?.close()?;
            supervisors += 1;
            continue;
        }
        let which = dice.roll(victims.len() as u32) as usize;
        if let Some(victim) = victims.get(which)
            && end(victim)?
        {
            ended += 1;
        }
    }
    calm(start).await?;
    tell("after")?;
    info!("{ended} guests and {supervisors} supervisors were ended, and all is well");
    let init = Init::open(start, DOOR).await.map_err(fault)?;
    let end = init.shutdown().await;
    Err(Fault::new(alloc::format!("still here: {end:?}")))
}

/// Ends a guest at once, if it runs; whatever it is about.
fn end(guest: &Guest) -> Verdict<bool> {
    let Ok(process) = guest.process() else {
        return Ok(false);
    };
    let is_alive = process.is_alive()?;
    if is_alive {
        process.stop(Duration::ZERO)?;
        process.wait()?;
    }
    process.close()?;
    Ok(is_alive)
}

/// Waits until all members are up, and for a moment after that.
async fn calm(start: &Start) -> Verdict {
    for _ in 0..100 {
        sleep(Duration::from_millis(500)).await;
        let Ok(init) = Init::open(start, DOOR).await else {
            continue;
        };
        let Ok(members) = init.members().await else {
            continue;
        };
        if members
            .iter()
            .all(|member| member.condition == Condition::Up)
        {
            // Connections are made again, and what is left of those before is cleared away.
            sleep(Duration::from_secs(3)).await;
            let members = init.members().await.map_err(fault)?;
            ensure!(
                members
                    .iter()
                    .all(|member| member.condition == Condition::Up),
                "somebody has ended by itself: {members:?}"
            );
            return Ok(());
        }
    }
    Err(Fault::new("the system does not come to rest"))
}

/// What the server uses, for the test to compare.
fn tell(when: &str) -> Verdict {
    let system = introspect::system()?;
    info!(
        "{when}: {} processes, {} grants, {} bytes of heap, {} slots",
        system.processes, system.grants, system.heap_used, system.slots_used
    );
    Ok(())
}
