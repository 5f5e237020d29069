// SPDX-License-Identifier: BSD-2-Clause
//! What others give this guest, and take from it.

use alloc::string::String;
use core::time::Duration;

use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error, Group, Groups, Level, Rights, entropy,
    handle::{self, Capability as _, Event, Terms, Token, accept},
    log,
    process::{Command, Process},
    session::Builder,
    shm::Region,
    singleton::Service,
    time::{Instant, Timer},
    wake::{self, Bells, Task},
};

use crate::stage::{NOTICE, Stage};

/// Rings a doorbell as often as it can.
pub fn flood(stage: &mut Stage) -> Verdict {
    let bell: Region = stage.given("bell")?;
    let rings = stage.number(1)?;
    for _ in 0..rings {
        wake::notify(&bell, Bells::ALL)?;
    }
    stage.say(1)?;
    stage.until(1)
}

/// Gets a capability while it runs, and loses it again.
pub fn gifted(stage: &mut Stage) -> Verdict {
    handle::watch(NOTICE)?;
    ensure!(
        handle::notice()?.is_none(),
        "a notice before anything happened"
    );
    stage.say(1)?;
    let notice = stage.notice(Event::Granted)?;
    ensure!(notice.name == "gift", "{notice:?}");
    let gift = Region::from_handle(notice.handle);
    ensure!(gift.rights()? == Rights::READ, "{:?}", gift.rights());
    let mut bytes = [0; 4];
    gift.read_at(0, &mut bytes)?;
    ensure!(bytes == *b"gift", "{bytes:?}");
    refused(gift.write_at(0, b"mine"), Error::Denied)?;
    stage.say(2)?;
    let notice = stage.notice(Event::Revoked)?;
    ensure!(
        notice.handle == gift.handle() && notice.name == "gift",
        "{notice:?}"
    );
    refused(gift.read_at(0, &mut bytes), Error::Revoked)?;
    gift.close()?;
    stage.say(3)?;
    stage.until(3)
}

/// Loses groups of hostcalls while it runs.
pub fn restricted(stage: &mut Stage) -> Verdict {
    entropy::fill(&mut [0; 8])?;
    stage.say(1)?;
    stage.until(1)?;
    refused(entropy::fill(&mut [0; 8]), Error::NotGranted)?;
    refused(entropy::source(), Error::NotGranted)?;
    refused(Timer::at(Instant::NEVER, Task(7)), Error::NotGranted)?;
    ensure!(
        Instant::now().nanoseconds() == 0,
        "it is still told the time"
    );
    // Nor can a child of its have them.
    refused(Command::module(&stage.child()).start(), Error::NotGranted)?;
    let region = Region::alloc(1)?;
    region.close()?;
    let left = stage
        .start
        .groups()
        .without(Groups::NONE.with(Group::Entropy).with(Group::Time));
    let child = stage.child().groups(left);
    // The module imports what it cannot be given.
    refused(Command::module(&child).start(), Error::BadModule)?;
    stage.say(2)?;
    stage.mailbox.wait_for(Task::STOP).map_err(Fault::from)
}

/// In a session that entitles it to its line, to a service, and to read one region.
pub fn inmate(stage: &mut Stage) -> Verdict {
    handle::watch(NOTICE)?;
    let foreign = Token::from_bytes(stage.line()?.get()?);
    refused(accept::<Region>(&foreign), Error::NotEntitled)?;
    let door: Service = stage.given("door")?;
    refused(door.lookup::<Region>(), Error::NotEntitled)?;
    let own = Region::alloc(1)?;
    accept::<Region>(&own.share(Terms::once(Rights::READ))?)?.close()?;
    refused(
        Builder::new("wider")
            .groups(Groups::from_bits(u32::MAX))
            .create(),
        Error::NotGranted,
    )?;
    stage.say(1)?;
    let notice = stage.notice(Event::Granted)?;
    Region::from_handle(notice.handle).read_at(0, &mut [0])?;
    // A session within, whose processes are bound by both.
    let mut builder = Builder::new("inner");
    let inner = builder.groups(stage.start.groups()).processes(9);
    let inner = inner.hold(&own, Rights::READ).create()?;
    let child = stage.child();
    let mut command = Command::module(&child);
    command.arg("sleep").session(&inner);
    let region = &stage.line()?.region;
    let mut with_line = command.clone();
    with_line.give("line", region, Rights::READ);
    refused(with_line.start(), Error::NotEntitled)?;
    let mut with_own = command.clone();
    with_own.give("own", &own, Rights::READ);
    with_own.start()?;
    // There are as many as the outer session allows.
    refused(command.start(), Error::NotEntitled)?;
    ensure!(inner.info()?.running == 1, "{:?}", inner.info());
    stage.say(2)?;
    stage.rest(Duration::from_secs(60))
}

