// SPDX-License-Identifier: BSD-2-Clause
//! What a question and its answer take: the side that answers, with what it was asked (see `bench-ask`).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::error::Error;

use userland::{channel::Exchange, start::Start, time::Instant, wake::Mailbox};

#[userland::entrypoint]
fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let region = start.region("talk").ok_or("the spec gives me no talk")?;
    let mut exchange = Exchange::answering(&region, Mailbox::open()?)?;
    let mut message = [0; 64];
    while let Some(len) = exchange.next(&mut message, Instant::NEVER)? {
        // The length is known where it is sent from, as it is in most programs.
        match len {
            16 => exchange.send(message.first_chunk::<16>().ok_or("16 bytes")?)?,
            _ => exchange.send(&message)?,
        }
    }
    Ok(())
}
