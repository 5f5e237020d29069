// SPDX-License-Identifier: BSD-2-Clause
//! Guests that hold another, with fewer rights than they would like.

use core::time::Duration;

use drill::{Verdict, ensure, refused};
use userland::{
    Error,
    exit::ExitCode,
    handle::{self, Capability as _, Event, Terms},
    process::{Command, Guest},
    wake::Task,
};

use crate::stage::{NOTICE, Stage};

/// The guest of the spec that it holds, or would hold.
const NAME: &str = "lodger";
const SLOT: &str = "door";

/// Holds it with the rights of its first argument, and tries all the others are for.
pub fn keeper(stage: &mut Stage) -> Verdict {
    let rights = stage.word(1);
    if rights.is_empty() {
        return refused(Command::guest(NAME).start(), Error::NotFound);
    }
    let guest: Guest = stage.given(NAME)?;
    let has = |right| rights.contains(right);
    if !has('R') {
        refused(guest.watch(Task(9)), Error::Denied)?;
    } else {
        guest.watch(Task(9))?;
    }
    if !has('G') {
        refused(guest.take(SLOT), Error::Denied)?;
        refused(guest.restore(SLOT), Error::Denied)?;
        let all = guest.share(Terms::once(userland::Rights::READ));
        refused(all, Error::Denied)?;
    } else {
        guest.take(SLOT)?;
        guest.restore(SLOT)?;
    }
    if !has('W') {
        return refused(Command::guest(NAME).start(), Error::Denied);
    }
    let process = Command::guest(NAME).arg("sleep").start()?;
    let rights = process.rights()?;
    ensure!(
        rights == userland::Rights::WRITE,
        "{rights:?} on the process"
    );
    refused(process.state(), Error::Denied)?;
    refused(process.report(), Error::Denied)?;
    refused(
        process.grant("self", &guest, userland::Rights::WRITE),
        Error::Denied,
    )?;
    refused(process.take(SLOT), Error::Denied)?;
    process.stop(Duration::ZERO)?;
    Ok(())
}

/// Starts the guest of its first argument, and ends.
pub fn starter(stage: &mut Stage) -> Verdict {
    let name = stage.word(1);
    Command::guest(&name).arg("sleep").start()?;
    Ok(())
}

/// Ends with code 3 when the slot of its first argument was taken from it, and given back.
pub fn told(stage: &mut Stage) -> Verdict<ExitCode> {
    let slot = stage.word(1);
    handle::watch(NOTICE)?;
    for event in [Event::Revoked, Event::Granted] {
        let notice = loop {
            match handle::notice()? {
                Some(notice) => break notice,
                None => stage.mailbox.wait_for(NOTICE)?,
            };
        };
        ensure!(
            notice.name == slot.as_str() && notice.event == event,
            "{notice:?}"
        );
    }
    Ok(ExitCode(3))
}
