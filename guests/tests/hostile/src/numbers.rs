// SPDX-License-Identifier: BSD-2-Clause
//! Handles that this guest was never given, or has no more, or that are for something else.

use alloc::vec::Vec;
use core::time::Duration;

use drill::{Verdict, ensure, refused};
use userland::{
    Error, Groups, Handle, Rights,
    handle::{Capability, Terms, accept},
    process::{Command, Process},
    session::Session,
    shm::Region,
    singleton::Service,
    time::Instant,
    wake::{self, Bells, Task},
};

use crate::stage::{BELL, Stage};

/// What every call answers to a handle that is none.
fn useless(stage: &mut Stage, handle: Handle, wanted: Error) -> Verdict {
    let region = || Region::from_handle(handle);
    let process = || Process::from_handle(handle);
    let service = || Service::from_handle(handle);
    let session = || Session::from_handle(handle);
    refused(region().rights(), wanted)?;
    refused(region().revoke(), wanted)?;
    refused(region().share(Terms::once(Rights::NONE)), wanted)?;
    refused(region().size(), wanted)?;
    refused(region().read_at(0, &mut [0]), wanted)?;
    refused(region().write_at(0, &[0]), wanted)?;
    for rights in [Rights::READ, Rights::READ_WRITE] {
        refused(region().attach(rights), wanted)?;
    }
    refused(stage.mailbox.listen(&region(), BELL, Bells::ALL), wanted)?;
    refused(stage.mailbox.unlisten(&region()), wanted)?;
    refused(wake::notify(&region(), Bells::ALL), wanted)?;
    let mailbox = &mut stage.mailbox;
    refused(
        mailbox.notify_wait(&region(), Bells::ALL, Instant::NEVER),
        wanted,
    )?;
    refused(region().is_held_by(stage.start.pid()), wanted)?;
    refused(process().wait(), wanted)?;
    refused(process().stop(Duration::ZERO), wanted)?;
    refused(process().state(), wanted)?;
    refused(process().info(), wanted)?;
    refused(process().events(0), wanted)?;
    refused(process().report(), wanted)?;
    refused(process().watch(BELL), wanted)?;
    refused(process().take("name"), wanted)?;
    refused(process().grant("name", &region(), Rights::READ), wanted)?;
    refused(process().restrict(Groups::NONE), wanted)?;
    refused(session().info(), wanted)?;
    refused(session().end(), wanted)?;
    refused(service().withdraw(), wanted)?;
    refused(service().provide(&region(), Rights::READ), wanted)?;
    refused(service().stand_by(&region(), Rights::READ), wanted)?;
    refused(service().lookup::<Region>(), wanted)?;
    refused(service().generation(), wanted)?;
    refused(service().watch(BELL), wanted)?;
    let child = stage.child();
    let mut command = Command::module(&child);
    refused(command.give("it", &region(), Rights::READ).start(), wanted)?;
    refused(Command::module(&child).session(&session()).start(), wanted)
}

pub fn guessed_handles(stage: &mut Stage) -> Verdict {
    let door: Service = stage.given("door")?;
    let mut real: Vec<Handle> = Vec::from([stage.line()?.region.handle(), door.handle()]);
    for _ in 0..8 {
        real.push(Region::alloc(1)?.handle());
    }
    let guess = |number| match real.contains(&Handle(number)) {
        true => Ok(()),
        false => refused(
            Region::from_handle(Handle(number)).rights(),
            Error::BadHandle,
        ),
    };
    (0..1 << 14).try_for_each(guess)?;
    for handle in &real {
        for bit in 0..u32::BITS {
            guess(handle.0 ^ 1 << bit)?;
        }
    }
    for number in [0, 1, real[0].0 ^ 1 << 31, u32::MAX] {
        useless(stage, Handle(number), Error::BadHandle)?;
        let none = Region::from_handle(Handle(number));
        refused(none.handle_info(), Error::BadHandle)?;
        refused(none.close(), Error::BadHandle)?;
    }
    real.iter()
        .try_for_each(|handle| Ok(Region::from_handle(*handle).rights().map(drop)?))
}

