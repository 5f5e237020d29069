// SPDX-License-Identifier: BSD-2-Clause
//! A service that writes down what it was asked, then answers with its version. Version 4 does not live long.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, string::String};
use core::{error::Error, sync::atomic::Ordering};

use deployed::{Ask, Told, ledger};
use userland::{
    Rights,
    future::{Either, select},
    info,
    rpc::Server,
    shm::Region,
    singleton::Service,
    start::Start,
    task::stopping,
};

/// Requests that version 4 answers.
const LIFE: u32 = 3;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let service: Service = start.capability("service").ok_or("no service")?;
    let window = start.region("ledger").ok_or("no ledger")?;
    let window = window.attach(Rights::READ_WRITE)?;
    let door = Region::alloc(1)?;
    let server = Server::<Ask, Told>::open(&door, start.name())?;
    // From when the one before withdraws or ends.
    service.stand_by(&door, Rights::READ_WRITE)?;
    info!("version {} is ready", start.version());
    let mut requests = server.requests();
    let mut stop = Box::pin(stopping());
    let mut done = 0;
    loop {
        let request = match select(requests.next(), &mut stop).await {
            Either::First(request) => request?,
            Either::Second(()) => {
                // First: who comes back finds the next version, not this one once more.
                service.withdraw()?;
                return Ok(());
            }
        };
        if start.version() == "4" && done == LIFE {
            panic!("version 4 was a mistake");
        }
        let Ask { client, number } = *request.value();
        window.store(ledger(client), number, Ordering::Release)?;
        request.reply(Told {
            number,
            version: String::from(start.version()),
        });
        done += 1;
    }
}
