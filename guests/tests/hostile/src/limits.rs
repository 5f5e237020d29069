// SPDX-License-Identifier: BSD-2-Clause
//! As much as there is of each thing, and one more.

use alloc::vec::Vec;
use core::{arch::wasm32, hint::black_box, time::Duration};

use drill::{Verdict, ensure, refused};
use userland::{
    Error, Groups, Limits, PAGE, Rights,
    handle::{Capability as _, Terms, Token, accept},
    process::{Command, Module, Process},
    shm::Region,
    time::{Instant, Timer},
};

use crate::stage::Stage;

/// Has `make` make things until there are `limit`, of which `had` were there before; one more is refused with
/// this error and no other, until one was given back.
fn reach<T>(
    (limit, had): (u32, u32),
    wanted: Error,
    mut make: impl FnMut() -> Result<T, Error>,
    give_back: impl Fn(T) -> Result<(), Error>,
) -> Verdict {
    let mut made = Vec::new();
    for number in had..limit {
        let one = make();
        ensure!(one.is_ok(), "{:?} at {number} of {limit}", one.err());
        made.push(one?);
    }
    for _ in 0..3 {
        refused(make(), wanted)?;
        refused(make(), wanted)?;
        if let Some(one) = made.pop() {
            give_back(one)?;
        }
        made.push(make()?);
    }
    refused(make(), wanted)?;
    made.into_iter().try_for_each(|one| Ok(give_back(one)?))
}

pub fn handles(stage: &mut Stage) -> Verdict {
    let limit = (stage.start.limits().handles, GIVEN);
    reach(
        limit,
        Error::TooManyHandles,
        || Region::alloc(1),
        Region::close,
    )?;
    // A token that finds no room is not used up.
    let region = Region::alloc(1)?;
    let token = region.share(Terms::once(Rights::READ))?;
    let limit = (limit.0, GIVEN + 1);
    reach(
        limit,
        Error::TooManyHandles,
        || Region::alloc(1),
        Region::close,
    )?;
    let mut filled: Vec<Region> = (limit.1..limit.0)
        .map(|_| Region::alloc(1))
        .collect::<Result<_, _>>()?;
    refused(accept::<Region>(&token), Error::TooManyHandles)?;
    if let Some(one) = filled.pop() {
        one.close()?;
    }
    Ok(accept::<Region>(&token).map(drop)?)
}

pub fn timers(stage: &mut Stage) -> Verdict {
    let limit = (stage.start.limits().timers, 0);
    let far = Instant::now() + Duration::from_secs(3600);
    let set = || Timer::at(far, userland::wake::Task(7));
    reach(limit, Error::TooManyTimers, set, Timer::cancel)?;
    // One that has fired is none any more.
    let soon = || Timer::at(Instant::now(), userland::wake::Task(7));
    for _ in 0..2 * limit.0 {
        soon()?;
        stage.mailbox.wait_for(userland::wake::Task(7))?;
    }
    Ok(())
}

pub fn regions(stage: &mut Stage) -> Verdict {
    let limit = (stage.start.limits().regions, 0);
    reach(
        limit,
        Error::TooManyRegions,
        || Region::alloc(1),
        Region::close,
    )
}

pub fn windows(stage: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    // The line has a window, too.
    let limit = (stage.start.limits().windows, 1);
    let attach = || region.attach(Rights::READ_WRITE);
    reach(limit, Error::TooManyWindows, attach, |window| {
        window.detach()
    })
}

pub fn children(stage: &mut Stage) -> Verdict {
    let limit = (stage.start.limits().children, 0);
    let child = stage.child();
    let start = || Command::module(&child).arg("sleep").start();
    let end = |process: Process| {
        process.stop(Duration::ZERO)?;
        process.wait()?;
        process.close()
    };
    reach(limit, Error::TooManyChildren, start, end)
}

pub fn tokens(stage: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    let limit = (stage.start.limits().tokens, 0);
    let share = || region.share(Terms::once(Rights::READ));
    reach(limit, Error::TooManyTokens, share, Token::withdraw)?;
    // One that was used up is none any more.
    let take_up = |token: Token| accept::<Region>(&token)?.close();
    reach(limit, Error::TooManyTokens, share, take_up)
}

