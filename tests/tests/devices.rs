// SPDX-License-Identifier: BSD-2-Clause
//! Virtio devices in the hands of guests that break the rules (`guests/tests/driver`), beside guests that keep
//! them: no device reads or writes what is not its driver's, nor goes on when its driver has lost it.
//!
//! The device's network is the test. It floods it with frames that are found again wherever they land, and the
//! disk is full of the same; what is found on the wire or on the disk of the memory of others was read where it
//! must not be.
#![forbid(unsafe_code)]

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use system_tests::build::{Build, Kernel};
use system_tests::console::{Level, entries};
use system_tests::devices::{Devices, MAC, Net};
use system_tests::machine::{Config, LIMIT, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::SpecText;
use system_tests::wire::Wire;

/// What frames and the disk are full of: no memory has it unless a device wrote it there.
const MARK: [u8; 8] = [0x4d, 0xd1, 0x9b, 0x27, 0xe3, 0x58, 0xbc, 0x76];
/// What the memory of the witness is full of (`guests/tests/driver/src/watch.rs`).
const SECRET: [u8; 8] = 0x5ec2_e75e_c2e7_1dea_u64.to_le_bytes();
/// What honest requests move (`guests/tests/driver/src/ground.rs`), and of which sector.
const HONEST: u8 = 0xa7;
const SECTOR: usize = 512;
const SECTORS: usize = 64;

/// What drivers try, each with the network and with the disk.
const SCENARIOS: [&str; 19] = [
    "bad-buffers",
    "knots",
    "longest",
    "bad-indices",
    "foreign-fields",
    "same-again",
    "bad-places",
    "bad-sizes",
    "live-queues",
    "neighbours",
    "odd-accesses",
    "read-only",
    "features",
    "wrong-time",
    "guessed",
    "closed",
    "kicks",
    "acks",
    "resets",
];

/// The bytes of a pattern that repeats, wherever one looks at it first.
fn rotations(pattern: [u8; 8]) -> [[u8; 8]; 8] {
    std::array::from_fn(|by| {
        let mut pattern = pattern;
        pattern.rotate_left(by);
        pattern
    })
}

/// Whether bytes contain a pattern, twice at least: so there are 8 bytes of it from a multiple of 8 on.
fn contains(bytes: &[u8], pattern: [u8; 8]) -> bool {
    let rotations = rotations(pattern);
    let (words, _) = bytes.as_chunks();
    words.iter().any(|word| rotations.contains(word))
}

/// The disk: a sector for honest requests, and marks.
fn disk() -> Vec<u8> {
    let mut disk = MARK.repeat(SECTORS * SECTOR / MARK.len());
    disk[SECTOR..2 * SECTOR].fill(HONEST);
    disk
}

/// A frame to the device, as long as can be, full of marks.
fn frame() -> Vec<u8> {
    let addresses = [MAC, [0x52, 0x54, 0, 0, 0, 1]].concat();
    let body = MARK.repeat(1500 / MARK.len());
    [&addresses[..], &[0x88, 0xb5], &body].concat()
}

/// Boots this system with all devices.
fn boot(scratch: &Scratch, spec: &SpecText, counted: bool) -> Machine {
    let build = Build::from_env().with_archive_of(scratch, &["driver"]);
    let image = scratch.path("devices.elf");
    let spec = scratch.write("devices.cdl", spec);
    build.image(Kernel::Release, &spec, &image);
    let config = Config {
        memory: "256M",
        counted,
        devices: Devices {
            net: Some(Net::Wire),
            disk: Some(scratch.write("disk.img", disk()).into()),
            rng: true,
            ..Devices::default()
        },
        ..Config::default()
    };
    Machine::boot(&image, config).expect("QEMU")
}

/// Floods the wire until `look` returns; answers what the machine has sent meanwhile, too.
fn flooded<T>(wire: &Wire, look: impl FnOnce() -> T) -> (T, Vec<Vec<u8>>) {
    const MOMENT: Duration = Duration::from_millis(20);
    let over = AtomicBool::new(false);
    let (frame, ears) = (frame(), wire.try_clone().expect("a socket"));
    thread::scope(|scope| {
        scope.spawn(|| {
            // An end of the machine is for others to see.
            while !over.load(Ordering::Relaxed) {
                if wire.send(&frame, MOMENT).is_err() {
                    break;
                }
            }
        });
        let heard = scope.spawn(|| {
            let mut frames = Vec::new();
            // Once more when it is over, for what is still on the wire.
            loop {
                let is_last = over.load(Ordering::Relaxed);
                while let Ok(Some(frame)) = ears.receive(MOMENT) {
                    frames.push(frame);
                }
                if is_last {
                    return frames;
                }
            }
        });
        let end = SetAtEnd(&over);
        let seen = look();
        drop(end);
        (seen, heard.join().expect("frames are taken"))
    })
}

/// Sets a flag when it is dropped, a panic included.
struct SetAtEnd<'a>(&'a AtomicBool);

impl Drop for SetAtEnd<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Where about in a file a pattern is, if it is there.
fn find(file: &Path, pattern: [u8; 8]) -> Option<u64> {
    let mut file = BufReader::new(File::open(file).expect("the memory"));
    let mut chunk = vec![0; 1 << 20];
    let mut at = 0;
    while file.read_exact(&mut chunk).is_ok() {
        if contains(&chunk, pattern) {
            return Some(at);
        }
        at += chunk.len() as u64;
    }
    None
}

