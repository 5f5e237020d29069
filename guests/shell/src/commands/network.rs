// SPDX-License-Identifier: BSD-2-Clause
//! The network.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString as _},
    vec,
    vec::Vec,
};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use http1::{Body, Length, Piece, Response, Url};
use userland::{
    future::{Either, select},
    net::{Net, ReadHalf, TcpListener, TcpStream, UdpSocket, WriteHalf},
    time::{sleep, timeout},
};

use super::Call;
use crate::{
    failure::{About as _, Done, Failure},
    pipeline,
    stream::{Sink, Source},
};

/// How long a host has to answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long `nc -u` waits for an answer when nothing more comes in.
const QUIET: Duration = Duration::from_secs(1);
/// Longest head of an answer.
const MAX_HEAD: usize = 64 << 10;

/// The first address of a host.
async fn address(net: &Net, host: &str) -> Result<IpAddr, Failure> {
    let found = timeout(PATIENCE, net.resolve(host)).await.about(host)?;
    let found = found.about(host)?;
    found
        .first()
        .copied()
        .ok_or_else(|| Failure::new(format_args!("{host} has no address")))
}

pub async fn ip(mut call: Call) -> Done {
    call.nothing()?;
    let net = call.session.shell.net().await?;
    let status = net.status().await?;
    let mut out = String::new();
    let mac: Vec<String> = status
        .mac
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let link = if status.has_link { "up" } else { "down" };
    out += &format!(
        "link {link}, {}, packets of {} bytes\n",
        mac.join(":"),
        status.mtu
    );
    for subnet in &status.addresses {
        out += &format!("address {subnet}\n");
    }
    for router in &status.routers {
        out += &format!("router {router}\n");
    }
    for server in &status.name_servers {
        out += &format!("name server {server}\n");
    }
    call.output.print(&out).await
}

pub async fn ping(mut call: Call) -> Done {
    let options = call.options("c:")?;
    let [host] = options.args.as_slice() else {
        return Err(Failure::Misused("it takes one host".into()));
    };
    let count = options.number('c')?.unwrap_or(4);
    let net = call.session.shell.net().await?;
    let address = address(&net, host).await?;
    let mut answered = 0;
    for n in 1..=count {
        let line = match timeout(Duration::from_secs(2), net.ping(address, 56)).await {
            Ok(Ok(took)) => {
                answered += 1;
                let took = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                format!(
                    "{address}: reply {n} after {}",
                    shell_language::Duration(took)
                )
            }
            Ok(Err(error)) => return Err(error.into()),
            Err(_) => format!("{address}: no reply {n} within 2 seconds"),
        };
        call.output.line(&line).await?;
        if n < count {
            sleep(Duration::from_secs(1)).await;
        }
    }
    call.output
        .line(&format!("{answered} of {count} answered"))
        .await?;
    if answered == count {
        Ok(())
    } else {
        Err(Failure::Quiet)
    }
}

pub async fn nc(mut call: Call) -> Done {
    let options = call.options("ul")?;
    let port = |text: &str| {
        let port = text.parse::<u16>().ok().filter(|port| *port > 0);
        port.ok_or_else(|| Failure::Misused(format!("`{text}` is no port")))
    };
    let net = call.session.shell.net().await?;
    match (options.args.as_slice(), options.has('l'), options.has('u')) {
        ([text], true, false) => {
            let port = port(text)?;
            let mut listener = TcpListener::bind(&net, port).await?;
            call.say(&format!("listening at port {port}\n")).await;
            let stream = listener.accept().await?;
            drop(listener);
            call.say(&format!("{} is connected\n", stream.peer_addr()))
                .await;
            both_ways(&mut call, stream).await
        }
        ([host, text], false, false) => {
            let port = port(text)?;
            let stream = timeout(PATIENCE, TcpStream::connect_to(&net, host, port)).await??;
            both_ways(&mut call, stream).await
        }
        ([text], true, true) => {
            let socket = UdpSocket::bind(&net, port(text)?).await?;
            datagrams(&mut call, socket, None).await
        }
        ([host, text], false, true) => {
            let peer = SocketAddr::new(address(&net, host).await?, port(text)?);
            let socket = UdpSocket::bind(&net, 0).await?;
            datagrams(&mut call, socket, Some(peer)).await
        }
        _ => Err(Failure::Misused(
            "a host and a port belong behind it, with -l a port".into(),
        )),
    }
}

/// What comes in goes to the other side, and what comes from there goes out, until that ends.
async fn both_ways(call: &mut Call, stream: TcpStream) -> Done {
    let (read, write) = stream.into_split();
    let input = core::mem::replace(&mut call.input, Source::Nothing);
    let there = Box::pin(there(input, write));
    let back = Box::pin(back(read, &mut call.output));
    match select(there, back).await {
        Either::First(done) | Either::Second(done) => done,
    }
}

