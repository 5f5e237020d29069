// SPDX-License-Identifier: BSD-2-Clause
//! Sends back what comes, by TCP (RFC 862) and UDP.
//!
//! Its slot `net` is a channel with the net guest. It listens at the port of its argument `port=`, 7 if there is none.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, vec};
use core::error::Error;

use userland::{
    future::{Either3, select3},
    info,
    net::{self, Net, TcpListener, TcpStream, UdpSocket},
    start::Start,
    task::{spawn, stopping},
    warn,
};

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let port: u16 = start.value("port").unwrap_or("7").parse()?;
    let net = Net::open("net").await?;
    let listener = TcpListener::bind(&net, port).await?;
    let socket = UdpSocket::bind(&net, port).await?;
    info!("echoing at {}", listener.local());
    match select3(streams(listener), datagrams(socket), stopping()).await {
        Either3::First(error) | Either3::Second(error) => Err(error.into()),
        Either3::Third(()) => Ok(()),
    }
}

/// Takes connections until that does not go on.
async fn streams(mut listener: TcpListener) -> net::Error {
    loop {
        match listener.accept().await {
            Ok(stream) => {
                spawn(async move {
                    let peer = stream.peer_addr();
                    match echo(stream).await {
                        Ok(count) => info!("{peer} has had {count} bytes back"),
                        Err(error) => warn!("{peer}: {error}"),
                    }
                });
            }
            Err(error) => return error,
        }
    }
}

/// Sends back what comes to its end; how many bytes that were.
async fn echo(mut stream: TcpStream) -> Result<u64, net::Error> {
    let mut bytes = vec![0; 4096];
    let mut count = 0;
    loop {
        let len = stream.read(&mut bytes).await?;
        let Some(some @ [_, ..]) = bytes.get(..len) else {
            break;
        };
        stream.write_all(some).await?;
        count += some.len() as u64;
    }
    stream.close().await?;
    Ok(count)
}

/// Sends datagrams back until that does not go on.
async fn datagrams(mut socket: UdpSocket) -> net::Error {
    let mut bytes = vec![0; 1500];
    loop {
        let (len, peer) = match socket.recv_from(&mut bytes).await {
            Ok(datagram) => datagram,
            Err(error) => return error,
        };
        let sent = socket
            .send_to(bytes.get(..len).unwrap_or_default(), peer)
            .await;
        match sent {
            Ok(()) => {}
            // Nobody is there, or is not to be answered.
            Err(net::Error::Net(reason)) => warn!("{peer}: {reason}"),
            Err(error) => return error,
        }
    }
}
