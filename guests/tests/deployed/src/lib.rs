// SPDX-License-Identifier: BSD-2-Clause
//! What the service, who asks it, and who replaces it agree on.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, string::String};
use core::{error::Error, sync::atomic::Ordering, time::Duration};

use serde::{Deserialize, Serialize};
use userland::{
    Rights,
    future::{Either, select},
    info,
    rpc::{CallError, Client, Options},
    singleton::Service,
    start::Start,
    task::stopping,
};

/// A request: who asks, and the how manieth time.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Ask {
    /// Number of the client.
    pub client: u32,
    /// Number of its request, from 1.
    pub number: u32,
}

/// The answer: the request's number, and the version that answers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Told {
    /// As asked.
    pub number: u32,
    /// Of the service.
    pub version: String,
}

/// The ledger is a region that outlives the service. Its word for a client is the last request that was done: it
/// is done before it is answered.
pub const fn ledger(client: u32) -> u32 {
    8 * client
}

/// Beside it is the last that the client has an answer to.
pub const fn answered(client: u32) -> u32 {
    8 * client + 4
}

/// Asks the service again and again, until it is to stop, and keeps account of it.
///
/// # Errors
/// The service, or its ledger, is not as it is to be.
pub async fn ask(start: &Start) -> Result<(), Box<dyn Error>> {
    let number = |key| start.value(key).and_then(|value| value.parse().ok());
    let client: u32 = number("client").ok_or("no number")?;
    let window = start.region("ledger").ok_or("no ledger")?;
    let window = window.attach(Rights::READ_WRITE)?;
    let service: Service = start.capability("service").ok_or("no service")?;
    let options = Options::named(start.name()).patience(Duration::from_millis(300));
    let asker: Client<Ask, Told> = Client::look_up(&service, options).await?;
    let mut stop = Box::pin(stopping());
    let (mut asked, mut again) = (0, 0);
    let mut last = String::new();
    loop {
        let ask = Ask {
            client,
            number: asked + 1,
        };
        let call = async { asker.call(&ask).await };
        let told = match select(call, &mut stop).await {
            Either::First(told) => told,
            Either::Second(()) => break,
        };
        match told {
            Ok(told) => {
                asked += 1;
                if told.number != asked {
                    return Err(format!("{told:?} to {asked}").into());
                }
                let done = window.load(ledger(client), Ordering::Acquire)?;
                if done != asked {
                    return Err(format!("{asked} is answered, and {done} is done").into());
                }
                window.store(answered(client), asked, Ordering::Release)?;
                if told.version != last {
                    info!("{asked} is answered by version {}", told.version);
                    last = told.version;
                }
            }
            Err(CallError::Disconnected | CallError::Refused(_)) => {
                again += 1;
                // Whoever looked the service up just before its provider ended knocks in vain: then once more.
                let _ = asker.reconnect().await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    info!("{asked} requests are answered, {again} times it had to ask again");
    Ok(())
}
