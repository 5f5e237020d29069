// SPDX-License-Identifier: BSD-2-Clause
//! Does jobs, one at a time: a job is a number, and done when the steps of its Collatz sequence are counted.
//!
//! The jobs come through the region `door`. With the argument `hang-at=N` it hangs in its Nth job.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, rc::Rc};
use core::{cell::Cell, error::Error};

use userland::{
    future::{Either, select},
    info,
    rpc::Server,
    start::Start,
    task::stopping,
};

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("door").ok_or("I was given no door")?;
    let hang_at: Option<u32> = start.value("hang-at").map(str::parse).transpose()?;
    let done = Rc::new(Cell::new(0));
    let count = done.clone();
    let server = Server::open(&door, start.name())?;
    let work = server.serve(move |job, _| {
        if hang_at == Some(count.get() + 1) {
            info!("hang in job {job}");
            hang();
        }
        count.update(|count| count + 1);
        async move { steps(job) }
    });
    match select(work, stopping()).await {
        Either::First(end) => match end? {},
        Either::Second(()) => info!("{} jobs done", done.get()),
    }
    Ok(())
}

/// How many steps it takes from a number to 1.
fn steps(number: u32) -> u32 {
    let mut number = u64::from(number.max(1));
    let mut steps = 0;
    while number != 1 {
        number = if number.is_multiple_of(2) {
            number / 2
        } else {
            3 * number + 1
        };
        steps += 1;
    }
    steps
}

/// What is wrong with this guest.
#[inline(never)]
fn hang() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
