// SPDX-License-Identifier: BSD-2-Clause
//! Counts seconds, as many as it is told, or until it is asked to stop.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::time::Duration;

use userland::{
    future::{Either, select},
    info,
    start::Start,
    task::{spawn, stopping},
    time::interval,
};

#[userland::entrypoint]
async fn main(start: Start) {
    let seconds = start.value("seconds").and_then(|n| n.parse().ok());
    let counting = spawn(count(seconds.unwrap_or(10)));
    match select(counting, stopping()).await {
        Either::First(_) => info!("done"),
        Either::Second(()) => info!("asked to stop"),
    }
}

async fn count(seconds: u32) {
    let mut ticks = interval(Duration::from_secs(1));
    for n in 1..=seconds {
        ticks.tick().await;
        info!("{n}");
    }
}
