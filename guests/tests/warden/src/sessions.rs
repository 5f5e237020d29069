// SPDX-License-Identifier: BSD-2-Clause
//! Sessions, and services.

use alloc::vec::Vec;
use core::time::Duration;

use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error, Group, Groups, Limits, Rights,
    handle::{self, Capability as _, Event, Terms, accept},
    introspect,
    process::{Command, Module},
    session::Builder,
    shm::Region,
    singleton::Service,
    time::Instant,
};

use crate::{
    Scenario,
    actor::Actor,
    warden::{BITS, DOOR, Warden},
};

pub const SCENARIOS: &[(&str, Scenario)] = &[
    ("session-entitlements", entitlements),
    ("session-groups", groups),
    ("session-end", end),
    ("service-hand-over", hand_over),
    ("service-rights", service_rights),
    ("service-line", service_line),
    ("server-heap", server_heap),
];

/// A process in a session asks for more than that entitles it to.
fn entitlements(warden: &mut Warden) -> Verdict {
    let (foreign, extra) = (Region::alloc(1)?, Region::alloc(1)?);
    warden.door.provide(&foreign, Rights::READ)?;
    let token = foreign.share(Terms::once(Rights::READ))?;
    let line = Actor::line(warden)?;
    line.put(&token.to_bytes())?;
    let all = warden.start.groups();
    let mut builder = Builder::new("cell");
    builder
        .groups(all)
        .processes(2)
        .hold(&line.region, Rights::ALL);
    builder
        .hold(&warden.door, Rights::READ)
        .hold(&extra, Rights::READ);
    let session = builder.create()?;
    let module = Module::new("hostile", 22)
        .groups(all)
        .limits(Limits::DEFAULT)
        .name("inmate");
    let command = || {
        let mut command = Command::module(&module);
        command.arg("inmate").session(&session);
        command
    };
    refused(
        command().give("foreign", &foreign, Rights::READ).start(),
        Error::NotEntitled,
    )?;
    refused(
        command().give("extra", &extra, Rights::READ_WRITE).start(),
        Error::NotEntitled,
    )?;
    refused(
        command()
            .give("door", &warden.door, Rights::READ_WRITE)
            .start(),
        Error::NotEntitled,
    )?;
    let mut fine = command();
    fine.give("door", &warden.door, Rights::READ);
    let actor = Actor::start_on(line, &mut fine)?;
    actor.until(warden, 1)?;
    refused(
        actor.process.grant("foreign", &foreign, Rights::READ),
        Error::NotEntitled,
    )?;
    refused(
        actor.process.grant("extra", &extra, Rights::WRITE),
        Error::NotEntitled,
    )?;
    actor.process.grant("extra", &extra, Rights::READ)?;
    actor.until(warden, 2)?;
    let info = session.info()?;
    ensure!(info.running == 2 && !info.ended, "{info:?}");
    ensure!(
        actor.process.info()?.session == "cell",
        "{:?}",
        actor.process.info()
    );
    refused(command().start(), Error::NotEntitled)?;
    session.end()?;
    actor.fails("its session was ended")?;
    let gone = || session.info().is_ok_and(|info| info.running == 0);
    let end = Instant::now() + Duration::from_secs(5);
    while !gone() {
        ensure!(Instant::now() < end, "{:?}", session.info());
        warden.rest(Duration::from_millis(1))?;
    }
    ensure!(session.info()?.ended, "{:?}", session.info());
    refused(command().start(), Error::Ended)?;
    ensure!(
        !warden.names()?.iter().any(|name| name == "child"),
        "a child is left"
    );
    // It was not used up by those who were refused.
    accept::<Region>(&token)?.close()?;
    Ok(warden.door.withdraw()?)
}

