// SPDX-License-Identifier: BSD-2-Clause
//! What it takes to wake another guest and be woken by it: the side that starts and measures.
//!
//! The two agree over the channel `link`: word 0 is the number of rounds, word 4 says that pong
//! listens. What is measured goes over the doorbell of `bell`, which nothing else rings: so there is
//! exactly one wake each way in a round.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::{Acquire, Release};

use userland::{
    Error, Rights, info, introspect,
    start::Start,
    time::Instant,
    wake::{self, Mailbox, Task},
};

userland::entrypoint!(main);

const LINK: Task = Task(1);
const BELL: Task = Task(2);

const OFFSET_ROUNDS: u32 = 0;
const OFFSET_READY: u32 = 4;

const WARM_UP: u32 = 100;
const ROUNDS: u32 = 10_000;

fn main() -> Result<(), Error> {
    let start = Start::read()?;
    let link_region = start.region("link").ok_or(Error::NotFound)?;
    let bell = start.region("bell").ok_or(Error::NotFound)?;
    let link = link_region.attach(Rights::READ_WRITE)?;
    let ready = link.word(OFFSET_READY)?;

    let mut mailbox = Mailbox::open()?;
    mailbox.listen(&link_region, LINK)?;
    mailbox.listen(&bell, BELL)?;
    link.store(OFFSET_ROUNDS, WARM_UP + ROUNDS, Release)?;
    wake::notify(&link_region)?;
    mailbox.wait_until(Instant::NEVER, || (ready.load(Acquire) != 0).then_some(()))?;

    let mut rounds = |count| {
        let begin = introspect::cycles();
        for _ in 0..count {
            wake::notify(&bell)?;
            mailbox.wait_for(BELL)?;
        }
        Ok::<_, Error>(introspect::cycles() - begin)
    };
    rounds(WARM_UP)?;
    let cycles = rounds(ROUNDS)?;
    info!("bench wake_pingpong {}", cycles / u64::from(ROUNDS));
    Ok(())
}
