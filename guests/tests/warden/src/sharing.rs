// SPDX-License-Identifier: BSD-2-Clause
//! Regions that the warden and a hostile guest share, and what it gives and takes.

use core::sync::atomic::Ordering;
use core::time::Duration;

use drill::{Verdict, ensure, refused};
use userland::{
    Error, Group, Groups, PAGE, Rights,
    handle::{Capability as _, Event, Terms, Token, accept},
    shm::Region,
    time::{Instant, Timer},
    wake::{self, Bells, Task},
};

use crate::{
    Scenario,
    actor::Actor,
    warden::{BELL, USE, Warden},
};

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("use-after-revoke", use_after_revoke),
    ("source-exited", source_exited),
    ("read-only-windows", read_only_windows),
    ("givers-end-at-every-step", givers_end),
    ("takers-end-at-every-step", takers_end),
    ("wake-flood", wake_flood),
    ("grant-and-take", grant_and_take),
    ("restricted-groups", restricted_groups),
];

const MARK: u32 = 0x5eed_f00d;

fn use_after_revoke(warden: &mut Warden) -> Verdict {
    let region = Region::alloc(1)?;
    let window = region.attach(USE)?;
    for word in 0..PAGE / 4 {
        window.store(4 * word, word ^ MARK, Ordering::Relaxed)?;
    }
    let module = warden.module().name("robber");
    let actor = warden.actor_with(&module, "revoked", &[], |command| {
        command.give("prey", &region, Rights::ALL);
    })?;
    actor.until(warden, 1)?;
    ensure!(
        window.load(4, Ordering::Acquire)? == MARK,
        "it could not write"
    );
    region.revoke()?;
    let there: alloc::vec::Vec<u32> = words(&window)?;
    actor.line.say(1)?;
    actor.until(warden, 2)?;
    ensure!(there == words(&window)?, "it still writes");
    let untouched = there
        .iter()
        .zip(0..)
        .skip(2)
        .all(|(found, word)| *found == word ^ MARK);
    ensure!(untouched, "what was there has changed");
    let mut bytes = [0; 4];
    region.read_at(8, &mut bytes)?;
    ensure!(u32::from_le_bytes(bytes) == 2 ^ MARK, "{bytes:?}");
    // It can be shared again.
    accept::<Region>(&region.share(Terms::once(Rights::READ))?)?.close()?;
    actor.line.say(2)?;
    actor.succeeds()
}

fn words(window: &userland::shm::Window) -> Result<alloc::vec::Vec<u32>, Error> {
    (0..PAGE / 4)
        .map(|word| window.load(4 * word, Ordering::Relaxed))
        .collect()
}

/// The owner of a region dies while the warden uses it.
fn source_exited(warden: &mut Warden) -> Verdict {
    for way in ["killed", "exits"] {
        let actor = warden.actor("owner", &[])?;
        actor.until(warden, 1)?;
        let region: Region = accept(&Token::from_bytes(actor.line.get()?))?;
        let window = region.attach(USE)?;
        let reading = region.attach(Rights::READ)?;
        warden.mailbox.listen(&region, BELL, Bells::ALL)?;
        ensure!(
            window.load(0, Ordering::Acquire)? == MARK,
            "its mark is not there"
        );
        actor.line.say(1)?;
        actor.until(warden, 2)?;
        let spare = Token::from_bytes(actor.line.get()?);
        if way == "killed" {
            actor.process.stop(Duration::ZERO)?;
        } else {
            actor.line.say(9)?;
        }
        let ended = actor.outcome()?;
        ensure!(
            (ended == userland::process::Outcome::Failed) == (way == "killed"),
            "{way}: {ended}"
        );
        for lost in [&window, &reading] {
            let word = lost.load(0, Ordering::Acquire)?;
            ensure!(word == 0, "{way}: the window shows {word:#x}");
        }
        window.store(0, MARK, Ordering::Release)?;
        refused(region.read_at(0, &mut [0]), Error::Revoked)?;
        refused(wake::notify(&region, Bells::ALL), Error::Revoked)?;
        refused(region.attach(Rights::READ), Error::Revoked)?;
        refused(region.share(Terms::once(Rights::READ)), Error::Revoked)?;
        refused(accept::<Region>(&spare), Error::BadToken)?;
        let mut woken = false;
        while let Some(task) = warden.mailbox.take() {
            woken |= task == BELL;
        }
        ensure!(woken, "nobody told the listener");
        warden.notice(region.handle(), Event::SourceExited)?;
        region.close()?;
        actor.close()?;
    }
    Ok(())
}

