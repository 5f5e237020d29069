// SPDX-License-Identifier: BSD-2-Clause
//! Finds out who answers.
//!
//! Its slot `net` is a channel with the net guest. Its arguments are hosts, by address or name, and perhaps `count=`,
//! how often each is asked: 3 if nothing is said.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format};
use core::{error::Error, time::Duration};

use userland::{
    info,
    net::{Net, Reason},
    start::Start,
    time::{sleep, timeout},
    warn,
};

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// Between two questions.
const PAUSE: Duration = Duration::from_millis(200);
/// Bytes of each.
const BYTES: u16 = 56;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let count: u32 = start.value("count").unwrap_or("3").parse()?;
    let net = Net::open("net").await?;
    let status = net.configured().await?;
    for subnet in &status.addresses {
        info!("my address is {subnet}");
    }
    let mut missing = 0;
    for host in start.args().filter(|arg| !arg.contains('=')) {
        match ping(&net, host, count).await {
            Ok(0) => {
                warn!("{host} does not answer");
                missing += 1;
            }
            Ok(answers) => info!("{host} has answered {answers} of {count} times"),
            Err(error) => {
                warn!("{host}: {error}");
                missing += 1;
            }
        }
    }
    match missing {
        0 => Ok(()),
        count => Err(format!("{count} did not answer").into()),
    }
}

/// Asks a host; how often it answered.
async fn ping(net: &Net, host: &str, count: u32) -> Result<u32, userland::net::Error> {
    let addresses = net.resolve(host).await?;
    let address = *addresses.first().ok_or(Reason::NameNotFound)?;
    let mut answers = 0;
    for number in 1..=count {
        if let Ok(time) = timeout(PATIENCE, net.ping(address, BYTES)).await {
            let time = time?;
            info!("{address}: answer {number} after {} us", time.as_micros());
            answers += 1;
        }
        sleep(PAUSE).await;
    }
    Ok(answers)
}
