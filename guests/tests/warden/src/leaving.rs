// SPDX-License-Identifier: BSD-2-Clause
//! Who listens to a region learns that somebody holds it no more, whatever became of that one; and
//! which bells are for whom.

use core::time::Duration;

use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error, Pid, Rights,
    handle::Capability as _,
    process::Outcome,
    shm::Region,
    time::Instant,
    wake::{self, Bells, Task},
};

use crate::{
    Scenario,
    actor::Actor,
    warden::{BELL, PATIENCE, USE, Warden},
};

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("leaving", leaving),
    ("leaving-without-unwinding", leaving_without_unwinding),
    ("bells", bells),
];

/// The bells that the warden listens to.
const OURS: Bells = Bells(0b1010_0000);
/// One that it does not listen to.
const OTHER: Bells = Bells(1);

/// Waits until the other side is so far; answers how often `task` came meanwhile, or before.
fn rings_until(warden: &mut Warden, actor: &Actor, step: u32, task: Task) -> Verdict<usize> {
    let late = Instant::now() + PATIENCE;
    let mut rings = 0;
    while actor.line.heard() < step {
        ensure!(
            warden.mailbox.wait(late)? > 0,
            "it did not get to step {step}"
        );
        rings += rings_so_far(warden, task);
    }
    Ok(rings + rings_so_far(warden, task))
}

fn rings_so_far(warden: &mut Warden, task: Task) -> usize {
    warden.mailbox.drain().filter(|id| *id == task).count()
}

fn leaving(warden: &mut Warden) -> Verdict {
    let ways = ["exit", "panic", "trap", "kill", "close", "take", "revoke"];
    leave_by(warden, &ways)
}

/// Where no trap can be taken.
fn leaving_without_unwinding(warden: &mut Warden) -> Verdict {
    leave_by(warden, &["abandon"])
}

/// One after the other comes to hold a region no more, in these ways.
fn leave_by(warden: &mut Warden, ways: &[&str]) -> Verdict {
    let ours = warden.start.pid();
    for way in ways {
        let region = Region::alloc(1)?;
        warden.mailbox.listen(&region, BELL, OURS)?;
        let stranger = warden.actor("sleep", &[])?;
        stranger.until(warden, 1)?;
        let module = warden.module().name("leaver");
        let actor = warden.actor_with(&module, "leaver", &[way], |command| {
            command.give("first", &region, USE);
            command.give("second", &region, USE);
        })?;
        let step = rings_until(warden, &actor, 1, BELL)?;
        ensure!(step == 0, "{way}: {step} rings for one who comes");
        let pid = actor.process.info()?.pid;
        let holders = [ours, pid].map(|pid| region.is_held_by(pid));
        ensure!(holders == [Ok(true); 2], "{way}: {holders:?}");
        let others = [stranger.process.info()?.pid, Pid(0), Pid(pid.0 ^ 1 << 31)];
        let others = others.map(|pid| region.is_held_by(pid));
        ensure!(others == [Ok(false); 3], "{way}: {others:?}");

        // With its first handle it does not leave.
        let goes = |warden: &mut Warden, step: u32| match *way {
            "close" => {
                actor.line.say(step)?;
                rings_until(warden, &actor, step + 1, BELL)
            }
            "take" => {
                let name = if step == 1 { "first" } else { "second" };
                actor.process.take(name)?;
                Ok(rings_so_far(warden, BELL))
            }
            _ => Err(Fault::new("it goes at once")),
        };
        let rings = match *way {
            "close" | "take" => {
                let rings = goes(warden, 1)?;
                ensure!(rings == 0, "{way}: {rings} rings for one handle of two");
                ensure!(region.is_held_by(pid)?, "{way}: it holds another");
                goes(warden, 2)?
            }
            "revoke" => {
                region.revoke()?;
                rings_so_far(warden, BELL)
            }
            "kill" => {
                actor.kill()?;
                rings_so_far(warden, BELL)
            }
            _ => {
                actor.line.say(1)?;
                let ended = actor.outcome()?;
                let is_well = matches!(ended, Outcome::Exited(_));
                ensure!(is_well == (*way == "exit"), "{way}: {ended}");
                rings_so_far(warden, BELL)
            }
        };
        ensure!(rings == 1, "{way}: {rings} rings");
        ensure!(!region.is_held_by(pid)?, "{way}: it is said to hold it");
        ensure!(region.is_held_by(ours)?, "{way}: the warden holds it");
        // Its end is no news for those who do not share anything with it any more.
        actor.process.stop(Duration::ZERO)?;
        actor.outcome()?;
        stranger.kill()?;
        let rings = rings_so_far(warden, BELL);
        ensure!(rings == 0, "{way}: {rings} more rings");
        ensure!(!region.is_held_by(pid)?, "{way}: it has ended");
        region.close()?;
        actor.close()?;
        stranger.close()?;
    }
    Ok(())
}

fn bells(warden: &mut Warden) -> Verdict {
    let region = Region::alloc(1)?;
    warden.mailbox.listen(&region, BELL, OURS)?;
    let actor = warden.actor_with(&warden.module(), "ringer", &[], |command| {
        command.give("bell", &region, USE);
    })?;
    // It has rung each bell once, and all that are not the warden's together.
    let rings = rings_until(warden, &actor, 1, BELL)?;
    ensure!(rings == OURS.0.count_ones() as usize, "{rings} rings");
    // One that comes with others rings once.
    actor.line.say(1)?;
    let rings = rings_until(warden, &actor, 2, BELL)?;
    ensure!(rings == 1, "{rings} rings for all bells at once");

    // From here on it answers each ring of the first bell with one of it, in one call with its sleep.
    warden.mailbox.listen(&region, BELL, OTHER)?;
    actor.line.say(2)?;
    rings_until(warden, &actor, 3, BELL)?;
    for _ in 0..100 {
        let late = Instant::now() + PATIENCE;
        let mut pending = warden.mailbox.notify_wait(&region, OTHER, late)?;
        while rings_so_far(warden, BELL) == 0 {
            ensure!(pending > 0, "no answer");
            pending = warden.mailbox.wait(late)?;
        }
    }
    // A ring that is refused does not sleep, and one that nobody hears does.
    let mailbox = &mut warden.mailbox;
    refused(
        mailbox.notify_wait(&region, Bells(0), Instant::NEVER),
        Error::InvalidArgument,
    )?;
    refused(wake::notify(&region, Bells(0)), Error::InvalidArgument)?;
    refused(
        mailbox.listen(&region, BELL, Bells(0)),
        Error::InvalidArgument,
    )?;
    let soon = Instant::now() + Duration::from_millis(1);
    let slept = mailbox.notify_wait(&region, Bells(2), soon)?;
    ensure!(slept == 0 && Instant::now() >= soon, "{slept} ids");
    wake::notify(&region, Bells(2))?;
    ensure!(region.rights()? == Rights::ALL, "{:?}", region.rights());
    actor.kill()
}
