// SPDX-License-Identifier: BSD-2-Clause
//! What it takes to wake another guest and be woken by it: the side that answers (see `bench-ping`).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::sync::atomic::Ordering::{Acquire, Release};

use userland::{
    Error, Rights,
    start::Start,
    time::Instant,
    wake::{self, Bells, Mailbox, Task},
};

const LINK: Task = Task(1);
const BELL: Task = Task(2);

const OFFSET_ROUNDS: u32 = 0;
const OFFSET_READY: u32 = 4;

#[userland::entrypoint]
fn main() -> Result<(), Error> {
    let start = Start::read()?;
    let link_region = start.region("link").ok_or(Error::NotFound)?;
    let bell = start.region("bell").ok_or(Error::NotFound)?;
    let link = link_region.attach(Rights::READ_WRITE)?;
    let rounds = link.word(OFFSET_ROUNDS)?;

    let mut mailbox = Mailbox::open()?;
    mailbox.listen(&link_region, LINK, Bells::ALL)?;
    mailbox.listen(&bell, BELL, Bells::ALL)?;
    let count = mailbox.wait_until(Instant::NEVER, || match rounds.load(Acquire) {
        0 => None,
        count => Some(count),
    })?;
    link.store(OFFSET_READY, 1, Release)?;
    wake::notify(&link_region, Bells::ALL)?;

    let count = count.unwrap_or(0);
    for _ in 0..count {
        mailbox.wait_for(BELL)?;
        wake::notify(&bell, Bells::ALL)?;
    }
    mailbox.wait_for(BELL)?;
    for _ in 1..count {
        mailbox.notify_wait(&bell, Bells::ALL, Instant::NEVER)?;
        while !mailbox.drain().any(|id| id == BELL) {
            mailbox.wait(Instant::NEVER)?;
        }
    }
    wake::notify(&bell, Bells::ALL)
}
