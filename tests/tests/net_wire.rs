// SPDX-License-Identifier: BSD-2-Clause
//! The network as a neighbour on the same wire sees it: the test is all other machines at once, frame by frame.
#![forbid(unsafe_code)]

use std::time::{Duration, Instant};

use system_tests::build::{Build, Kernel};
use system_tests::devices::{Devices, MAC, Net};
use system_tests::machine::{Config, LIMIT, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::SpecText;
use system_tests::wire::Wire;

/// What the test's machines have for an Ethernet address.
const NEIGHBOUR: [u8; 6] = [0x52, 0x55, 0, 0, 0, 1];
/// Where the machine is, and the name server.
const MACHINE: [u8; 4] = [10, 0, 2, 15];
const NAME_SERVER: [u8; 4] = [10, 0, 2, 3];
/// What `printer.test` has for an address.
const PRINTER: [u8; 4] = [10, 0, 2, 9];

/// The checksum of the internet (RFC 1071).
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let words = bytes.chunks(2).map(|word| {
        let low = word.get(1).copied().unwrap_or_default();
        u32::from(u16::from_be_bytes([word[0], low]))
    });
    let sum: u32 = words.sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    (!((folded & 0xffff) + (folded >> 16)) as u16).to_be_bytes()
}

/// A frame of the test's machines, of this type.
fn frame(kind: [u8; 2], payload: &[u8]) -> Vec<u8> {
    [&MAC[..], &NEIGHBOUR, &kind, payload].concat()
}

/// A packet to the machine.
fn packet(from: [u8; 4], protocol: u8, payload: &[u8]) -> Vec<u8> {
    let len = (20 + payload.len() as u16).to_be_bytes();
    let mut header = [0x45, 0, len[0], len[1], 0, 0, 0, 0, 64, protocol, 0, 0].to_vec();
    header.extend([from, MACHINE].concat());
    let sum = checksum(&header);
    header[10..12].copy_from_slice(&sum);
    frame([0x08, 0], &[&header, payload].concat())
}

/// The answer to a question for an address.
fn arp(request: &[u8]) -> Option<Vec<u8>> {
    let (sender, wanted) = (request.get(8..18)?, request.get(24..28)?);
    // Somebody who asks for the own address looks whether it is free.
    if request.get(6..8)? != [0, 1] || wanted == MACHINE {
        return None;
    }
    let head = [0, 1, 8, 0, 6, 4, 0, 2];
    Some(frame(
        [0x08, 6],
        &[&head, &NEIGHBOUR[..], wanted, sender].concat(),
    ))
}

/// The answer to a ping, if it is for the printer.
fn pong(echo: &[u8], to: &[u8]) -> Option<Vec<u8>> {
    if to != PRINTER || *echo.first()? != 8 {
        return None;
    }
    let mut reply = echo.to_vec();
    reply[..4].fill(0);
    let sum = checksum(&reply);
    reply[2..4].copy_from_slice(&sum);
    Some(packet(PRINTER, 1, &reply))
}

/// The answer to a question for an A record: there is one name. Says which was asked for, too.
fn resolve(datagram: &[u8]) -> Option<(String, Vec<u8>)> {
    let (source, query) = (datagram.get(..2)?, datagram.get(8..)?);
    let (id, mut rest) = (query.get(..2)?, query.get(12..)?);
    let mut labels = Vec::new();
    while let [len @ (1..=63), behind @ ..] = rest {
        let (label, behind) = behind.split_at_checked(usize::from(*len))?;
        labels.push(String::from_utf8_lossy(label).into_owned());
        rest = behind;
    }
    let kind = rest.get(1..3)?;
    let question = query.get(12..query.len() - rest.len() + 5)?;
    let name = labels.join(".");
    let record = [&[0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4][..], &PRINTER].concat();
    let (code, count, answer) = match (name.as_str(), kind) {
        ("printer.test", [0, 1]) => (0, 1, record.as_slice()),
        ("printer.test", _) => (0, 0, &[][..]),
        _ => (3, 0, &[][..]),
    };
    let counts = [0, 1, 0, count, 0, 0, 0, 0];
    let reply = [id, &[0x81, 0x80 | code], &counts, question, answer].concat();
    let len = (8 + reply.len() as u16).to_be_bytes();
    // Without a checksum: IPv4 allows that.
    let datagram = [&[0, 53], source, &len, &[0, 0], &reply].concat();
    Some((name, packet(NAME_SERVER, 17, &datagram)))
}