async fn there(mut input: Source, mut write: WriteHalf) -> Done {
    let mut bytes = Vec::new();
    while input.read(&mut bytes).await? {
        write.write_all(&bytes).await?;
        bytes.clear();
    }
    write.shutdown();
    // The other side may go on.
    core::future::pending().await
}

async fn back(mut read: ReadHalf, output: &mut Sink) -> Done {
    let mut bytes = vec![0; 4096];
    loop {
        match read.read(&mut bytes).await? {
            0 => return Ok(()),
            len => output.write(bytes.get(..len).unwrap_or_default()).await?,
        }
    }
}

/// Each piece that comes in is a datagram: to this peer, or to whoever was heard of last.
async fn datagrams(call: &mut Call, mut socket: UdpSocket, to: Option<SocketAddr>) -> Done {
    let mut last = to;
    let mut ended = false;
    loop {
        let mut typed = Vec::new();
        let mut bytes = vec![0; 2048];
        let input = &mut call.input;
        let next = async {
            if ended {
                sleep(QUIET).await;
                return Ok(false);
            }
            input.read(&mut typed).await
        };
        match select(next, socket.recv_from(&mut bytes)).await {
            Either::First(Ok(true)) => {
                if let Some(peer) = last {
                    for piece in typed.chunks(1024) {
                        socket.send_to(piece, peer).await?;
                    }
                }
            }
            Either::First(Ok(false)) if ended => return Ok(socket.close().await?),
            Either::First(Ok(false)) => ended = true,
            Either::First(Err(failure)) => return Err(failure),
            Either::Second(received) => {
                let (len, peer) = received?;
                last = to.or(Some(peer));
                let received = bytes.get(..len).unwrap_or_default();
                call.output.write(received).await?;
            }
        }
    }
}

pub async fn fetch(mut call: Call) -> Done {
    let options = call.options("o:")?;
    let [url] = options.args.as_slice() else {
        return Err(Failure::Misused("it takes one URL".into()));
    };
    let url = Url::parse(url)?;
    let net = call.session.shell.net().await?;
    let connect = TcpStream::connect_to(&net, url.host, url.port);
    let mut stream = timeout(PATIENCE, connect).await??;
    let request = format!(
        "GET {} HTTP/1.1\r\nHost: {}\r\nUser-Agent: Atoll\r\nConnection: close\r\n\r\n",
        url.target, url.authority
    );
    stream.write_all(request.as_bytes()).await?;
    let mut kept = Vec::new();
    let response = loop {
        if !more(&mut stream, &mut kept).await? {
            return Err(Failure::new("the server said nothing to the end"));
        }
        if kept.len() > MAX_HEAD {
            return Err(Failure::new("the head of the answer is too long"));
        }
        match Response::parse(&kept) {
            Ok(Some(response)) if (100..200).contains(&response.code) => {
                kept.drain(..response.head);
            }
            Ok(Some(response)) => break response,
            Ok(None) => {}
            Err(error) => return Err(Failure::new(error)),
        }
    };
    kept.drain(..response.head);
    let is_found = (200..300).contains(&response.code);
    let mut file = match options.value('o') {
        Some(path) if is_found => Some(pipeline::create(&call.session, path, false).await?),
        _ => None,
    };
    let mut body = Body::new(response.length, u64::MAX);
    let mut len = 0;
    loop {
        let mut taken = 0;
        while let Some(rest) = kept.get(taken..).filter(|rest| !rest.is_empty()) {
            let (some, piece) = body
                .take(rest)
                .map_err(|status| Failure::new(status.to_string()))?;
            taken += some;
            match piece {
                Piece::Data(bytes) => {
                    len += bytes.len();
                    let to = file.as_mut().unwrap_or(&mut call.output);
                    to.write(bytes).await?;
                }
                Piece::Nothing => {}
                Piece::End => break,
            }
        }
        kept.clear();
        if body.is_over() {
            break;
        }
        if !more(&mut stream, &mut kept).await? {
            if body.may_end() && response.length == Length::UntilClose {
                break;
            }
            return Err(Failure::new(format_args!(
                "the server stopped after {len} bytes"
            )));
        }
    }
    if !is_found {
        return Err(Failure::new(format_args!(
            "the server answers with status {}",
            response.code
        )));
    }
    if let Some(Sink::File(file, _)) = &file {
        file.sync().await?;
        call.output.line(&format!("{len} bytes")).await?;
    }
    Ok(())
}

/// Takes what has come; whether anything has.
async fn more(stream: &mut TcpStream, kept: &mut Vec<u8>) -> Result<bool, Failure> {
    let Some(chunk) = timeout(PATIENCE, stream.chunk()).await?? else {
        return Ok(false);
    };
    let (begin, len) = (kept.len(), chunk.len());
    kept.resize(begin + len as usize, 0);
    // There are as many.
    let _ = chunk.read_at(0, kept.get_mut(begin..).unwrap_or_default());
    chunk.consume(len);
    Ok(true)
}
