// SPDX-License-Identifier: BSD-2-Clause
//! The figures of the network: the other end of what the guest `bench-net`, and the native task that it is
//! compared with, answer. Each is alone in its machine, which counts the instructions that it executes; time it
//! sleeps is not counted, but how often it is woken depends on the host, and with that the figures, by a few in a
//! hundred.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream, UdpSocket};
use std::path::Path;
use std::time::Duration;

use super::{BenchError, results};
use crate::devices::{Devices, Forward, Net};
use crate::machine::{Config, LIMIT, Machine};

const ECHO: Forward = Forward::Udp(7);
const DISCARD: Forward = Forward::Tcp(9);
const GENERATE: Forward = Forward::Tcp(19);

/// Echoes, and bytes of each stream: more than are measured.
const ECHOES: usize = 1200;
const STREAM: usize = 10 << 20;
/// Bytes of a datagram.
const DATAGRAM: usize = 64;
/// Until a datagram is sent again.
const PATIENCE: Duration = Duration::from_millis(500);

/// Measures both; answers lines of results.
///
/// # Errors
/// See [`BenchError`].
pub fn run(image: &Path) -> Result<String, BenchError> {
    let guest = measure(image, 31, "")?;
    let native = measure(image, 30, "_native")?;
    Ok(guest + &native)
}

fn measure(image: &Path, slot: u8, suffix: &str) -> Result<String, BenchError> {
    let config = Config {
        counted: true,
        waits: true,
        devices: Devices {
            net: Some(Net::User(&[ECHO, DISCARD, GENERATE])),
            net_slot: Some(slot),
            ..Devices::default()
        },
        ..Config::default()
    };
    let machine =
        Machine::boot(image, config).map_err(|e| BenchError::Machine(e, String::new()))?;
    let failed = |error: io::Error| {
        BenchError::Failed(format!("the network{suffix}: {error}\n{}", machine.text()))
    };
    echo(machine.host_port(ECHO)).map_err(failed)?;
    discard(machine.host_port(DISCARD)).map_err(failed)?;
    generate(machine.host_port(GENERATE)).map_err(failed)?;
    let wanted =
        ["net_udp_echo", "net_tcp_stream", "net_tcp_send"].map(|n| format!("{n}{suffix} "));
    let done = machine.wait("the figures of the network", LIMIT, |text| {
        let is_there = |name: &String| results(text).any(|line| line.starts_with(name.as_str()));
        wanted.iter().all(is_there).then_some(())
    });
    let text = machine.end();
    done.map_err(|error| BenchError::Machine(error, text.clone()))?;
    // What the server itself measures at its start is measured in the other image.
    Ok(results(&text)
        .filter(|line| wanted.iter().any(|name| line.starts_with(name.as_str())))
        .map(|line| format!("bench {line}\n"))
        .collect())
}

fn echo(port: u16) -> io::Result<()> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    socket.connect((Ipv4Addr::LOCALHOST, port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut answer = [0; 2 * DATAGRAM];
    for round in 0..ECHOES {
        let datagram = [round as u8; DATAGRAM];
        let mut tries = 0;
        loop {
            socket.send(&datagram)?;
            match socket.recv(&mut answer) {
                Ok(_) => break,
                // It has not booted yet, or a datagram was lost.
                Err(error) if tries == 600 => return Err(error),
                Err(_) => tries += 1,
            }
        }
    }
    Ok(())
}

fn discard(port: u16) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_write_timeout(Some(LIMIT))?;
    stream.write_all(&vec![0x5a; STREAM])?;
    stream.shutdown(Shutdown::Write)?;
    stream.set_read_timeout(Some(LIMIT))?;
    // Until all has arrived.
    io::copy(&mut stream, &mut io::sink()).map(drop)
}

fn generate(port: u16) -> io::Result<()> {
    let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(LIMIT))?;
    io::copy(&mut stream.take(STREAM as u64), &mut io::sink()).map(drop)
}