/// Writes where it may only read: the MMU sees to that, whoever's code it is that writes.
fn read_only_windows(warden: &mut Warden) -> Verdict {
    let region = Region::alloc(1)?;
    region.write_at(0, &[7; 256])?;
    let ways = [
        ("store", "trap: "),
        ("atomic", "trap: "),
        ("fill", "write to a read-only window"),
        ("copy", "write to a read-only window"),
        ("entropy", "write to a read-only window"),
        ("read", "write to a read-only window"),
        ("params", "write to a read-only window"),
        ("reply", "write to a read-only window"),
        ("console", "write to a read-only window"),
    ];
    let module = warden.module();
    for (way, reason) in ways {
        let actor = warden.actor_with(&module, "breach", &[way], |command| {
            command.give("page", &region, Rights::READ);
        })?;
        actor.fails(reason)?;
        actor.close()?;
        let mut bytes = [0; 256];
        region.read_at(0, &mut bytes)?;
        ensure!(bytes == [7; 256], "{way} left its mark");
    }
    Ok(())
}

/// How an end is brought about.
const WAYS: [&str; 3] = ["exit", "trap", "kill"];

/// Lets it end at the step it was told, in the way it was told.
fn finish(warden: &mut Warden, actor: &Actor, step: u32, way: &str) -> Verdict {
    actor.until(warden, step + 1)?;
    match way {
        "exit" => actor.exits(9),
        "trap" => actor.fails("trap: unreachable"),
        _ => actor.kill(),
    }
}

/// What may become of a call whose peer can have ended.
fn done_or_lost<T>(result: Result<T, Error>) -> Verdict<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Error::Revoked | Error::BadToken | Error::NotFound) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn givers_end(warden: &mut Warden) -> Verdict {
    for step in 0..=8 {
        for way in WAYS {
            // Before the end, and after it.
            for early in [true, false] {
                let number = alloc::format!("{step}");
                let actor = warden.actor("giver", &[&number, way])?;
                if !early {
                    finish(warden, &actor, step, way)?;
                } else if step >= 2 {
                    actor.until(warden, step + 1)?;
                }
                let token = Token::from_bytes(actor.line.get()?);
                let region = done_or_lost(accept::<Region>(&token))?;
                if let Some(region) = &region {
                    let window = done_or_lost(region.attach(USE))?;
                    done_or_lost(warden.mailbox.listen(region, BELL, Bells::ALL))?;
                    done_or_lost(wake::notify(region, Bells::ALL))?;
                    if let Some(window) = &window {
                        window.store(8, MARK, Ordering::Release)?;
                    }
                    if early {
                        finish(warden, &actor, step, way)?;
                    }
                    if let Some(window) = window {
                        let word = window.load(8, Ordering::Acquire)?;
                        ensure!(word == 0 || word == MARK, "{step} {way}: {word:#x}");
                        done_or_lost(window.detach())?;
                    }
                    refused(wake::notify(region, Bells::ALL), Error::Revoked)?;
                } else if early {
                    finish(warden, &actor, step, way)?;
                }
                if let Some(region) = region {
                    region.close()?;
                }
                refused(accept::<Region>(&token), Error::BadToken)?;
                actor.close()?;
            }
        }
    }
    Ok(())
}

