// SPDX-License-Identifier: BSD-2-Clause
//! Fetches what is at a URL, and tells the status, how many bytes there were and their SHA-256.
//!
//! Its slot `net` is a channel with the net guest. Its arguments are URLs, fetched one after the other, and perhaps
//! `show`: then the text is in the log, too.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::{error::Error, fmt::Write as _, time::Duration};

use http1::{Body, Length, Piece, Response, Url};
use sha2::{Digest as _, Sha256};
use userland::{
    error, info,
    net::{Net, TcpStream},
    start::Start,
    time::timeout,
};

/// How long there may be nothing new.
const PATIENCE: Duration = Duration::from_secs(30);

/// Most bytes that are shown.
const MAX_SHOWN: usize = 4096;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Box<dyn Error>> {
    let net = Net::open("net").await?;
    net.configured().await?;
    let shows = start.args().any(|arg| arg == "show");
    let mut failed = 0;
    for url in start.args().filter(|arg| arg.starts_with("http")) {
        match fetch(&net, url, shows).await {
            Ok(summary) => info!("{url}: {summary}"),
            Err(error) => {
                error!("{url}: {error}");
                failed += 1;
            }
        }
    }
    match failed {
        0 => Ok(()),
        count => Err(format!("{count} could not be fetched").into()),
    }
}

async fn fetch(net: &Net, url: &str, shows: bool) -> Result<String, Box<dyn Error>> {
    let url = Url::parse(url)?;
    let mut stream = timeout(PATIENCE, TcpStream::connect_to(net, url.host, url.port)).await??;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Atoll\r\nConnection: close\r\n\r\n",
        url.target, url.authority
    );
    stream.write_all(request.as_bytes()).await?;

    let mut kept = Vec::new();
    let response = loop {
        if read(&mut stream, &mut kept).await? == 0 {
            return Err("the server said nothing to the end".into());
        }
        match Response::parse(&kept)? {
            Some(response) if (100..200).contains(&response.code) => {
                kept.drain(..response.head);
            }
            Some(response) => break response,
            None => {}
        }
    };
    kept.drain(..response.head);

    let mut body = Body::new(response.length, u64::MAX);
    let mut hash = Sha256::new();
    let (mut len, mut text) = (0, Vec::new());
    loop {
        let mut taken = 0;
        while let Some(rest) = kept.get(taken..).filter(|rest| !rest.is_empty()) {
            let (some, piece) = body.take(rest).map_err(|status| format!("{status}"))?;
            taken += some;
            match piece {
                Piece::Data(bytes) => {
                    hash.update(bytes);
                    len += bytes.len();
                    let room = MAX_SHOWN.saturating_sub(text.len());
                    text.extend(bytes.iter().take(room));
                }
                Piece::Nothing => {}
                Piece::End => break,
            }
        }
        kept.clear();
        if body.is_over() {
            break;
        }
        if read(&mut stream, &mut kept).await? == 0 {
            if body.may_end() && response.length == Length::UntilClose {
                break;
            }
            return Err(format!("the server stopped after {len} bytes").into());
        }
    }
    if shows {
        for line in String::from_utf8_lossy(&text).lines() {
            info!("{line}");
        }
    }
    let mut summary = format!("status {}, {len} bytes, sha256 ", response.code);
    for byte in hash.finalize() {
        // Writing to a string does not fail.
        let _ = write!(summary, "{byte:02x}");
    }
    Ok(summary)
}

/// Takes what has come; how many bytes.
async fn read(stream: &mut TcpStream, kept: &mut Vec<u8>) -> Result<usize, Box<dyn Error>> {
    let Some(chunk) = timeout(PATIENCE, stream.chunk()).await?? else {
        return Ok(0);
    };
    let (begin, len) = (kept.len(), chunk.len());
    kept.resize(begin + len as usize, 0);
    // There are as many.
    let _ = chunk.read_at(0, kept.get_mut(begin..).unwrap_or_default());
    chunk.consume(len);
    Ok(len as usize)
}
