// SPDX-License-Identifier: BSD-2-Clause
//! Supervises guests of the spec: starts them in order, starts them again when they end, asks them for their health,
//! and ends them in order. Its arguments say how ([`supervise::Policy`]); its slots are the guests, each under its own
//! name, and the channels with its clients. What it and these say to each other is in `atoll_abi::init`.
//!
//! When it is started again itself, it goes on with what runs: guests of the spec do not end with their starter.
//!
//! * `keeper`: the members, their processes, and what is done about them.
//! * `health`: asks a guest for its health.
//! * `door`: a client, and what it asks for.
//! * `flag`: what a task waits for until another raises it.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod door;
mod flag;
mod health;
mod keeper;

use alloc::{boxed::Box, format, rc::Rc};
use core::error::Error;

use supervise::Policy;
use userland::{
    future::{Either, select},
    start::Start,
    task::stopping,
    warn,
};

use keeper::Keeper;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let policy = Policy::parse(start.args())?;
    let doors = policy.doors.clone();
    let keeper = Rc::new(Keeper::new(policy, &start)?);
    for client in &doors {
        let Some(region) = start.region(&client.slot) else {
            warn!(
                "an argument says what `{0}` may do, and there is no channel in a slot of this name: let the spec give \
                 one to this guest and to the client",
                client.slot
            );
            continue;
        };
        door::open(&keeper, client, &region)
            .map_err(|error| format!("the client `{}`: {error}", client.slot))?;
    }
    userland::health::serve();
    match select(keeper.run(), stopping()).await {
        Either::First(error) => Err(error),
        // Its members go on: whoever ended it may start it again.
        Either::Second(()) => Ok(()),
    }
}
