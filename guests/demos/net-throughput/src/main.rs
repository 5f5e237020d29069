// SPDX-License-Identifier: BSD-2-Clause
//! Takes bytes and makes bytes, as fast as it can: TCP's services discard (RFC 863) at port 9 and character generator
//! (RFC 864) at port 19. What goes through the network, and nothing else, is what they measure.
//!
//! Its slot `net` is a channel with the net guest.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::boxed::Box;
use core::{error::Error, future::Future};

use userland::{
    future::{Either3, select3},
    info,
    net::{self, Net, Options, TcpListener, TcpStream},
    start::Start,
    task::{spawn, stopping},
    time::Instant,
};

const DISCARD: u16 = 9;
const GENERATOR: u16 = 19;

/// Of each connection's buffer.
const PAGES: u32 = 8;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let door = start.region("net").ok_or(net::Error::NoDoor)?;
    let options = Options::named(start.name()).pages(PAGES);
    let net = Net::at(&door, options).await?;
    let discard = TcpListener::bind(&net, DISCARD).await?;
    let generator = TcpListener::bind(&net, GENERATOR).await?;
    info!("ready");
    let served = select3(
        serve(discard, "taken", take),
        serve(generator, "made", make),
        stopping(),
    );
    match served.await {
        Either3::First(error) | Either3::Second(error) => Err(error.into()),
        Either3::Third(()) => Ok(()),
    }
}

/// Serves clients until that does not go on; tells how much each has had.
async fn serve<F>(
    mut listener: TcpListener,
    what: &'static str,
    work: fn(TcpStream) -> F,
) -> net::Error
where
    F: Future<Output = u64> + 'static,
{
    loop {
        let stream = match listener.accept().await {
            Ok(stream) => stream,
            Err(error) => return error,
        };
        spawn(async move {
            let (peer, begin) = (stream.peer_addr(), Instant::now());
            let bytes = work(stream).await;
            let micros = begin.elapsed().as_micros().max(1) as u64;
            // Bytes per microsecond, and two places behind the point.
            let hundredths = bytes.saturating_mul(100) / micros;
            info!(
                "{peer}: {bytes} bytes {what} in {} ms, {}.{:02} MB/s",
                micros / 1000,
                hundredths / 100,
                hundredths % 100
            );
        });
    }
}

/// Takes bytes to their end, and does not look at them.
async fn take(mut stream: TcpStream) -> u64 {
    let mut count = 0;
    while let Ok(Some(chunk)) = stream.chunk().await {
        let len = chunk.len();
        count += u64::from(len);
        chunk.consume(len);
    }
    count
}

/// Makes bytes until nobody wants them any more.
async fn make(mut stream: TcpStream) -> u64 {
    // A line of 72 printable characters and its end, as RFC 864 suggests, and the same line again.
    const LINE: &[u8; 74] =
        b" !\"#$%&'()*+,-./0123456789:;<=>?@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_`abcdefg\r\n";
    const LINES: usize = 440;
    static TEXT: [u8; LINE.len() * LINES] = {
        let mut text = [0; LINE.len() * LINES];
        let mut at = 0;
        while at < text.len() {
            text[at] = LINE[at % LINE.len()];
            at += 1;
        }
        text
    };
    let mut count = 0;
    while let Ok(mut room) = stream.reserve(TEXT.len() as u32).await {
        let len = room.len() as usize;
        // It is as long.
        let _ = room.write(0, TEXT.get(..len).unwrap_or_default());
        room.commit();
        count += len as u64;
    }
    count
}
