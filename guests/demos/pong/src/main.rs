// SPDX-License-Identifier: BSD-2-Clause
//! Takes up the region that ping made and answers its messages, for ever.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::{convert::Infallible, time::Duration};

use ping_pong::{
    Failure,
    exchange::{Checksum, OFFSET_PING, OFFSET_PONG, Slot},
    link::{Link, Offer},
};
use userland::{
    Error, Rights,
    handle::{self, Capability as _},
    info,
    shm::Region,
    start::Start,
    time::Instant,
    wake::{self, Bells, Mailbox, Task},
    warn,
};

const LINK: Task = Task(1);
const EXCHANGE: Task = Task(2);

/// How long ping may be silent before the log says so, once its rounds are over.
const PATIENCE: Duration = Duration::from_secs(10);
/// Messages between two lines of the log, then: ping sends one each second.
const QUIET: u32 = 10;

#[userland::entrypoint]
fn main() -> Result<Infallible, Failure> {
    let start = Start::read()?;
    let link_region = start.region("link").ok_or(Failure::Missing("link"))?;
    let link_window = link_region.attach(Rights::READ_WRITE)?;
    let link = Link::new(&link_window);
    let mut mailbox = Mailbox::open()?;
    mailbox.listen(&link_region, LINK, Bells::ALL)?;
    loop {
        let offer = mailbox.wait_until(Instant::NEVER, || link.new_offer().transpose())?;
        let Some(offer) = offer else { continue };
        let offer = offer?;
        let region = match handle::accept::<Region>(&offer.token) {
            // Ping has come and gone since; it will make another offer when it is back.
            Err(Error::BadToken) => {
                link.take(offer.number)?;
                continue;
            }
            other => other?,
        };
        match serve(&region, &offer, &link_region, &link, &mut mailbox) {
            // When ping ends, so does its region, and the window onto it shows zeros.
            Err(_) if wake::notify(&region, Bells::ALL) == Err(Error::Revoked) => {
                info!("ping is gone")
            }
            other => other?,
        }
        // Frees its place in the table of handles.
        region.close()?;
    }
}

/// What pong waits for.
enum Event {
    /// The next message of ping, with this word.
    Message(u32),
    /// Ping was started again and has a new exchange.
    Offer,
}

/// Answers messages until ping makes another offer.
fn serve(
    region: &Region,
    offer: &Offer,
    link_region: &Region,
    link: &Link<'_>,
    mailbox: &mut Mailbox,
) -> Result<(), Failure> {
    let window = region.attach(Rights::READ_WRITE)?;
    let there = Slot::new(&window, OFFSET_PING)?;
    let back = Slot::new(&window, OFFSET_PONG)?;
    mailbox.listen(region, EXCHANGE, Bells::ALL)?;
    link.take(offer.number)?;
    wake::notify(link_region, Bells::ALL)?;
    info!("attached the region that ping made");

    let mut checksum = Checksum::default();
    let mut number = 0_u32;
    loop {
        let next = number.wrapping_add(1);
        // A deadline is an alarm in the server: not for the rounds at full speed.
        let deadline = if number < offer.rounds {
            Instant::NEVER
        } else {
            Instant::now() + PATIENCE
        };
        let event = mailbox.wait_until(deadline, || event(there, next, link).transpose())?;
        match event.transpose()? {
            Some(Event::Message(word)) => back.put(next, checksum.add(word)),
            Some(Event::Offer) => return Ok(()),
            None => {
                warn!("no message from ping for {} s", PATIENCE.as_secs());
                continue;
            }
        }
        wake::notify(region, Bells::ALL)?;
        number = next;
        if number == offer.rounds {
            info!("answered {number} messages");
        } else if number > offer.rounds && (number - offer.rounds).is_multiple_of(QUIET) {
            info!("still answering: {number} messages");
        }
    }
}

fn event(there: Slot<'_>, next: u32, link: &Link<'_>) -> Result<Option<Event>, Failure> {
    if let Some(word) = there.get(next)? {
        return Ok(Some(Event::Message(word)));
    }
    Ok(link.new_offer()?.map(|_| Event::Offer))
}
