// SPDX-License-Identifier: BSD-2-Clause
//! One end of a channel of numbered frames, in the region `channel`, which may hang at the worst time.
//!
//! `writer [from=N] [to=M] [hang]` writes the frames from N to M; then it reserves one more, and hangs.
//! `reader [hang-at=M]` reads until there are no more, and hangs when it holds frame M.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, vec::Vec};
use core::{error::Error, num::ParseIntError};

use userland::{
    channel::{Channel, Strength, WriterId},
    info,
    start::Start,
    task::yield_now,
};

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let region = start.region("channel").ok_or("I was given no channel")?;
    let channel = Channel::opened(&region).await?;
    match start.args().next() {
        Some("writer") => write(&start, &channel).await,
        _ => read(&start, &channel).await,
    }
}

async fn write(start: &Start, channel: &Channel) -> Result<(), Box<dyn Error>> {
    // When a strong writer ends, the channel is closed. After this one there may be another.
    let mut writer = channel.writer(Strength::Weak, start.name())?;
    let from = number(start, "from")?.unwrap_or(0);
    let to = number(start, "to")?.unwrap_or(0);
    for number in from..to {
        writer.send(&numbered::frame(number)).await?;
    }
    if start.args().any(|arg| arg == "hang") {
        // A reader that sleeps is rung when this task waits or yields, which it will not do again.
        yield_now().await;
        let mut reservation = writer.reserve(numbered::LEN as u32).await?;
        let _ = reservation.write(0, b"half a frame");
        info!("hang with half a frame written");
        hang();
    }
    Ok(())
}

async fn read(start: &Start, channel: &Channel) -> Result<(), Box<dyn Error>> {
    let mut reader = channel.reader(Strength::Strong, start.name())?;
    let hang_at = number(start, "hang-at")?;
    // The number of the next frame of each.
    let mut writers: Vec<(WriterId, u32)> = Vec::new();
    let mut count = 0;
    while let Some(frame) = reader.next().await? {
        let mut bytes = [0; numbered::LEN];
        frame.read(&mut bytes).ok_or("a frame is too short")?;
        let number = numbered::number(&bytes)?;
        let id = frame.writer();
        match writers.iter_mut().find(|(known, _)| *known == id) {
            Some((_, next)) if *next == number => *next += 1,
            Some((_, next)) => return Err(format!("frame {number} in place of {next}").into()),
            None => {
                tell(channel, id, number);
                writers.push((id, number + 1));
            }
        }
        if hang_at == Some(number) {
            info!("hang with frame {number} in hand");
            hang();
        }
        count += 1;
        if count % 1000 == 0 {
            info!("{count} frames are read");
        }
    }
    info!("no more after {count} frames");
    Ok(())
}

/// Says who writes, from this frame on.
fn tell(channel: &Channel, id: WriterId, number: u32) {
    let name = channel.writer_of(id).map(|end| end.name);
    let name = name.unwrap_or_else(|| "one that is gone".into());
    info!(
        "frame {number} is by {name}, generation {}",
        id.generation()
    );
}

/// The number in an argument, if it is there.
fn number(start: &Start, key: &str) -> Result<Option<u32>, ParseIntError> {
    start.value(key).map(str::parse).transpose()
}

/// What is wrong with this guest.
#[inline(never)]
fn hang() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