fn takers_end(warden: &mut Warden) -> Verdict {
    for step in 0..=7 {
        for way in WAYS {
            let region = Region::alloc(1)?;
            let window = region.attach(USE)?;
            warden.mailbox.listen(&region, BELL, Bells::ALL)?;
            let token = region.share(Terms::once(Rights::ALL))?;
            let number = alloc::format!("{step}");
            let actor = warden.actor_told(&token.to_bytes(), "taker", &[&number, way], |_| ())?;
            // Each second time it meets a revocation on its way.
            if way == "kill" && step % 2 == 1 {
                actor.until(warden, step + 1)?;
                region.revoke()?;
            }
            finish(warden, &actor, step, way)?;
            wake::notify(&region, Bells::ALL)?;
            let word = window.load(0, Ordering::Acquire)?;
            let written = step >= 2;
            ensure!((word == MARK) == written, "{step} {way}: {word:#x}");
            if step == 0 {
                accept::<Region>(&token)?.close()?;
            }
            refused(accept::<Region>(&token), Error::BadToken)?;
            drop(window);
            region.close()?;
            actor.close()?;
        }
    }
    Ok(())
}

/// Somebody rings far more often than the mailbox holds.
fn wake_flood(warden: &mut Warden) -> Verdict {
    const RINGS: &str = "20000";
    const OWN: Task = Task(77);
    let bell = Region::alloc(1)?;
    warden.mailbox.listen(&bell, BELL, Bells::ALL)?;
    let module = warden.module().name("ringer");
    let actor = warden.actor_with(&module, "flood", &[RINGS], |command| {
        command.give("bell", &bell, Rights::READ_WRITE);
    })?;
    // Blocks without taking anything; then the mailbox is as full as it gets.
    let flooded = actor
        .process
        .wait_until(Instant::now() + Duration::from_secs(2));
    refused(flooded, Error::TimedOut)?;
    ensure!(actor.line.heard() == 1, "the flooder was held up");
    let mut rings = 0;
    while let Some(task) = warden.mailbox.take() {
        rings += u32::from(task == BELL);
    }
    ensure!(rings > 0, "no ring came");
    ensure!(
        warden.mailbox.overflowed(),
        "nobody says that rings were dropped"
    );
    // Its own wakes come again.
    Timer::at(Instant::now() + Duration::from_millis(1), OWN)?;
    warden.mailbox.wait_for(OWN)?;
    wake::notify(&bell, Bells::ALL)?;
    actor.line.say(1)?;
    actor.succeeds()?;
    // In the midst of a flood, too.
    let actor = warden.actor_with(&module, "flood", &["4000000000"], |command| {
        command.give("bell", &bell, Rights::READ_WRITE);
    })?;
    for _ in 0..5 {
        let due = Instant::now() + Duration::from_millis(2);
        Timer::at(due, OWN)?;
        let came = || (Instant::now() >= due).then_some(());
        warden.wait("its own timer", came)?;
        warden.mailbox.overflowed();
    }
    actor.kill()
}

fn grant_and_take(warden: &mut Warden) -> Verdict {
    let region = Region::alloc(1)?;
    region.write_at(0, b"gift")?;
    let actor = warden.actor("gifted", &[])?;
    actor.until(warden, 1)?;
    refused(actor.process.take("gift"), Error::NotFound)?;
    actor.process.grant("gift", &region, Rights::READ)?;
    actor.until(warden, 2)?;
    refused(actor.process.take("other"), Error::NotFound)?;
    actor.process.take("gift")?;
    refused(actor.process.take("gift"), Error::NotFound)?;
    actor.until(warden, 3)?;
    actor.line.say(3)?;
    actor.succeeds()?;
    refused(
        actor.process.grant("gift", &region, Rights::READ),
        Error::Ended,
    )?;
    refused(actor.process.take("gift"), Error::Ended)?;
    let mut bytes = [0; 4];
    region.read_at(0, &mut bytes)?;
    ensure!(bytes == *b"gift", "{bytes:?}");
    Ok(())
}

fn restricted_groups(warden: &mut Warden) -> Verdict {
    let actor = warden.actor("restricted", &[])?;
    actor.until(warden, 1)?;
    let taken = Groups::NONE.with(Group::Entropy).with(Group::Time);
    actor.process.restrict(taken)?;
    let groups = actor.process.info()?.groups;
    ensure!(groups == warden.start.groups().without(taken), "{groups:?}");
    actor.line.say(1)?;
    actor.until(warden, 2)?;
    actor.process.stop(Duration::from_secs(5))?;
    actor.succeeds()?;
    refused(actor.process.restrict(taken), Error::Ended)
}
