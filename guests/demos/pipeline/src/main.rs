// SPDX-License-Identifier: BSD-2-Clause
//! Three guests and two pipes: one makes blocks, one packs them, one unpacks and checks them.
//!
//! The first argument is the stage that the guest is: `source`, `pack` or `sink`. It reads from the pipe in
//! the region `from`, and writes to the one in the region `to`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod pack;
mod sink;
mod source;

use alloc::boxed::Box;
use core::error::Error;

use userland::{
    channel::{Channel, Config, Reader, Strength},
    start::Start,
};

/// Room for 64 frames, and for eight blocks.
const PIPE: Config = Config::pipe().frames(64).data(8 << 10);

/// Bytes of a block: data, then the checksum of all data so far.
const BLOCK: usize = 1024;
const DATA: usize = BLOCK - 4;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    match start.args().next() {
        Some("source") => source::run(&start).await,
        Some("pack") => pack::run(&start).await,
        Some("sink") => sink::run(&start).await,
        _ => Err("no stage of the pipeline is called so".into()),
    }
}

/// The end to read of the pipe before this stage.
async fn input(start: &Start) -> Result<Reader, Box<dyn Error>> {
    let region = start.region("from").ok_or("no pipe to read from")?;
    let channel = Channel::opened(&region).await?;
    Ok(channel.reader(Strength::Strong, start.name())?)
}

/// The pipe behind this stage.
fn output(start: &Start) -> Result<Channel, Box<dyn Error>> {
    let region = start.region("to").ok_or("no pipe to write to")?;
    Ok(Channel::create(&region, &PIPE)?)
}
