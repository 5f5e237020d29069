// SPDX-License-Identifier: BSD-2-Clause
//! Hammers a channel from several guests at once, for `seconds=N`.
//!
//! The first argument says how: `pipe`, `many` (with writers and readers that are killed and started
//! again), `hostile` (with a peer that writes anything anywhere), `speed` (how many frames pass in a second).
//! The guest starts itself again for each end; then the first argument is a part.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod frame;
mod parts;
mod stage;

use core::time::Duration;

use drill::{Fault, Verdict};
use stage::Stage;
use userland::{
    channel::{Channel, Config, WhenFull},
    start::Start,
    time::{Instant, sleep},
};

const PIPE: Config = Config::pipe().frames(64).data(8 << 10);
const MANY: Config = Config::new().frames(64).data(8 << 10);

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Fault> {
    let part = start.args().next().unwrap_or_default();
    match part {
        "pipe" => pipe(&Stage::new(&start, &PIPE)?).await,
        "many" => many(&Stage::new(&start, &MANY)?).await,
        "hostile" => {
            for config in [PIPE, MANY, MANY.credits(3), MANY.when_full(WhenFull::Drop)] {
                hostile(&Stage::new(&start, &config)?).await?;
            }
            Ok(())
        }
        "speed" => speed(&Stage::new(&start, &PIPE.frames(256).data(32 << 10))?).await,
        part => parts::play(part, &start).await,
    }
}

/// One writer and one reader.
async fn pipe(stage: &Stage) -> Verdict {
    let reader = stage.start("reader")?;
    let writer = stage.start("writer")?;
    stage.ended(writer).await?;
    stage.ended(reader).await
}

/// Three writers, two strong readers and a weak one stay; others come and are killed.
async fn many(stage: &Stage) -> Verdict {
    let channel = Channel::open(&stage.region).map_err(Fault::new)?;
    let readers = [
        stage.start("reader")?,
        stage.start("reader")?,
        stage.start("weak-reader")?,
    ];
    let writers = [
        stage.start("writer")?,
        stage.start("writer")?,
        stage.start("writer")?,
    ];
    let mut kills = 0_u32;
    while Instant::now() < stage.until {
        let mortals = [
            stage.start("weak-writer")?,
            stage.start("giver-up")?,
            stage.start("reader")?,
        ];
        for (i, mortal) in mortals.into_iter().enumerate() {
            sleep(Duration::from_millis(u64::from(kills * 7 % 11) + i as u64)).await;
            stage.kill(mortal).await?;
            kills += 1;
        }
    }
    for writer in writers {
        stage.ended(writer).await?;
    }
    channel.drain();
    for reader in readers {
        stage.ended(reader).await?;
    }
    userland::info!("{kills} guests were killed");
    Ok(())
}

/// Ends that only want to come through.
async fn hostile(stage: &Stage) -> Verdict {
    let parts = [
        "careless-writer",
        "careless-reader",
        "careless-reader",
        "vandal",
    ];
    for guest in parts.map(|part| stage.start(part)) {
        stage.ended(guest?).await?;
    }
    Ok(())
}

async fn speed(stage: &Stage) -> Verdict {
    let reader = stage.start("counter")?;
    let writer = stage.start("repeater")?;
    stage.ended(writer).await?;
    stage.ended(reader).await
}