/// Waits until a guest says something again that it says from time to time, and that begins so.
fn says_again(machine: &Machine, guest: &str, what: &str) {
    let before = machine.text().len();
    let is_it = |text: &str| text.starts_with(what);
    let said = machine.wait(&format!("{guest}: {what}"), LIMIT, |text| {
        let (complete, _) = text[before..].rsplit_once('\n')?;
        let mut later = entries(complete);
        later.find(|e| e.guest == guest && is_it(e.text)).map(drop)
    });
    said.unwrap_or_else(|error| panic!("{error}:\n{}", machine.text()));
}

#[track_caller]
fn nothing_is_wrong(text: &str, guests: &[&str]) {
    for guest in guests {
        let wrong = entries(text).find(|entry| {
            entry.guest == *guest && matches!(entry.level, Level::Error | Level::Warning)
        });
        assert_eq!(wrong, None, "{text}");
    }
    let bad = ["panicked", "faults", "starts again"];
    let bad = text
        .lines()
        .find(|line| bad.iter().any(|bad| line.contains(bad)));
    assert_eq!(bad, None, "{text}");
}

/// No scenario has the device take a frame or a block of marks rightly, so no memory has any at the end.
#[test]
fn hostile_drivers_reach_nothing_but_their_own_memory() {
    let scratch = Scratch::new();
    let machine = boot(&scratch, &SpecText::of_tests("devices.cdl"), false);
    let wire = machine.wire();
    let ((), heard) = flooded(&wire, || {
        machine.expect("stage: * scenarios, all done", SECONDS);
        says_again(&machine, "neighbour", "all works as it did");
        says_again(&machine, "witness", "all is as it was");
    });

    let memory = scratch.path("memory");
    machine.save_memory(&memory);
    // What is there is found.
    assert!(find(&memory, SECRET).is_some());
    assert_eq!(find(&memory, MARK), None, "a device wrote to memory");

    let text = machine.end();
    let verdicts: Vec<_> = entries(&text)
        .filter(|entry| entry.guest == "stage")
        .filter_map(|entry| entry.text.strip_prefix("ok "))
        .collect();
    let mut wanted: Vec<_> = SCENARIOS
        .iter()
        .flat_map(|name| ["nic", "blk"].map(|device| format!("{name} {device}")))
        .collect();
    wanted.push("looker nic".into());
    assert_eq!(verdicts, wanted, "{text}");
    nothing_is_wrong(&text, &["stage", "neighbour", "witness"]);

    // Drivers send one frame of a kind, or zeros; nothing of what others have.
    let is_fine = |frame: &Vec<u8>| frame.iter().skip(14).all(|byte| [0, HONEST].contains(byte));
    let other = heard.iter().find(|frame| !is_fine(frame));
    assert_eq!(other, None, "{text}");
    assert!(!heard.is_empty(), "nothing was sent:\n{text}");
    let disk_after = fs::read(scratch.path("disk.img")).expect("the disk");
    assert!(!contains(&disk_after, SECRET) && disk_after == disk());
}

/// Buffers go while the device fills them, in every way, and their memory is watched: see the guest's `stage.rs`.
#[test]
fn dma_stops_before_memory_is_used_again() {
    let scratch = Scratch::new();
    let spec = SpecText::of_tests("devices.cdl").replace(
        "args: [\"scenarios\"]",
        "args: [\"dma-stops\", \"rounds=12\"]",
    );
    let machine = boot(&scratch, &spec, false);
    let wire = machine.wire();
    let ((), _) = flooded(&wire, || {
        let over = machine.wait("the last round", LIMIT, |text| {
            let mut stage = entries(text).filter(|entry| entry.guest == "stage");
            stage
                .find(|e| e.level == Level::Error || e.text.contains("memory stays as it is"))
                .map(drop)
        });
        over.unwrap_or_else(|error| panic!("{error}:\n{}", machine.text()));
    });
    let text = machine.end();
    nothing_is_wrong(&text, &["stage", "neighbour", "witness"]);
    assert!(
        text.contains("stage: 12 rounds, and memory stays as it is"),
        "{text}"
    );
}

/// Frames come as fast as a guest takes them; one above it is woken in time all the same.
#[test]
fn a_storm_of_interrupts_does_not_delay_a_guest_of_higher_priority() {
    /// Instructions, since the machine counts those for time: some turns of the server with interrupts off.
    const LATEST: u64 = 50_000;
    let scratch = Scratch::new();
    let spec = SpecText::of_tests("devices.cdl")
        .replace("args: [\"scenarios\"]", "args: [\"clock\"]")
        .replace(
            "prio: 100, stack: 64k, start: demand)",
            "prio: 100, stack: 64k, args: [\"interrupts\", \"nic\", \"interrupts=5000\"])",
        );
    let machine = boot(&scratch, &spec, true);
    let wire = machine.wire();
    let ((), _) = flooded(&wire, || {
        machine.expect("driver: 5000 interrupts, * frames", SECONDS);
    });
    says_again(&machine, "stage", "late by ");
    let text = machine.end();
    nothing_is_wrong(&text, &["stage", "driver", "neighbour", "witness"]);
    let late: Vec<u64> = entries(&text)
        .filter(|entry| entry.guest == "stage")
        .filter_map(|entry| {
            entry
                .text
                .strip_prefix("late by ")?
                .split(' ')
                .next()?
                .parse()
                .ok()
        })
        .collect();
    assert!(!late.is_empty(), "{text}");
    assert!(late.iter().all(|late| *late < LATEST), "{late:?}\n{text}");
}
