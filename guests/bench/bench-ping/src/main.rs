// SPDX-License-Identifier: BSD-2-Clause
//! What it takes to wake another guest and be woken by it: the side that starts and measures.
//!
//! The two agree over the channel `link`: word 0 is the number of rounds, word 4 says that pong
//! listens. What is measured goes over a bell of `bell`, which nobody else rings: so there is exactly one
//! wake each way in a round. First each rings and waits in separate calls, then in one.
//!
//! With the argument `across` pong is in another process server, and nothing else is measured in that machine.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::{Acquire, Release};

use userland::{
    Error, Rights, info, introspect,
    start::Start,
    time::Instant,
    wake::{self, Bells, Mailbox, Task},
};

const LINK: Task = Task(1);
const BELL: Task = Task(2);

const OFFSET_ROUNDS: u32 = 0;
const OFFSET_READY: u32 = 4;

const WARM_UP: u32 = 100;
const ROUNDS: u32 = 10_000;

#[userland::entrypoint]
fn main() -> Result<(), Error> {
    let start = Start::read()?;
    let link_region = start.region("link").ok_or(Error::NotFound)?;
    let bell = start.region("bell").ok_or(Error::NotFound)?;
    let link = link_region.attach(Rights::READ_WRITE)?;
    let ready = link.word(OFFSET_READY)?;

    let mut mailbox = Mailbox::open()?;
    mailbox.listen(&link_region, LINK, Bells::ALL)?;
    mailbox.listen(&bell, BELL, Bells::ALL)?;
    link.store(OFFSET_ROUNDS, WARM_UP + ROUNDS, Release)?;
    wake::notify(&link_region, Bells::ALL)?;
    mailbox.wait_until(Instant::NEVER, || (ready.load(Acquire) != 0).then_some(()))?;

    let separate = cost(|| {
        wake::notify(&bell, Bells::ALL)?;
        mailbox.wait_for(BELL)
    })?;
    let together = cost(|| {
        mailbox.notify_wait(&bell, Bells::ALL, Instant::NEVER)?;
        while !mailbox.drain().any(|id| id == BELL) {
            mailbox.wait(Instant::NEVER)?;
        }
        Ok(())
    })?;
    if start.args().next() == Some("across") {
        info!("bench pingpong_across_servers {together}");
        info!("bench pingpong_across_servers_separate {separate}");
        info!("bench done");
    } else {
        info!("bench wake_pingpong {together}");
        info!("bench wake_pingpong_separate {separate}");
    }
    Ok(())
}

/// Cycles of a round.
fn cost(mut round: impl FnMut() -> Result<(), Error>) -> Result<u64, Error> {
    let mut rounds = |count| {
        let begin = introspect::cycles();
        for _ in 0..count {
            round()?;
        }
        Ok::<_, Error>(introspect::cycles() - begin)
    };
    rounds(WARM_UP)?;
    Ok(rounds(ROUNDS)? / u64::from(ROUNDS))
}
