// SPDX-License-Identifier: BSD-2-Clause
//! Has many jobs done, and asks for all of them at once. The queue takes a few at a time: the other calls wait,
//! in here.
//!
//! Arguments: `first=N` and `jobs=N`, the jobs. The queue is at the region `door`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, vec::Vec};
use core::error::Error;

use userland::{
    info,
    rpc::{Client, Options},
    start::Start,
    task::spawn,
    time::Instant,
};

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("door").ok_or("the spec gives me no door")?;
    let first: u32 = start.value("first").unwrap_or("1").parse()?;
    let jobs: u32 = start.value("jobs").unwrap_or("100").parse()?;
    let client = Client::<u32, u32>::connect(&door, Options::named(start.name())).await?;
    let begin = Instant::now();
    let call = |job| {
        let client = client.clone();
        spawn(async move { client.call(&job).await })
    };
    let calls: Vec<_> = (first..first + jobs).map(call).collect();
    let mut steps = 0;
    for call in calls {
        steps += call.await??;
    }
    let time = begin.elapsed().as_millis();
    info!("{jobs} jobs are done, with {steps} steps, in {time} ms");
    Ok(())
}
