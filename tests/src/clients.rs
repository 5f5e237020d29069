// SPDX-License-Identifier: BSD-2-Clause
//! The other end of a machine's network: programs and servers of the host.

use std::io::{Read as _, Write as _};
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::process::{Command, Output, Stdio};
use std::thread;

/// The first bytes of the endless row in which each byte is its place, modulo 251: what the demo `http-server` has
/// under `/bytes/`, and what tests send. 251 is a prime, so a piece that is out of place shows.
pub fn numbered(count: usize) -> Vec<u8> {
    (0..count).map(|at| (at % 251) as u8).collect()
}

/// Runs `curl`, from the Debian package of that name, silently; answers what it printed.
///
/// # Panics
/// It fails.
#[track_caller]
pub fn curl<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Vec<u8> {
    let output = try_curl(arguments);
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {complaint}", output.status);
    output.stdout
}

/// Runs `curl`, whatever becomes of it.
///
/// # Panics
/// It is not installed.
#[track_caller]
pub fn try_curl<'a>(arguments: impl IntoIterator<Item = &'a str>) -> Output {
    let mut command = Command::new("curl");
    command.args([
        "--silent",
        "--show-error",
        "--max-time",
        "600",
        "--noproxy",
        "*",
    ]);
    match command.args(arguments).output() {
        Ok(output) => output,
        Err(error) => panic!("cannot start curl: {error}"),
    }
}

/// Runs `nc`, from the Debian package `netcat-openbsd`, with this input; answers what it printed.
///
/// # Panics
/// It is not installed, or fails.
#[track_caller]
pub fn nc(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut command = Command::new("nc");
    command.args(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = match piped.spawn() {
        Ok(child) => child,
        Err(error) => panic!("cannot start nc: {error}"),
    };
    let mut stdin = child.stdin.take().expect("a pipe");
    let output = thread::scope(|scope| {
        // Both at once: what comes back may be more than a pipe holds.
        scope.spawn(move || stdin.write_all(input).expect("nc reads its input"));
        child.wait_with_output().expect("nc's output")
    });
    assert!(output.status.success(), "nc: {}", output.status);
    output.stdout
}

/// Answers one connection after the other on the host, at a port that is free, until the test ends: a request of
/// HTTP with this answer to its path; answers the port.
///
/// # Panics
/// There is no such address.
#[track_caller]
pub fn serve_http(at: IpAddr, answer: fn(&str) -> Vec<u8>) -> u16 {
    let listener = TcpListener::bind(SocketAddr::new(at, 0)).expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let Ok(mut stream) = stream else {
                continue;
            };
            let mut request = Vec::new();
            let mut byte = [0];
            while !request.ends_with(b"\r\n\r\n") && matches!(stream.read(&mut byte), Ok(1)) {
                request.extend(byte);
            }
            let request = String::from_utf8_lossy(&request);
            let path = request.split(' ').nth(1).unwrap_or_default();
            // Who has asked may be gone.
            let _ = stream.write_all(&answer(path));
        }
    });
    port
}