/// Answers what comes, until `done`; the names that were asked for.
fn be_the_others(wire: &Wire, mut done: impl FnMut() -> bool) -> Vec<String> {
    let begin = Instant::now();
    let mut names = Vec::new();
    while !done() {
        assert!(begin.elapsed() < LIMIT, "asked for so far: {names:?}");
        let frame = wire.receive(Duration::from_millis(50)).expect("the wire");
        let Some(frame) = frame else {
            continue;
        };
        if let Some(answer) = answer(&frame, &mut names) {
            wire.send(&answer, LIMIT).expect("the machine is there");
        }
    }
    names
}

/// The answer to what machines ask of each other all the time.
fn answer(frame: &[u8], names: &mut Vec<String>) -> Option<Vec<u8>> {
    let (kind, payload) = (frame.get(12..14)?, frame.get(14..)?);
    if kind == [0x08, 0x06] {
        return arp(payload);
    }
    let (protocol, to, data) = (payload.get(9)?, payload.get(16..20)?, payload.get(20..)?);
    match (kind, protocol) {
        ([0x08, 0], 1) => pong(data, to),
        ([0x08, 0], 17) if to == NAME_SERVER => {
            let (name, answer) = resolve(data)?;
            names.push(name);
            Some(answer)
        }
        _ => None,
    }
}

/// Boots a system whose network is the test's; the files are those it boots from.
fn boot(spec: SpecText) -> (Machine, Scratch) {
    let scratch = Scratch::new();
    let image = scratch.path("wire.elf");
    let spec = scratch.write("wire.cdl", spec);
    Build::from_env().image(Kernel::Release, &spec, &image);
    let config = Config {
        devices: Devices {
            net: Some(Net::Wire),
            ..Devices::default()
        },
        ..Config::default()
    };
    (Machine::boot(&image, config).expect("QEMU"), scratch)
}

