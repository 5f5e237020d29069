// SPDX-License-Identifier: BSD-2-Clause
//! The site of the demo `http-server`.

use alloc::{
    format,
    string::{String, ToString as _},
};
use core::{fmt::Write as _, net::SocketAddr, time::Duration};

use crate::{Head, Length, Method, Status};

/// Most bytes that `/bytes/` answers with.
pub const MAX_BYTES: u64 = 1 << 32;

/// What a request is answered with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The page.
    Page,
    /// So many bytes: the number of each, modulo [`PERIOD`].
    Bytes(u64),
    /// What the client sends.
    Echo,
    /// What is on the disk, under the rest of the path behind [`FILES`].
    File,
    /// An error.
    Refusal(Status),
}

/// The bytes of `/bytes/` begin again behind as many. A prime: so a piece of them that is out of place shows.
pub const PERIOD: usize = 251;

/// Where the files of the disk are.
pub const FILES: &str = "/files/";

/// What is at the place that a request names.
pub fn route(head: &Head) -> Answer {
    let path = head.target.split('?').next().unwrap_or_default();
    let reads = matches!(head.method, Method::Get | Method::Head);
    match path {
        "/" | "/index.html" if reads => Answer::Page,
        "/echo" if head.method == Method::Post => Answer::Echo,
        "/" | "/index.html" | "/echo" => Answer::Refusal(Status::MethodNotAllowed),
        _ if path.starts_with(FILES) => match head.method {
            Method::Get | Method::Head | Method::Put | Method::Delete => Answer::File,
            _ => Answer::Refusal(Status::MethodNotAllowed),
        },
        _ => match path.strip_prefix("/bytes/").map(str::as_bytes) {
            Some(_) if !reads => Answer::Refusal(Status::MethodNotAllowed),
            Some(number) => match crate::head::number(number) {
                Some(count) if count <= MAX_BYTES => Answer::Bytes(count),
                _ => Answer::Refusal(Status::NotFound),
            },
            None => Answer::Refusal(Status::NotFound),
        },
    }
}

/// The methods that a place takes, for the field `Allow`.
pub fn allowed(target: &str) -> &'static str {
    match target.split('?').next().unwrap_or_default() {
        "/echo" => "POST",
        path if path.starts_with(FILES) => "GET, HEAD, PUT, DELETE",
        _ => "GET, HEAD",
    }
}

/// The head of a response.
pub fn head(status: Status, content: &str, length: Length, request: Option<&Head>) -> String {
    let mut head = format!("HTTP/1.1 {status}\r\nServer: Atoll\r\nContent-Type: {content}\r\n");
    // Writing to a string does not fail.
    let _ = match length {
        Length::Exactly(len) => write!(head, "Content-Length: {len}\r\n"),
        Length::Chunked => write!(head, "Transfer-Encoding: chunked\r\n"),
        Length::None | Length::UntilClose => Ok(()),
    };
    if status == Status::MethodNotAllowed {
        let target = request.map_or("/", |request| &request.target);
        let _ = write!(head, "Allow: {}\r\n", allowed(target));
    }
    match request {
        Some(request) if request.keeps_alive && request.is_1_1 => {}
        Some(request) if request.keeps_alive => head.push_str("Connection: keep-alive\r\n"),
        _ => head.push_str("Connection: close\r\n"),
    }
    head.push_str("\r\n");
    head
}

/// The response that refuses a request; `request` is that of a connection that goes on.
pub fn refusal(status: Status, request: Option<&Head>) -> String {
    let text = format!("{status}\n");
    let length = Length::Exactly(text.len() as u64);
    let mut response = head(status, "text/plain", length, request);
    if request.is_none_or(|request| request.method != Method::Head) {
        response.push_str(&text);
    }
    response
}

/// The response that says that what is asked for is at `target`.
pub fn moved(target: &str, request: &Head) -> String {
    let head = head(
        Status::MovedPermanently,
        "text/plain",
        Length::Exactly(0),
        Some(request),
    );
    // A target that could end the line is none: the reader of requests refuses it.
    head.replacen("\r\n", &format!("\r\nLocation: {target}\r\n"), 1)
}

/// The page: what this is, and who is connected.
pub fn page(uptime: Duration, served: u64, peers: &[SocketAddr]) -> String {
    let mut list = String::new();
    for peer in peers {
        let _ = write!(list, "<li>{peer}</li>");
    }
    let (seconds, count) = (uptime.as_secs(), peers.len().to_string());
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Atoll</title>\
         <h1>Atoll</h1>\
         <p>This page comes from a WebAssembly program that runs as a process on the seL4 microkernel. It speaks \
         HTTP; another one owns the network card and speaks TCP/IP; neither can reach the other's memory, but for \
         the pages that they share for these bytes.</p>\
         <p>Up for {seconds} seconds, {served} requests served, {count} connected:</p><ul>{list}</ul>\
         <p><a href=\"/bytes/1000000\">A million bytes</a>. What is sent to <code>/echo</code> comes back. \
         <a href=\"/files/\">Files</a> are on a disk, if there is one.</p></html>\n"
    )
}