fn groups(warden: &mut Warden) -> Verdict {
    let few = Groups::NONE.with(Group::Log);
    let mut builder = Builder::new("few");
    let session = builder.groups(few).processes(4).create()?;
    let module = warden.module();
    let mut command = Command::module(&module);
    refused(
        command.arg("exit").arg("0").session(&session).start(),
        Error::NotEntitled,
    )?;
    let spinner = Module::new("spin", BITS).groups(few).name("in few");
    let spinner = Command::module(&spinner).session(&session).start()?;
    spinner.stop(Duration::ZERO)?;
    spinner.wait()?;
    let unknown = Groups::from_bits(1 << 31);
    refused(
        Builder::new("more").groups(unknown).create(),
        Error::NotGranted,
    )?;
    // A capability that one may not hand on is none to entitle others to.
    let region = Region::alloc(1)?;
    let ours: Region = accept(&region.share(Terms::once(Rights::READ))?)?;
    refused(
        Builder::new("held").hold(&ours, Rights::READ).create(),
        Error::Denied,
    )
}

/// Ends all of it, whatever they do, and nobody else.
fn end(warden: &mut Warden) -> Verdict {
    let outside = warden.actor("sleep", &[])?;
    outside.until(warden, 1)?;
    let mut lines = Vec::new();
    for _ in 0..4 {
        lines.push(Actor::line(warden)?);
    }
    let mut builder = Builder::new("all");
    builder.groups(warden.start.groups()).processes(8);
    for line in &lines {
        builder.hold(&line.region, Rights::ALL);
    }
    let session = builder.create()?;
    let module = Module::new("hostile", 22)
        .groups(warden.start.groups())
        .limits(Limits::DEFAULT);
    let mut actors = Vec::new();
    for (line, role) in lines.into_iter().zip(["spin", "sleep", "await", "polite"]) {
        let mut command = Command::module(&module);
        command.arg(role).session(&session);
        let actor = Actor::start_on(line, &mut command)?;
        actor.until(warden, 1)?;
        actors.push(actor);
    }
    session.end()?;
    session.end()?;
    for actor in &actors {
        actor.fails("its session was ended")?;
    }
    warden.until_blocked(&outside.process)
}

/// The number that a provider's region begins with.
fn number(region: &Region) -> Verdict<u32> {
    let mut bytes = [0; 4];
    region.read_at(0, &mut bytes)?;
    Ok(u32::from_le_bytes(bytes))
}

fn hand_over(warden: &mut Warden) -> Verdict {
    warden.door.watch(DOOR)?;
    let mut generation = warden.door.generation()?;
    let mut changes = |warden: &mut Warden, by: u32| -> Verdict {
        let door = Service::from_handle(warden.door.handle());
        generation += by;
        warden.wait("a change of the provider", || {
            (door.generation().ok()? == generation).then_some(())
        })
    };
    refused(warden.door.lookup::<Region>(), Error::NotFound)?;
    let module = warden.module();
    let door = Service::from_handle(warden.door.handle());
    let provider = |warden: &mut Warden, role, number: &str| {
        let actor = warden.actor_with(&module, role, &[number], |command| {
            command.give("door", &door, Rights::READ_WRITE);
        })?;
        actor.until(warden, 1)?;
        Verdict::Ok(actor)
    };
    let first = provider(warden, "provide", "1")?;
    changes(warden, 1)?;
    let second = provider(warden, "stand-by", "2")?;
    let third = provider(warden, "stand-by", "3")?;
    let region: Region = warden.door.lookup()?;
    ensure!(
        number(&region)? == 1 && region.rights()? == Rights::READ,
        "not the first's"
    );
    let window = region.attach(Rights::READ)?;
    let own = Region::alloc(1)?;
    refused(warden.door.provide(&own, Rights::READ), Error::Busy)?;
    while handle::notice()?.is_some() {}
    // The first dies: the second takes over.
    first.kill()?;
    changes(warden, 1)?;
    refused(region.read_at(0, &mut [0]), Error::Revoked)?;
    let word = window.load(0, core::sync::atomic::Ordering::Acquire)?;
    ensure!(word == 0, "the window still shows {word}");
    warden.notice(region.handle(), Event::SourceExited)?;
    region.close()?;
    let region: Region = warden.door.lookup()?;
    ensure!(number(&region)? == 2, "not the second's");
    // It withdraws: the third takes over.
    second.line.say(1)?;
    second.until(warden, 2)?;
    changes(warden, 1)?;
    refused(region.read_at(0, &mut [0]), Error::Revoked)?;
    warden.notice(region.handle(), Event::SourceExited)?;
    region.close()?;
    let region: Region = warden.door.lookup()?;
    ensure!(number(&region)? == 3, "not the third's");
    third.kill()?;
    changes(warden, 1)?;
    refused(warden.door.lookup::<Region>(), Error::NotFound)?;
    second.line.say(2)?;
    second.succeeds()?;
    // Who provides by a capability that is taken back does so no longer.
    warden.door.provide(&own, Rights::READ)?;
    let region: Region = warden.door.lookup()?;
    own.close()?;
    refused(region.read_at(0, &mut [0]), Error::Revoked)?;
    refused(warden.door.lookup::<Region>(), Error::NotFound)
}