/// Nobody asks a name server for what a guest may not resolve.
#[test]
fn guests_resolve_the_names_that_their_rules_allow() {
    let spec = SpecText::of_demo("fetch")
        .replace(
            r#""sockets=16", "ping=icmp 10.0.2.2, dns""#,
            r#""ipv4=10.0.2.15/24 via 10.0.2.2 dns 10.0.2.3", "ipv6=off", "ping=icmp *, dns *.test""#,
        )
        .replace(
            r#"args: ["10.0.2.2"]"#,
            r#"args: ["printer.test", "missing.test", "example.org"]"#,
        )
        .replace(r#"args: ["ping", "fetch"]"#, r#"args: ["ping"]"#);
    let (machine, _files) = boot(spec);
    let wire = machine.wire();
    let mut names = be_the_others(&wire, || machine.text().contains("conductor: ping "));
    for line in [
        "*ping: printer.test has answered 3 of 3 times",
        "*ping: *missing.test: the name has no such address",
        "*ping: *example.org: no rule of the net guest's arguments allows it*",
        "*net: *dns example.org*",
    ] {
        machine.expect(line, 5);
    }
    names.sort();
    names.dedup();
    assert_eq!(names, ["missing.test", "printer.test"]);
}

/// A segment from the printer to the web server, without data.
fn segment(port: u16, flags: u8) -> Vec<u8> {
    let mut tcp = [&port.to_be_bytes()[..], &[0, 80], &[0; 8]].concat();
    tcp.extend([0x50, flags, 0x20, 0, 0, 0, 0, 0]);
    let pseudo = [&PRINTER[..], &MACHINE, &[0, 6, 0, tcp.len() as u8], &tcp].concat();
    let sum = checksum(&pseudo);
    tcp[16..18].copy_from_slice(&sum);
    packet(PRINTER, 6, &tcp)
}

/// Whether the web server takes a connection from this port; it is reset at once.
fn takes_connection(wire: &Wire, port: u16) -> bool {
    /// Flags of a segment (RFC 9293, 3.1).
    const SYN: u8 = 2;
    const RST: u8 = 4;
    const SYN_ACK: u8 = 0x12;
    let mut taken = false;
    let begin = Instant::now();
    let mut sent: Option<Instant> = None;
    while !taken && begin.elapsed() < LIMIT {
        // Again: segments get lost.
        if sent.is_none_or(|sent| sent.elapsed() > Duration::from_secs(1)) {
            wire.send(&segment(port, SYN), LIMIT)
                .expect("the machine is there");
            sent = Some(Instant::now());
        }
        let frame = wire.receive(Duration::from_millis(50)).expect("the wire");
        let Some(frame) = frame else {
            continue;
        };
        if let Some(answer) = answer(&frame, &mut Vec::new()) {
            wire.send(&answer, LIMIT).expect("the machine is there");
        }
        let is_tcp = frame.get(23) == Some(&6) && frame.get(36..38) == Some(&port.to_be_bytes());
        taken = is_tcp && frame.get(47) == Some(&SYN_ACK);
    }
    wire.send(&segment(port, RST), LIMIT)
        .expect("the machine is there");
    taken
}

/// Frames that are cut off, and frames with bytes that are anything: nothing falls over, and who speaks properly is
/// answered as before.
#[test]
fn frames_that_are_none_do_no_harm() {
    let spec = SpecText::of_demo("http").replace(
        r#""sockets=64", "#,
        r#""sockets=64", "ipv4=10.0.2.15/24 via 10.0.2.2 dns 10.0.2.3", "ipv6=auto", "#,
    );
    let (machine, _files) = boot(spec);
    machine.expect("*http: serving at *:80", SECONDS);
    let wire = machine.wire();
    assert!(takes_connection(&wire, 1000));

    let echo = [8, 0, 0xf7, 0xff, 0, 0, 0, 0];
    let reply = [&[0, 53, 0xc0, 1, 0, 40, 0, 0][..], &[0; 32]].concat();
    let v6 = [
        &[0x60, 0, 0, 0, 0, 8, 58, 255][..],
        &[0xfe; 16],
        &[0xff; 16],
        &[134, 0, 0, 0, 0, 0, 0, 0],
    ]
    .concat();
    let good = [
        arp(&[
            &[0, 1, 8, 0, 6, 4, 0, 1][..],
            &MAC,
            &MACHINE,
            &[0; 6],
            &PRINTER,
        ]
        .concat())
        .expect("a reply"),
        packet(PRINTER, 1, &echo),
        packet(NAME_SERVER, 17, &reply),
        segment(2000, 2),
        frame([0x86, 0xdd], &v6),
    ];
    let mut number: u32 = 1;
    let mut random = || {
        // Numerical Recipes' generator: the same frames in each run.
        number = number.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        number >> 8
    };
    for frame in &good {
        // From 1: QEMU takes a frame of nothing for the end of the wire.
        for len in 1..frame.len() {
            wire.send(&frame[..len], LIMIT)
                .expect("the machine is there");
        }
        for _ in 0..400 {
            let mut broken = frame.clone();
            for _ in 0..=random() % 4 {
                let place = random() as usize % broken.len();
                broken[place] = random() as u8;
            }
            wire.send(&broken, LIMIT).expect("the machine is there");
        }
        // The largest that there can be, and one of nothing but noise.
        let noise: Vec<u8> = (0..1514).map(|_| random() as u8).collect();
        wire.send(&noise, LIMIT).expect("the machine is there");
        let long = [&frame[..], &noise].concat();
        wire.send(&long[..1514], LIMIT)
            .expect("the machine is there");
    }
    assert!(takes_connection(&wire, 1001));
    let text = machine.text();
    assert!(!text.contains(": error: "), "{text}");
}
