// SPDX-License-Identifier: BSD-2-Clause
//! Supervises guests of the spec: starts them in order, starts them again when they end, asks them for their health,
//! and ends them in order. Its arguments say how ([`supervise::Policy`]); its slots are the guests, each under its own
//! name, and the channels with its clients. What it and these say to each other is in `atoll_abi::init`.
//!
//! When it is started again itself, it goes on with what runs: guests of the spec do not end with their starter. One
//! under another supervisor ends them first when it is asked to end, or gives up.
//!
//! * `keeper`: the members, their processes, and what is done about them.
//! * `health`: asks a guest for its health.
//! * `door`: a client, and what it asks for.
//! * `flag`: what a task waits for until another raises it.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod door;
mod flag;
mod health;
mod keeper;

use alloc::{boxed::Box, format, rc::Rc};
use core::{error::Error, pin::pin};

use supervise::Policy;
use userland::{
    future::{Either, select},
    info,
    start::Start,
    task::stopping,
    warn,
};

use keeper::Keeper;

/// Why a supervisor ends.
pub type Failure = Box<dyn Error>;

/// Where a supervisor is in the tree.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    /// Nobody is above it: its members go on without it. It ends the system with this switch, which answers only if
    /// it does nothing.
    Top(fn() -> userland::Error),
    /// It is a member of another one: no member is left without it.
    BelowAnother,
}

/// Supervises, as the arguments say.
///
/// # Errors
/// Wrong arguments, slots that are not there; restarts that come too often.
pub async fn run(start: Start, place: Place) -> Result<(), Failure> {
    let policy = Policy::parse(start.args())?;
    let doors = policy.doors.clone();
    let keeper = Rc::new(Keeper::new(policy, &start, place)?);
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
    let mut run = pin!(keeper.run());
    match (select(run.as_mut(), stopping()).await, place) {
        (Either::First(end), _) => end,
        // Whoever ended it may start it again.
        (Either::Second(()), Place::Top(_)) => Ok(()),
        // Nobody would end them in order after it.
        (Either::Second(()), Place::BelowAnother) => {
            info!("ends, and its members before that");
            keeper.with(|it| it.leave());
            keeper.nudge();
            run.await
        }
    }
}
