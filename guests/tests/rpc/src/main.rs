// SPDX-License-Identifier: BSD-2-Clause
//! Tries request and reply, and the logs of other guests, where they are to work. One scenario is one promise;
//! a line of the log says whether it holds. It starts itself again for the other parts, which the first
//! argument names.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod calls;
mod exchange;
mod hostile;
mod logs;
mod stage;

use drill::{Fault, scenarios};
use stage::Stage;
use userland::{exit::ExitCode, start::Start};

#[userland::entrypoint]
async fn main(start: Start) -> Result<ExitCode, Fault> {
    if let Some(role) = start.args().next() {
        return play(role, &start).await;
    }
    let stage = Stage::new(start)?;
    let failed = scenarios! { stage:
        "answers" => calls::answers,
        "many-clients" => calls::many_clients,
        "long-messages" => calls::long_messages,
        "deadlines" => calls::deadlines,
        "restart" => calls::restart,
        "by-name" => calls::by_name,
        "killed-in-between" => calls::killed_in_between,
        "limits" => calls::limits,
        "no-service" => calls::no_service,
        "speed" => calls::speed,
        "bad-hellos" => hostile::bad_hellos,
        "bad-clients" => hostile::bad_clients,
        "exchange" => exchange::exchange,
        "capture" => logs::capture,
        "three-guests" => logs::three_guests,
        "last-line" => logs::last_line,
    };
    Ok(ExitCode(failed))
}

async fn play(role: &str, start: &Start) -> Result<ExitCode, Fault> {
    match role {
        "service" => calls::service(start).await,
        "client" => calls::client(start).await,
        "floods" => hostile::floods(start).await,
        "rubbish" => hostile::rubbish(start).await,
        "asks" => exchange::asks(start),
        "answers" => exchange::answers(start),
        "speaks" => logs::speaks(start),
        "panics" => logs::panics(start),
        _ => Err(Fault::new("it does not know that role")),
    }
}