/// Holds another process with the right to read, and itself.
pub fn onlooker(stage: &mut Stage) -> Verdict {
    let other: Process = stage.given("other")?;
    refused(other.stop(Duration::ZERO), Error::Denied)?;
    refused(other.restrict(Groups::NONE), Error::Denied)?;
    refused(
        other.grant("x", &stage.line()?.region, Rights::READ),
        Error::Denied,
    )?;
    refused(other.take("x"), Error::Denied)?;
    // It has said that it is there, and is about to sleep.
    let patience = Instant::now() + Duration::from_secs(10);
    while other.state()? != userland::ProcessState::Blocked {
        ensure!(Instant::now() < patience, "{:?}", other.state());
        stage.rest(Duration::from_millis(1))?;
    }
    let late = Instant::now() + Duration::from_millis(10);
    refused(other.wait_until(late), Error::TimedOut)?;
    ensure!(
        Instant::now() >= late,
        "it waited no longer before the deadline"
    );
    refused(
        other.wait_until(Instant::from_nanoseconds(0)),
        Error::TimedOut,
    )?;
    handle::watch(NOTICE)?;
    stage.say(1)?;
    let notice = stage.notice(Event::Granted)?;
    refused(
        Process::from_handle(notice.handle).wait(),
        Error::InvalidArgument,
    )?;
    stage.say(2)?;
    // The warden revokes it while this waits.
    refused(other.wait(), Error::Revoked)
}

/// The same call again and again, to be ended in the midst of it.
pub fn grinder(stage: &mut Stage) -> Verdict {
    let what: String = stage.word(1);
    let region = Region::alloc(1)?;
    let mut buffer = alloc::vec![0; 1 << 16];
    let child = stage.child();
    stage.greet()?;
    loop {
        match what.as_str() {
            "read" => region.read_at(0, &mut buffer)?,
            "write" => region.write_at(0, &buffer)?,
            "fill" => entropy::fill(&mut buffer)?,
            "attach" => region.attach(Rights::READ_WRITE)?.detach()?,
            "share" => accept::<Region>(&region.share(Terms::once(Rights::ALL))?)?.close()?,
            "revoke" => {
                let below: Region = accept(&region.share(Terms::once(Rights::ALL))?)?;
                let _window = below.attach(Rights::READ_WRITE)?;
                region.revoke()?;
                below.close()?;
            }
            "alloc" => Region::alloc(2)?.close()?,
            "timer" => Timer::at(Instant::NEVER, Task(7))?.cancel()?,
            "alarm" => stage.rest(Duration::from_micros(50))?,
            "log" => log::write(Level::Debug, format_args!("{what}")),
            "list" => userland::introspect::processes().try_for_each(|one| one.map(drop))?,
            "start" => match Command::module(&child).arg("sleep").start() {
                Ok(process) => {
                    process.stop(Duration::ZERO)?;
                    process.close()?;
                }
                // The memory of those before is not back yet.
                Err(error) => ensure!(error == Error::NoMemory, "{error}"),
            },
            "wait" => {
                let process = Command::module(&child).arg("exit").arg("0").start()?;
                process.wait()?;
                process.close()?;
            }
            _ => return Err(Fault::new("it does not know that")),
        }
    }
}

/// Has the server make what is on the server's own heap, until it refuses; says how.
pub fn hoard(stage: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    let mut builder = Builder::new("a part of a hoard");
    for _ in 0..16 {
        builder.hold(&region, Rights::READ);
    }
    stage.greet()?;
    stage.until(1)?;
    let refusal = loop {
        if let Err(error) = builder.create() {
            break error;
        }
    };
    stage.line()?.put(&refusal.number().to_le_bytes())?;
    stage.say(2)?;
    // What it has it can still use.
    region.write_at(0, &[1])?;
    stage.until(2)?;
    refused(builder.create(), refusal)?;
    stage.say(3)?;
    stage.rest(Duration::from_secs(60))
}
