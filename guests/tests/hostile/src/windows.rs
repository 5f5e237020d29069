// SPDX-License-Identifier: BSD-2-Clause
//! Windows that are detached twice, used after their region was revoked, and ends in the midst of a share
//! or of a heap of things.

use core::sync::atomic::Ordering;

use drill::{Fault, Verdict, ensure, refused};
use userland::{
    Error, PAGE, Rights,
    exit::{ExitCode, exit},
    faults,
    handle::{self, Capability as _, Event, Terms, Token, accept},
    session::Builder,
    shm::{Region, Window},
    time::{Instant, Timer},
    wake::{self, Bells},
};

use crate::{
    call,
    stage::{BELL, NOTICE, Stage},
};

/// Only what is a window can be detached, and once.
pub fn detach(stage: &mut Stage) -> Verdict {
    let detach = |address: u64| call::plain("atoll::shm", "detach", &[address]).map(drop);
    let region = Region::alloc(2)?;
    let attach = |rights: Rights| {
        let numbers = [region.handle().0.into(), rights.bits().into()];
        call::plain("atoll::shm", "attach", &numbers)
    };
    for address in [0, 1, 1024, u64::from(PAGE), 1 << 31, u64::from(u32::MAX)] {
        refused(detach(address), Error::NotFound)?;
    }
    for rights in [Rights::READ, Rights::READ_WRITE] {
        let (one, other) = (attach(rights)?, attach(rights)?);
        ensure!(one != other, "two windows at {one}");
        for offset in [1, 4, u64::from(PAGE), 2 * u64::from(PAGE)] {
            if one + offset != other {
                refused(detach(one + offset), Error::NotFound)?;
            }
        }
        detach(one)?;
        refused(detach(one), Error::NotFound)?;
        refused(detach(one), Error::NotFound)?;
        detach(other)?;
        refused(detach(other), Error::NotFound)?;
    }
    // Those of a region that was closed have gone with it; their addresses are kept until then.
    let last = attach(Rights::READ)?;
    region.close()?;
    detach(last)?;
    refused(detach(last), Error::NotFound)?;
    ensure!(
        stage.start.args().count() == 1,
        "the heap is not what it was"
    );
    Ok(())
}

const MARK: u32 = 0x5eed_f00d;

