// SPDX-License-Identifier: BSD-2-Clause
//! Makes a region, hands it to pong while both run, and sends messages through it: first as fast as
//! the two can wake each other, then one each second, for ever.
//!
//! Argument: `rounds=N`, the number of round trips at full speed.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::{convert::Infallible, time::Duration};

use ping_pong::{
    Failure,
    exchange::{Checksum, OFFSET_PING, OFFSET_PONG, Slot, word_of},
    link::Link,
};
use userland::{
    Rights,
    handle::{Capability as _, Terms},
    info,
    shm::Region,
    start::Start,
    time::Instant,
    wake::{self, Bells, Mailbox, Task},
};

const LINK: Task = Task(1);
const EXCHANGE: Task = Task(2);

const DEFAULT_ROUNDS: u32 = 10_000;
/// How long pong may take to answer, once the rounds are over.
const PATIENCE: Duration = Duration::from_secs(10);
/// Time between messages, once the rounds are over.
const PAUSE: Duration = Duration::from_secs(1);
/// Messages between two lines of the log, then.
const QUIET: u32 = 10;

#[userland::entrypoint]
fn main() -> Result<Infallible, Failure> {
    let start = Start::read()?;
    let rounds = match start.value("rounds") {
        None => DEFAULT_ROUNDS,
        Some(text) => text
            .parse()
            .map_err(|_| Failure::Missing("number in rounds="))?,
    };
    let link_region = start.region("link").ok_or(Failure::Missing("link"))?;
    let link_window = link_region.attach(Rights::READ_WRITE)?;
    let link = Link::new(&link_window);

    let exchange_region = Region::alloc(1)?;
    let exchange = exchange_region.attach(Rights::READ_WRITE)?;

    let mut mailbox = Mailbox::open()?;
    mailbox.listen(&link_region, LINK, Bells::ALL)?;
    mailbox.listen(&exchange_region, EXCHANGE, Bells::ALL)?;

    let token = exchange_region.share(Terms::once(Rights::READ_WRITE))?;
    let offer = link.offer(&token, rounds)?;
    wake::notify(&link_region, Bells::ALL)?;
    mailbox.wait_until(Instant::NEVER, || match link.is_taken(offer) {
        Ok(false) => None,
        other => Some(other),
    })?;
    info!("pong has attached the region that I made");

    let mut game = Game {
        region: &exchange_region,
        there: Slot::new(&exchange, OFFSET_PING)?,
        back: Slot::new(&exchange, OFFSET_PONG)?,
        mailbox,
        number: 0,
        checksum: Checksum::default(),
    };
    let quarter = rounds.div_ceil(4).max(1);
    for round in 1..=rounds {
        // A deadline is an alarm in the server: not for the rounds at full speed.
        game.round(Instant::NEVER)?;
        if round % quarter == 0 && round != rounds {
            info!("{round} of {rounds} round trips");
        }
    }
    info!("{rounds} round trips, checksum ok");

    let mut next = Instant::now();
    loop {
        for _ in 0..QUIET {
            next += PAUSE;
            game.mailbox.wait_until(next, || None::<Infallible>)?;
            game.round(next + PATIENCE)?;
        }
        info!("still serving: {} round trips, checksum ok", game.number);
    }
}

struct Game<'a> {
    region: &'a Region,
    there: Slot<'a>,
    back: Slot<'a>,
    mailbox: Mailbox,
    /// Of the last message.
    number: u32,
    checksum: Checksum,
}

impl Game<'_> {
    /// Sends the next message, sleeps until the answer is there, and checks it.
    fn round(&mut self, deadline: Instant) -> Result<(), Failure> {
        self.number = self.number.wrapping_add(1);
        let number = self.number;
        let word = word_of(number);
        let expected = self.checksum.add(word);
        self.there.put(number, word);
        wake::notify(self.region, Bells::ALL)?;
        let answer = self
            .mailbox
            .wait_until(deadline, || self.back.get(number).transpose())?
            .ok_or(Failure::NoAnswer(number))??;
        if answer != expected {
            return Err(Failure::WrongChecksum(number));
        }
        Ok(())
    }
}
