// SPDX-License-Identifier: BSD-2-Clause
//! Publish and subscribe, over one channel of the spec, `news`.
//!
//! The first argument is the part that the guest has: `publisher`, `strong` or `weak` for a subscriber of that
//! kind, `tap` for one that only has the right to read. A subscriber with `pause=MS` rests after each frame.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod publisher;
mod subscriber;

use alloc::boxed::Box;
use core::{error::Error, time::Duration};

use userland::{
    channel::{Channel, Config, Strength},
    start::Start,
};

/// A publisher waits for the strong subscribers, and for no others. Those that only look are rung, too.
const NEWS: Config = Config::new().frames(64).data(8 << 10).taps();

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let news = start.region("news").ok_or("the spec gives me no news")?;
    let pause = Duration::from_millis(start.value("pause").unwrap_or("0").parse()?);
    let strength = match start.args().next() {
        Some("publisher") => {
            let frames = start.value("frames").unwrap_or("1000").parse()?;
            let subscribers = start.value("subscribers").unwrap_or("1").parse()?;
            return publisher::run(&news, subscribers, frames).await;
        }
        Some("tap") => return subscriber::run(Channel::tapped(&news).await?, pause).await,
        Some("weak") => Strength::Weak,
        _ => Strength::Strong,
    };
    let channel = Channel::opened(&news).await?;
    subscriber::run(channel.reader(strength, start.name())?, pause).await
}
