// SPDX-License-Identifier: BSD-2-Clause
//! Answers what the other end of the network benchmark sends, and counts what that costs the whole machine:
//! datagrams to the echo port (RFC 862), streams that are discarded (RFC 863), and streams that are generated
//! (RFC 864). The native task that is compared does the same (`wasm-server/platform/sel4/src/bench/net.rs`).
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, vec};
use core::error::Error;

use userland::{
    future::{Either3, select3},
    info,
    introspect::instructions,
    net::{self, Net, Options, TcpListener, TcpStream, UdpSocket},
};

const ECHO: u16 = 7;
const DISCARD: u16 = 9;
const GENERATE: u16 = 19;
/// Pages of a connection's buffer: as much as the native task has.
const PAGES: u32 = 2;

/// Rounds of an echo before it is measured, and when it is.
const ECHO_WARM_UP: u64 = 100;
const ECHOES: u64 = 1000;
/// KiB of a stream before it is measured, and when it is.
const STREAM_WARM_UP: u64 = 1024;
const STREAM: u64 = 8 * 1024;

#[userland::entrypoint]
async fn main(start: userland::start::Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("net").ok_or(net::Error::NoDoor)?;
    let net = Net::at(&door, Options::named(start.name()).pages(PAGES)).await?;
    let socket = UdpSocket::bind(&net, ECHO).await?;
    let discard = TcpListener::bind(&net, DISCARD).await?;
    let generate = TcpListener::bind(&net, GENERATE).await?;
    info!("ready");
    match select3(echo(socket), take(discard), make(generate)).await {
        Either3::First(error) | Either3::Second(error) | Either3::Third(error) => Err(error.into()),
    }
}

/// A figure that is taken once so much has gone by.
struct Meter {
    name: &'static str,
    warm_up: u64,
    count: u64,
    done: u64,
    begin: u32,
}

impl Meter {
    const fn new(name: &'static str, warm_up: u64, count: u64) -> Self {
        Self {
            name,
            warm_up,
            count,
            done: 0,
            begin: 0,
        }
    }

    const fn of_stream(name: &'static str) -> Self {
        Self::new(name, STREAM_WARM_UP * 1024, STREAM * 1024)
    }

    /// Adds to what has gone by; the figure is for as much as `per`.
    fn add(&mut self, amount: u64, per: u64) {
        let before = self.done;
        self.done += amount;
        let reaches = |mark| before < mark && self.done >= mark;
        if reaches(self.warm_up) {
            self.begin = instructions();
        }
        if reaches(self.warm_up + self.count) {
            let spent = instructions().wrapping_sub(self.begin);
            info!(
                "bench {} {}",
                self.name,
                u64::from(spent) * per / self.count
            );
        }
    }
}

async fn echo(mut socket: UdpSocket) -> net::Error {
    let mut meter = Meter::new("net_udp_echo", ECHO_WARM_UP, ECHOES);
    let mut bytes = vec![0; 2048];
    loop {
        let (len, peer) = match socket.recv_from(&mut bytes).await {
            Ok(datagram) => datagram,
            Err(error) => return error,
        };
        let answer = bytes.get(..len).unwrap_or_default();
        if let Err(error) = socket.send_to(answer, peer).await {
            return error;
        }
        meter.add(1, 1);
    }
}

async fn take(mut listener: TcpListener) -> net::Error {
    loop {
        let Err(error) = take_one(&mut listener).await else {
            continue;
        };
        return error;
    }
}

async fn take_one(listener: &mut TcpListener) -> Result<(), net::Error> {
    let mut stream: TcpStream = listener.accept().await?;
    let mut meter = Meter::of_stream("net_tcp_stream");
    while let Some(chunk) = stream.chunk().await? {
        let len = chunk.len();
        chunk.consume(len);
        meter.add(u64::from(len), 1024);
    }
    stream.close().await
}

async fn make(mut listener: TcpListener) -> net::Error {
    let pattern = vec![0x5a; 16 * 1024];
    loop {
        let mut stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => return error,
        };
        let mut meter = Meter::of_stream("net_tcp_send");
        // Until the other end has had enough.
        while let Ok(len) = stream.write(&pattern).await {
            meter.add(len as u64, 1024);
        }
    }
}
