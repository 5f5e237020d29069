// SPDX-License-Identifier: BSD-2-Clause
//! Serves a page, bytes, echoes and files by HTTP/1.1.
//!
//! Its slot `net` is a channel with the net guest. It listens at the port of its argument `port=`, 80 if there is none. If
//! it has a slot `fs`, that is a channel with the fs guest, and the first directory that it is given there is `/files/`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod connection;
mod files;
mod visitors;

use alloc::{boxed::Box, rc::Rc};
use core::{cell::OnceCell, convert::Infallible, error::Error, time::Duration};

use userland::{
    future::{Either, select},
    health, info,
    net::{Error as NetError, Net, Reason, TcpListener},
    start::Start,
    task::{spawn, stopping},
    time::sleep,
    warn,
};

use files::Files;
use visitors::Visitors;

/// Connections that wait to be accepted.
const BACKLOG: u16 = 64;

/// How long it waits before it accepts again, after it could not.
const PAUSE: Duration = Duration::from_millis(100);

/// How long it waits before it asks for files again.
const RETRY: Duration = Duration::from_secs(1);

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    health::serve();
    match select(run(&start), stopping()).await {
        Either::First(end) => end,
        Either::Second(()) => Ok(()),
    }
}

async fn run(start: &Start) -> Result<(), Box<dyn Error>> {
    let port: u16 = start.value("port").unwrap_or("80").parse()?;
    let visitors = Rc::new(Visitors::new());
    // The site is there while the disk is looked at, and without one, too.
    let disk = Rc::new(OnceCell::new());
    spawn(open_files(disk.clone()));
    // What was last in the way: said once.
    let mut told = None;
    loop {
        match serve(port, &visitors, &disk, &mut told).await {
            // The net guest has ended: one that is started again knows nothing of this one. Or the door was taken, and
            // is given back perhaps.
            Err(error @ (NetError::Gone | NetError::Call(_) | NetError::Connect(_))) => {
                if told.replace(error) != Some(error) {
                    warn!("{error}: listens again when it is there");
                }
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Serves for as long as the net guest is there.
async fn serve(
    port: u16,
    visitors: &Rc<Visitors>,
    disk: &Rc<OnceCell<Files>>,
    told: &mut Option<NetError>,
) -> Result<Infallible, NetError> {
    let net = Net::open("net").await?;
    let mut listener = TcpListener::bind_with_backlog(&net, port, BACKLOG).await?;
    *told = None;
    info!("serving at {}", listener.local());
    spawn(tell_addresses(net.clone()));
    loop {
        match listener.accept().await {
            Ok(stream) => {
                *told = None;
                let (visitors, disk) = (visitors.clone(), disk.clone());
                spawn(async move {
                    let visit = visitors.enter(stream.peer_addr());
                    connection::serve(stream, &visitors, disk.get()).await;
                    drop(visit);
                });
            }
            // The net guest is busy, or somebody has withdrawn the rule that allows it.
            Err(error @ NetError::Net(reason)) if reason != Reason::Closed => {
                if told.replace(error) != Some(error) {
                    warn!("cannot accept: {reason}");
                }
                sleep(PAUSE).await;
            }
            Err(error) => return Err(error),
        }
    }
}

/// Opens the directory of files, as soon as the fs guest gives it.
async fn open_files(disk: Rc<OnceCell<Files>>) {
    loop {
        match Files::open().await {
            Ok(Some(files)) => {
                info!("/files/ is on the disk");
                let _ = disk.set(files);
                return;
            }
            Ok(None) => return,
            Err(error) => {
                warn!("no files: {error}");
                sleep(RETRY).await;
            }
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