fn service_rights(warden: &mut Warden) -> Verdict {
    for (word, rights) in [("read", Rights::READ), ("write", Rights::WRITE)] {
        let door = Service::from_handle(warden.door.handle());
        let module = warden.module();
        let actor = warden.actor_with(&module, "no-provider", &[word], |command| {
            command.give("door", &door, rights);
        })?;
        actor.succeeds()?;
    }
    Ok(())
}

/// As many stand by as can, and one more.
fn service_line(warden: &mut Warden) -> Verdict {
    const MOST: usize = 17;
    let module = warden.module();
    let mut actors = Vec::new();
    for number in 0..MOST {
        let door = Service::from_handle(warden.door.handle());
        let role = if number == 0 { "provide" } else { "stand-by" };
        let actor = warden.actor_with(&module, role, &["1"], |command| {
            command.give("door", &door, Rights::READ_WRITE);
        })?;
        actor.until(warden, 1)?;
        actors.push(actor);
    }
    let own = Region::alloc(1)?;
    let stand_by = |warden: &Warden| warden.door.stand_by(&own, Rights::READ);
    refused(stand_by(warden), Error::TooManyListeners)?;
    for actor in actors.iter().skip(1) {
        actor.kill()?;
    }
    stand_by(warden)?;
    warden.door.withdraw()?;
    Ok(())
}

/// Those who make the server's own heap full get an error, and it is there again when they end.
fn server_heap(warden: &mut Warden) -> Verdict {
    const HOARDERS: usize = 8;
    let limits = Limits {
        handles: warden.start.limits().handles,
        ..Limits::DEFAULT
    };
    let module = warden.module().limits(limits);
    let mut actors = Vec::new();
    for _ in 0..HOARDERS {
        let actor = warden.actor_with(&module, "hoard", &[], |_| ())?;
        actor.until(warden, 1)?;
        actors.push(actor);
    }
    let mut full = 0;
    for actor in &actors {
        actor.line.say(1)?;
        actor.until(warden, 2)?;
        let refusal = Error::from_number(u32::from_le_bytes(actor.line.get()?));
        match refusal {
            Some(Error::TooMany) => full += 1,
            Some(Error::TooManyHandles) => {}
            other => return Err(Fault::new(format_args!("{other:?}"))),
        }
    }
    ensure!(full > 0, "the heap is not full: {:?}", introspect::system());
    refused(Region::alloc(1), Error::TooMany)?;
    refused(
        Command::module(&module).arg("sleep").start(),
        Error::TooMany,
    )?;
    // What there is goes on, and ends.
    for actor in &actors {
        actor.line.say(2)?;
        actor.until(warden, 3)?;
    }
    for actor in &actors {
        actor.kill()?;
    }
    Region::alloc(1)?.close()?;
    Ok(())
}