pub fn stale_handles(stage: &mut Stage) -> Verdict {
    let mut seen = Vec::new();
    // More often than there are places in the table: each serves again, under another handle.
    for _ in 0..3 * stage.start.limits().handles {
        let region = Region::alloc(1)?;
        let handle = region.handle();
        ensure!(!seen.contains(&handle), "{handle:?} comes again");
        seen.push(handle);
        region.close()?;
        refused(Region::from_handle(handle).size(), Error::BadHandle)?;
    }
    let region = Region::alloc(1)?;
    for handle in &seen {
        refused(Region::from_handle(*handle).close(), Error::BadHandle)?;
    }
    useless(stage, seen[0], Error::BadHandle)?;
    Ok(region.rights().map(drop)?)
}

pub fn wrong_kinds(stage: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    let handle = region.handle();
    let (process, session) = (Process::from_handle(handle), Session::from_handle(handle));
    let service = Service::from_handle(handle);
    let wanted = Error::WrongKind;
    refused(process.wait(), wanted)?;
    refused(process.stop(Duration::ZERO), wanted)?;
    refused(process.info(), wanted)?;
    refused(process.restrict(Groups::NONE), wanted)?;
    refused(process.grant("name", &region, Rights::READ), wanted)?;
    refused(session.end(), wanted)?;
    refused(service.lookup::<Region>(), wanted)?;
    refused(service.provide(&region, Rights::READ), wanted)?;
    let child = stage.child();
    refused(Command::module(&child).session(&session).start(), wanted)?;
    let service: Service = stage.given("door")?;
    let region = Region::from_handle(service.handle());
    refused(region.size(), wanted)?;
    refused(region.attach(Rights::READ), wanted)?;
    refused(region.read_at(0, &mut [0]), wanted)?;
    refused(wake::notify(&region, Bells::ALL), wanted)?;
    refused(region.is_held_by(stage.start.pid()), wanted)?;
    refused(stage.mailbox.listen(&region, BELL, Bells::ALL), wanted)
}

/// A handle that was derived has no more rights than it was given, and gives no more on.
pub fn rights(stage: &mut Stage) -> Verdict {
    let whole = Region::alloc(1)?;
    let denied = Error::Denied;
    for bits in 0..8 {
        let Some(rights) = Rights::from_bits(bits) else {
            continue;
        };
        let region: Region = accept(&whole.share(Terms::once(rights))?)?;
        ensure!(region.rights()? == rights, "{:?}", region.rights());
        let (reads, writes) = (
            rights.contains(Rights::READ),
            rights.contains(Rights::WRITE),
        );
        let allowed = |result: Result<(), Error>, is_allowed| match is_allowed {
            true => Ok(result?),
            false => refused(result, denied),
        };
        allowed(region.attach(Rights::READ).map(drop), reads)?;
        allowed(region.attach(Rights::READ_WRITE).map(drop), reads && writes)?;
        allowed(region.read_at(0, &mut [0]), reads)?;
        allowed(region.write_at(0, &[0]), writes)?;
        allowed(stage.mailbox.listen(&region, Task(9), Bells::ALL), reads)?;
        allowed(wake::notify(&region, Bells::ALL), writes)?;
        let now = Instant::now();
        let rung = stage.mailbox.notify_wait(&region, Bells::ALL, now);
        allowed(rung.map(drop), writes)?;
        allowed(region.is_held_by(stage.start.pid()).map(drop), reads)?;
        for other in (0..8).filter_map(Rights::from_bits) {
            let may = rights.contains(Rights::GRANT) && rights.contains(other);
            allowed(
                region
                    .share(Terms::once(other))
                    .and_then(|token| token.withdraw()),
                may,
            )?;
        }
        region.close()?;
    }
    Ok(())
}