/// All the memory of its budget, to the last page.
pub fn memory(_: &mut Stage) -> Verdict {
    let region = Region::alloc(2)?;
    ensure!(wasm32::memory_grow(0, 1 << 15) == usize::MAX, "2 GiB more");
    ensure!(
        wasm32::memory_grow(0, usize::MAX) == usize::MAX,
        "more than there can be"
    );
    let mut pieces: Vec<Vec<u8>> = Vec::with_capacity(1024);
    loop {
        let mut piece = Vec::new();
        if piece.try_reserve_exact(PAGE as usize / 2).is_err() {
            break;
        }
        piece.resize(PAGE as usize / 2, pieces.len() as u8);
        pieces.push(piece);
    }
    ensure!(pieces.len() > 4, "no more than {} pieces", pieces.len());
    ensure!(wasm32::memory_grow(0, 1) == usize::MAX, "another page");
    for (number, piece) in pieces.iter().enumerate() {
        ensure!(
            piece.iter().all(|byte| *byte == number as u8),
            "piece {number} is not what it was"
        );
    }
    for pages in [1024, 2, 1] {
        refused(Region::alloc(pages), Error::NoMemory)?;
    }
    region.write_at(0, &[1; 64])?;
    region.close()?;
    let again = Region::alloc(2)?;
    let mut bytes = [9; 64];
    again.read_at(0, &mut bytes)?;
    ensure!(bytes == [0; 64], "what was there before shows");
    refused(Region::alloc(1), Error::NoMemory)
}

/// Without an end.
pub fn recursion(_: &mut Stage) -> Verdict {
    ensure!(recur_without_end(1) == 0, "it came back");
    Ok(())
}

#[inline(never)]
#[expect(unconditional_recursion, reason = "that is what it is for")]
fn recur_without_end(depth: u64) -> u64 {
    black_box(recur_without_end(black_box(depth + 1))) + 1
}

/// A child that would have more than its parent.
pub fn more_than_own(stage: &mut Stage) -> Verdict {
    let own = stage.start.limits().clone();
    let child = stage.child();
    let refuse =
        |module: &Module<'_>, wanted| refused(Command::module(module).arg("sleep").start(), wanted);
    let raised: [fn(&mut Limits); 7] = [
        |limits| limits.handles += 1,
        |limits| limits.timers += 1,
        |limits| limits.regions += 1,
        |limits| limits.windows += 1,
        |limits| limits.children += 1,
        |limits| limits.tokens = u32::MAX,
        |limits| limits.table_elements += 1,
    ];
    for raise in raised {
        let mut limits = own.clone();
        raise(&mut limits);
        refuse(&child.clone().limits(limits), Error::TooLarge)?;
    }
    for prio in [101, 200, 255] {
        refuse(&child.clone().prio(prio), Error::TooLarge)?;
    }
    refuse(
        &child.clone().groups(Groups::from_bits(u32::MAX)),
        Error::NotGranted,
    )?;
    refuse(&child.clone().stack(12345), Error::InvalidArgument)?;
    let sized = |bits| {
        Module::new("hostile", bits)
            .groups(stage.start.groups())
            .limits(own.clone())
    };
    for bits in [0, 15, 41, 63, 64, 255] {
        refuse(&sized(bits), Error::InvalidArgument)?;
    }
    for bits in [26, 30, 40] {
        refuse(&sized(bits), Error::NoMemory)?;
    }
    // Too little for what a guest needs.
    refuse(&sized(16), Error::NoMemory)?;
    refuse(&Module::new("nothing", 20), Error::BadModule)?;
    // It imports what it is not granted.
    refuse(
        &Module::new("hostile", 20).limits(own.clone()),
        Error::BadModule,
    )?;
    for name in ["", "nobody", "warden", "ping"] {
        refused(Command::guest(name).start(), Error::NotFound)?;
    }
    let region = Region::alloc(1)?;
    let ours: Region = accept(&region.share(Terms::once(Rights::READ))?)?;
    for (given, rights) in [(&ours, Rights::READ), (&region, Rights::ALL)] {
        let mut command = Command::module(&child);
        let started = command
            .arg("exit")
            .arg("0")
            .give("it", given, rights)
            .start();
        match rights {
            Rights::ALL => ensure!(started?.wait()? == SUCCESS, "it was not to fail"),
            _ => refused(started, Error::Denied)?,
        }
    }
    Ok(())
}

/// Handles that it is started with: of its line, and of a service.
const GIVEN: u32 = 2;

const SUCCESS: userland::process::Outcome =
    userland::process::Outcome::Exited(userland::exit::ExitCode::SUCCESS);
