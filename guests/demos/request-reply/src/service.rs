// SPDX-License-Identifier: BSD-2-Clause
//! Who answers.

use alloc::boxed::Box;
use core::{error::Error, time::Duration};

use userland::{
    future::{Either, select},
    info,
    rpc::{Caller, Server},
    shm::Region,
    start::Start,
    task::stopping,
    time::sleep,
};

use crate::{Answer, Question};

pub async fn run(start: &Start, door: &Region) -> Result<(), Box<dyn Error>> {
    let server = Server::open(door, start.name())?;
    match select(server.serve(answer), stopping()).await {
        Either::First(end) => match end? {},
        Either::Second(()) => Ok(()),
    }
}

/// Answers one question. Meanwhile others are answered.
async fn answer(question: Question, caller: Caller) -> Answer {
    match question {
        Question::Add(a, b) => a.checked_add(b),
        Question::Divide(a, b) => a.checked_div(b),
        Question::Wait(milliseconds) => {
            let cancelled = Cancelled(&caller);
            sleep(Duration::from_millis(milliseconds.into())).await;
            core::mem::forget(cancelled);
            Some(0)
        }
        Question::Fail => panic!("{} wants it so", caller.name()),
    }
}

/// What is dropped when nobody waits for the answer any more.
struct Cancelled<'a>(&'a Caller);

impl Drop for Cancelled<'_> {
    fn drop(&mut self) {
        info!("{} does not wait for its answer", self.0.name());
    }
}
