// SPDX-License-Identifier: BSD-2-Clause
//! Serves a page, bytes and echoes by HTTP/1.1.
//!
//! Its slot `net` is a channel with the net guest. It listens at the port of its argument `port=`, 80 if there is none.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod connection;
mod visitors;

use alloc::{boxed::Box, rc::Rc};
use core::{error::Error, time::Duration};

use userland::{
    future::{Either, select},
    info,
    net::{Net, Reason, TcpListener},
    start::Start,
    task::{spawn, stopping},
    time::sleep,
    warn,
};

use visitors::Visitors;

/// Connections that wait to be accepted.
const BACKLOG: u16 = 64;

/// How long it waits before it accepts again, after it could not.
const PAUSE: Duration = Duration::from_millis(100);

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    match select(run(&start), stopping()).await {
        Either::First(end) => end,
        Either::Second(()) => Ok(()),
    }
}

async fn run(start: &Start) -> Result<(), Box<dyn Error>> {
    let port: u16 = start.value("port").unwrap_or("80").parse()?;
    let net = Net::open("net").await?;
    let mut listener = TcpListener::bind_with_backlog(&net, port, BACKLOG).await?;
    info!("serving at {}", listener.local());
    spawn(tell_addresses(net.clone()));
    let visitors = Rc::new(Visitors::new());
    loop {
        match listener.accept().await {
            Ok(stream) => {
                let visitors = visitors.clone();
                spawn(async move {
                    let visit = visitors.enter(stream.peer_addr());
                    connection::serve(stream, &visitors).await;
                    drop(visit);
                });
            }
            // The net guest is busy, or is about to be there again.
            Err(userland::net::Error::Net(reason)) if reason != Reason::Closed => {
                warn!("cannot accept: {reason}");
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Says where the site is, once the net guest knows.
async fn tell_addresses(net: Net) {
    if let Ok(status) = net.configured().await {
        for subnet in &status.addresses {
            info!("my address is {}", subnet.address);
        }
    }
}
