// SPDX-License-Identifier: BSD-2-Clause
//! Guests of the spec, who may start them, and what is taken from them.

use core::time::Duration;

use atoll_abi::message::Kind;
use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error, Rights,
    exit::ExitCode,
    handle::{self, Capability as _, Event, Terms},
    introspect,
    process::{Command, Guest, Outcome, Process},
};

use crate::{Scenario, warden::Warden};

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("guest-rights", guest_rights),
    ("guest-outlives-starter", guest_outlives_starter),
    ("guest-revoked", guest_revoked),
    ("taken-slots", taken_slots),
];

/// The guest of the spec, which has the service in the slot `door`.
const NAME: &str = "lodger";
const SLOT: &str = "door";

fn lodger(warden: &Warden) -> Verdict<Guest> {
    let guest = warden.start.capability(NAME);
    guest.ok_or_else(|| Fault::new("lodger was not given"))
}

/// Whether the process has the slot's capability.
fn has_slot(process: &Process) -> Verdict<bool> {
    for held in introspect::holdings(process.info()?.pid) {
        let held = held?;
        if held.name == SLOT {
            ensure!(
                held.kind == Kind::Service && held.rights == Rights::READ,
                "{held:?}"
            );
            return Ok(true);
        }
    }
    Ok(false)
}

fn end(process: Process) -> Verdict {
    process.stop(Duration::ZERO)?;
    ensure!(process.wait()? == Outcome::Failed, "it ended well");
    Ok(process.close()?)
}

/// With each set of rights one can do what they say, and nothing else.
fn guest_rights(warden: &mut Warden) -> Verdict {
    let module = warden.module();
    for (rights, word) in [
        (Rights::READ, "R"),
        (Rights::WRITE, "W"),
        (Rights::READ.union(Rights::GRANT), "RG"),
    ] {
        let guest = lodger(warden)?;
        let actor = warden.actor_with(&module, "keeper", &[word], |command| {
            command.give(NAME, &guest, rights);
        })?;
        actor.succeeds()?;
        actor.close()?;
    }
    // Without a capability there is no such guest.
    let actor = warden.actor("keeper", &[""])?;
    actor.succeeds()?;
    actor.close()
}

/// A guest of the spec is not its starter's; the next one who may finds it.
fn guest_outlives_starter(warden: &mut Warden) -> Verdict {
    let guest = lodger(warden)?;
    let module = warden.module();
    let actor = warden.actor_with(&module, "starter", &[NAME], |command| {
        command.give(NAME, &guest, Rights::WRITE);
    })?;
    actor.succeeds()?;
    actor.close()?;
    let process = guest.process()?;
    ensure!(process.is_alive()?, "it ended with its starter");
    refused(Command::guest(NAME).start(), Error::Busy)?;
    end(process)
}

/// What was derived from a guest's capability goes with it, processes included.
fn guest_revoked(warden: &mut Warden) -> Verdict {
    let guest = lodger(warden)?;
    let running = Command::guest(NAME).arg("sleep").start()?;
    let token = guest.share(Terms::once(Rights::ALL))?;
    let shared: Guest = handle::accept(&token)?;
    let process = shared.process()?;
    ensure!(process.is_alive()?, "it does not run");
    guest.revoke()?;
    for _ in 0..2 {
        refused(shared.process(), Error::Revoked)?;
        refused(shared.take(SLOT), Error::Revoked)?;
        refused(shared.restore(SLOT), Error::Revoked)?;
        refused(process.stop(Duration::ZERO), Error::Revoked)?;
        refused(process.wait(), Error::Revoked)?;
    }
    // So did that of who started it.
    refused(running.state(), Error::Revoked)?;
    shared.close()?;
    refused(
        Guest::from_handle(process.handle()).process(),
        Error::Revoked,
    )?;
    process.close()?;
    end(guest.process()?)
}

/// What was taken stays away, however often the guest is started, until it is given back.
fn taken_slots(warden: &mut Warden) -> Verdict {
    let guest = lodger(warden)?;
    for nothing in ["memory", "nothing", ""] {
        refused(guest.take(nothing), Error::NotFound)?;
        refused(guest.restore(nothing), Error::NotFound)?;
    }
    refused(guest.restore(SLOT), Error::NotFound)?;
    // A process is not its guest.
    let process = Command::guest(NAME).arg("sleep").start()?;
    ensure!(has_slot(&process)?, "the spec's");
    refused(process.take(SLOT), Error::NotFound)?;
    refused(
        Guest::from_handle(process.handle()).take(SLOT),
        Error::NotFound,
    )?;
    ensure!(has_slot(&process)?, "the spec's, still");
    guest.take(SLOT)?;
    ensure!(!has_slot(&process)?, "taken while it runs");
    refused(guest.take(SLOT), Error::NotFound)?;
    end(process)?;
    for _ in 0..3 {
        let process = Command::guest(NAME).arg("sleep").start()?;
        ensure!(!has_slot(&process)?, "it is back after a restart");
        end(process)?;
    }
    let process = Command::guest(NAME).arg("sleep").start()?;
    // What another gives it under that name is another thing.
    process.grant(SLOT, &warden.door, Rights::READ)?;
    ensure!(has_slot(&process)?, "lent");
    process.take(SLOT)?;
    guest.restore(SLOT)?;
    refused(guest.restore(SLOT), Error::NotFound)?;
    ensure!(has_slot(&process)?, "restored while it runs");
    end(process)?;
    let process = Command::guest(NAME).arg("sleep").start()?;
    ensure!(has_slot(&process)?, "restored for good");
    end(process)?;
    // The holder is told of both.
    let process = Command::guest(NAME).args(["told", SLOT]).start()?;
    for event in [Event::Revoked, Event::Granted] {
        warden.rest(Duration::from_millis(20))?;
        match event {
            Event::Revoked => guest.take(SLOT)?,
            _ => guest.restore(SLOT)?,
        }
    }
    let outcome = process.wait()?;
    ensure!(
        outcome == Outcome::Exited(ExitCode(3)),
        "{outcome}: {}",
        process.report()?.text
    );
    Ok(process.close()?)
}