/// Whether windows show zeros, and take what is written.
fn are_dead(windows: &[&Window]) -> Verdict {
    for window in windows {
        for offset in [0, 4096, PAGE - 4] {
            let word = window.load(offset, Ordering::Acquire)?;
            ensure!(word == 0, "{word:#x} at {offset} of a window that is lost");
        }
    }
    for window in windows {
        // One is for reading only.
        match window.store(4096, MARK, Ordering::Release) {
            Ok(()) | Err(Error::Denied) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Goes on using what its owner revokes, and what was derived from that.
pub fn revoked(stage: &mut Stage) -> Verdict {
    handle::watch(NOTICE)?;
    let region: Region = stage.given("prey")?;
    let below: Region = accept(&region.share(Terms::once(Rights::ALL))?)?;
    let unused = below.share(Terms::once(Rights::READ))?;
    let window = region.attach(Rights::READ_WRITE)?;
    let reading = region.attach(Rights::READ)?;
    let lower = below.attach(Rights::READ_WRITE)?;
    stage.mailbox.listen(&region, BELL, Bells::ALL)?;
    ensure!(
        window.load(0, Ordering::Acquire)? == MARK,
        "the warden's mark is not there"
    );
    window.store(4, MARK, Ordering::Release)?;
    stage.say(1)?;
    // Reads all the while: the window goes at some moment of this.
    let end = Instant::now() + crate::stage::PATIENCE;
    while reading.load(0, Ordering::Acquire)? == MARK {
        ensure!(Instant::now() < end, "it was not revoked");
    }
    stage.until(1)?;
    are_dead(&[&window, &reading, &lower])?;
    for lost in [&region, &below] {
        refused(lost.read_at(0, &mut [0; 4]), Error::Revoked)?;
        refused(lost.write_at(0, &[1; 4]), Error::Revoked)?;
        refused(lost.attach(Rights::READ), Error::Revoked)?;
        refused(wake::notify(lost, Bells::ALL), Error::Revoked)?;
        refused(stage.mailbox.listen(lost, BELL, Bells::ALL), Error::Revoked)?;
        refused(lost.share(Terms::once(Rights::READ)), Error::Revoked)?;
        refused(lost.revoke(), Error::Revoked)?;
        ensure!(
            lost.handle_info()?.lost == Some(Event::Revoked),
            "{:?}",
            lost.handle_info()
        );
    }
    refused(accept::<Region>(&unused), Error::BadToken)?;
    for _ in 0..2 {
        let notice = stage.notice(Event::Revoked)?;
        let is_one = [&region, &below]
            .iter()
            .any(|lost| lost.handle() == notice.handle);
        ensure!(is_one, "{notice:?}");
    }
    ensure!(handle::notice()?.is_none(), "a third notice");
    lower.detach()?;
    stage.say(2)?;
    stage.until(2)?;
    region.close()?;
    Ok(below.close()?)
}

/// Shares a region and waits for its end.
pub fn owner(stage: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    region.write_at(0, &MARK.to_le_bytes())?;
    let token = region.share(Terms::once(Rights::ALL))?;
    stage.line()?.put(&token.to_bytes())?;
    // Another, which nobody takes up before the end.
    let spare = region.share(Terms::once(Rights::ALL))?;
    stage.say(1)?;
    stage.until(1)?;
    stage.line()?.put(&spare.to_bytes())?;
    stage.say(2)?;
    stage.until(9)
}

/// Ends the way the third argument says, if this is the step that the second one says.
fn end_at(stage: &mut Stage, step: u32) -> Verdict {
    if stage.number(1)? != step {
        return Ok(());
    }
    stage.say(step + 1)?;
    match stage.word(2).as_str() {
        "exit" => exit(ExitCode(9)),
        "trap" => faults::unreachable(),
        // The warden ends it.
        _ => loop {
            core::hint::spin_loop();
        },
    }
}

/// Gives a region to the warden, and ends at one of the steps.
pub fn giver(stage: &mut Stage) -> Verdict {
    end_at(stage, 0)?;
    let region = Region::alloc(1)?;
    end_at(stage, 1)?;
    let token = region.share(Terms::once(Rights::ALL))?;
    stage.line()?.put(&token.to_bytes())?;
    end_at(stage, 2)?;
    let window = region.attach(Rights::READ_WRITE)?;
    window.store(0, MARK, Ordering::Release)?;
    end_at(stage, 3)?;
    stage.mailbox.listen(&region, BELL, Bells::ALL)?;
    end_at(stage, 4)?;
    wake::notify(&region, Bells::ALL)?;
    end_at(stage, 5)?;
    window.detach()?;
    end_at(stage, 6)?;
    stage.mailbox.unlisten(&region)?;
    region.revoke()?;
    end_at(stage, 7)?;
    region.close()?;
    end_at(stage, 8)?;
    Err(Fault::new("there is no such step"))
}

/// Takes a region of the warden, and ends at one of the steps.
pub fn taker(stage: &mut Stage) -> Verdict {
    let token = Token::from_bytes(stage.line()?.get()?);
    end_at(stage, 0)?;
    let region: Region = accept(&token)?;
    end_at(stage, 1)?;
    let window = region.attach(Rights::READ_WRITE)?;
    window.store(0, MARK, Ordering::Release)?;
    end_at(stage, 2)?;
    stage.mailbox.listen(&region, BELL, Bells::ALL)?;
    end_at(stage, 3)?;
    wake::notify(&region, Bells::ALL)?;
    end_at(stage, 4)?;
    region.share(Terms::once(Rights::READ))?;
    end_at(stage, 5)?;
    window.detach()?;
    end_at(stage, 6)?;
    region.close()?;
    end_at(stage, 7)?;
    Err(Fault::new("there is no such step"))
}

/// Leaves one of each thing, and ends the way the argument says.
pub fn litter(stage: &mut Stage) -> Verdict {
    let later = Instant::now() + crate::stage::PATIENCE;
    let region = Region::alloc(2)?;
    for _ in 0..3 {
        core::mem::forget(region.attach(Rights::READ_WRITE)?);
        Timer::at(later, BELL)?;
    }
    let ours: Region = accept(&region.share(Terms::once(Rights::ALL))?)?;
    stage.mailbox.listen(&ours, BELL, Bells::ALL)?;
    region.share(Terms {
        rights: Rights::READ,
        uses: 5,
        expires: Some(later),
    })?;
    Builder::new("litter").hold(&ours, Rights::READ).create()?;
    match stage.word(1).as_str() {
        "exit" => Ok(()),
        "trap" => faults::unreachable(),
        _ => loop {
            core::hint::spin_loop();
        },
    }
}

/// Writes where it may only read.
pub fn breach(stage: &mut Stage) -> Verdict {
    let region: Region = match stage.start.region("page") {
        Some(region) => region,
        None => Region::alloc(1)?,
    };
    let how = stage.word(1);
    call::breach(&region, &how)?;
    Err(Fault::new(alloc::format!("{how} went through")))
}
