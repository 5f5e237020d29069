// SPDX-License-Identifier: BSD-2-Clause
//! Share tokens that were used up, withdrawn, guessed, or whose time has passed.

use core::time::Duration;

use drill::{Verdict, ensure, refused};
use userland::{
    Error, Rights, entropy,
    handle::{self, Capability as _, Event, Terms, Token, accept},
    shm::Region,
    time::Instant,
};

use crate::stage::{NOTICE, Stage};

pub fn counted_and_withdrawn(_: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    let terms = |uses| Terms {
        uses,
        ..Terms::once(Rights::READ)
    };
    refused(region.share(terms(0)), Error::InvalidArgument)?;
    for uses in [1, 2, 7] {
        let token = region.share(terms(uses))?;
        for _ in 0..uses {
            accept::<Region>(&token)?.close()?;
        }
        for _ in 0..3 {
            refused(accept::<Region>(&token), Error::BadToken)?;
        }
        refused(token.withdraw(), Error::BadToken)?;
    }
    // What was taken up before stays.
    let token = region.share(terms(9))?;
    let ours: Region = accept(&token)?;
    token.clone().withdraw()?;
    refused(accept::<Region>(&token), Error::BadToken)?;
    refused(token.withdraw(), Error::BadToken)?;
    ours.read_at(0, &mut [0])?;
    // Until what it came from goes.
    region.close()?;
    refused(ours.read_at(0, &mut [0]), Error::Revoked)
}

pub fn guessed(stage: &mut Stage) -> Verdict {
    let region = Region::alloc(1)?;
    let real = region.share(Terms::once(Rights::READ))?;
    let guess = |bytes| {
        let token = Token::from_bytes(bytes);
        refused(accept::<Region>(&token), Error::BadToken)?;
        refused(token.withdraw(), Error::BadToken)
    };
    guess([0; Token::BYTES])?;
    guess([0xff; Token::BYTES])?;
    for bit in 0..8 * Token::BYTES {
        let mut bytes = real.to_bytes();
        bytes[bit / 8] ^= 1 << (bit % 8);
        guess(bytes)?;
    }
    for _ in 0..1000 {
        let mut bytes = [0; Token::BYTES];
        entropy::fill(&mut bytes)?;
        guess(bytes)?;
        // Where the server would find the real one.
        bytes[12..].copy_from_slice(&real.to_bytes()[12..]);
        guess(bytes)?;
    }
    // The warden's, which others may take up and not withdraw.
    let theirs = Token::from_bytes(stage.line()?.get()?);
    refused(theirs.clone().withdraw(), Error::BadToken)?;
    accept::<Region>(&theirs)?.close()?;
    accept::<Region>(&real)?.close()?;
    Ok(())
}

pub fn expire(stage: &mut Stage) -> Verdict {
    handle::watch(NOTICE)?;
    let region = Region::alloc(1)?;
    let end = Instant::now() + Duration::from_millis(30);
    let terms = Terms {
        rights: Rights::ALL,
        uses: 4,
        expires: Some(end),
    };
    let token = region.share(terms)?;
    let ours: Region = accept(&token)?;
    // What is derived ends with it.
    let below: Region = accept(&ours.share(Terms::once(Rights::READ))?)?;
    let window = ours.attach(Rights::READ_WRITE)?;
    window.store(0, 7, core::sync::atomic::Ordering::Relaxed)?;
    for _ in 0..2 {
        let notice = stage.notice(Event::Expired)?;
        ensure!(
            [&ours, &below]
                .iter()
                .any(|it| it.handle() == notice.handle),
            "{notice:?}"
        );
    }
    ensure!(Instant::now() >= end, "it ended before its time");
    for lost in [&ours, &below] {
        refused(lost.read_at(0, &mut [0]), Error::Revoked)?;
        ensure!(
            lost.handle_info()?.lost == Some(Event::Expired),
            "{:?}",
            lost.handle_info()
        );
    }
    ensure!(
        window.load(0, core::sync::atomic::Ordering::Relaxed)? == 0,
        "the window still shows it"
    );
    refused(accept::<Region>(&token), Error::BadToken)?;
    let mut bytes = [0; 4];
    region.read_at(0, &mut bytes)?;
    ensure!(bytes == [7, 0, 0, 0], "{bytes:?}");
    // One of the past ends at once.
    let token = region.share(Terms {
        expires: Some(Instant::from_nanoseconds(0)),
        ..Terms::once(Rights::READ)
    })?;
    stage.rest(Duration::from_millis(5))?;
    refused(accept::<Region>(&token), Error::BadToken)
}
