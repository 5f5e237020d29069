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
    wake::{self, Mailbox, Task},
};

userland::entrypoint!(main);

const LINK: Task = Task(1);
const BELL: Task = Task(2);

const OFFSET_ROUNDS: u32 = 0;
const OFFSET_READY: u32 = 4;

fn main() -> Result<(), Error> {
    let start = Start::read()?;
    let link_region = start.region("link").ok_or(Error::NotFound)?;
    let bell = start.region("bell").ok_or(Error::NotFound)?;
    let link = link_region.attach(Rights::READ_WRITE)?;
    let rounds = link.word(OFFSET_ROUNDS)?;

    let mut mailbox = Mailbox::open()?;
    mailbox.listen(&link_region, LINK)?;
    mailbox.listen(&bell, BELL)?;
    let count = mailbox.wait_until(Instant::NEVER, || match rounds.load(Acquire) {
        0 => None,
        count => Some(count),
    })?;
    link.store(OFFSET_READY, 1, Release)?;
    wake::notify(&link_region)?;

    for _ in 0..count.unwrap_or(0) {
        mailbox.wait_for(BELL)?;
        wake::notify(&bell)?;
    }
    Ok(())
}
