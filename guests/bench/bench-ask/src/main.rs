// SPDX-License-Identifier: BSD-2-Clause
//! What a question and its answer take between two guests that wait for each other, 16 and 64 bytes each
//! way: the side that asks and measures.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::{error::Error, hint::black_box};

use userland::{channel::Exchange, info, introspect, start::Start, time::Instant, wake::Mailbox};

const WARM_UP: u64 = 100;
const ROUNDS: u64 = 10_000;

#[userland::entrypoint]
fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let region = start.region("talk").ok_or("the spec gives me no talk")?;
    let mut exchange = Exchange::asking(&region, Mailbox::open()?)?;
    // The side that answers sends back what it was asked.
    measure::<16>("request_reply", &mut exchange)?;
    measure::<64>("request_reply_64b", &mut exchange)
}

fn measure<const N: usize>(name: &str, exchange: &mut Exchange) -> Result<(), Box<dyn Error>> {
    let question = [7; N];
    let mut answer = [0; N];
    let mut rounds = |count| {
        let begin = introspect::cycles();
        for _ in 0..count {
            let question: &[u8; N] = black_box(&question);
            exchange.ask(question, black_box(&mut answer), Instant::NEVER)?;
        }
        Ok::<_, Box<dyn Error>>(introspect::cycles() - begin)
    };
    rounds(WARM_UP)?;
    let cycles = rounds(ROUNDS)?;
    if answer != question {
        return Err("a wrong answer".into());
    }
    info!("bench {name} {}", cycles / ROUNDS);
    Ok(())
}
