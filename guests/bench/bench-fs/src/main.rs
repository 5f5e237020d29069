// SPDX-License-Identifier: BSD-2-Clause
//! Counts what files cost the whole machine: long pieces and short ones, written and read in a buffer that the disk
//! reaches itself, and names that are made, looked at and removed. The native task that is compared does the same with
//! sectors (`wasm-server/platform/sel4/src/bench/disk.rs`).
//!
//! What is written is made durable inside of what is measured.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, format, string::String, vec::Vec};
use core::{error::Error, time::Duration};

use userland::{
    fs::{Buffer, Dir, File, Fs, OpenOptions, Options},
    info,
    introspect::instructions,
    time::Instant,
};

/// Bytes of a long piece, and of a short one.
const PIECE: u32 = 256 << 10;
const SHORT: u32 = 4 << 10;
/// Long pieces of the file.
const PIECES: u64 = 128;
/// Short ones that are read or written anywhere.
const SHORTS: u64 = 1024;
/// Names that are made, and so on.
const NAMES: u64 = 256;
/// Rounds of a line that is added to a file and made durable; and bytes of the line.
const SYNCS: u64 = 64;
const LINE: u32 = 64;
/// Parts of what is timed.
const PARTS: u64 = 8;
/// 64 KiB pages of the buffer.
const PAGES: u32 = PIECE >> 16;

type Result<T> = core::result::Result<T, Box<dyn Error>>;

/// What is measured, from here on.
struct Meter {
    instructions: u32,
    /// Operations that a part has, of which there are [`PARTS`].
    part: u64,
    done: u64,
    begin: Instant,
    /// How long the fastest part took.
    fastest: Duration,
}

impl Meter {
    /// Measures so many operations.
    fn start(count: u64) -> Self {
        Self {
            instructions: instructions(),
            part: count / PARTS,
            done: 0,
            begin: Instant::now(),
            fastest: Duration::MAX,
        }
    }

    /// One is done.
    fn step(&mut self) {
        self.done += 1;
        if self.done.is_multiple_of(self.part) {
            let now = Instant::now();
            self.fastest = self.fastest.min(now - self.begin);
            self.begin = now;
        }
    }

    /// The figures for each of so many: instructions; and nanoseconds, where the host had the least else to do.
    fn stop(self, name: &str, count: u64) {
        let spent = instructions().wrapping_sub(self.instructions);
        let time = self.fastest.as_nanos() as u64 * PARTS / count;
        info!("bench {name} {}", u64::from(spent) / count);
        info!("bench {name}_time {time}");
    }
}

/// Numbers that are the same in every run: each is a place of a short piece in the file.
struct Places(u32);

impl Places {
    const fn next(&mut self) -> u64 {
        // The generator of Numerical Recipes, of which the upper bits are the good ones.
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let count = PIECES * (PIECE / SHORT) as u64;
        (self.0 >> 8) as u64 % count * SHORT as u64
    }
}

#[userland::entrypoint]
async fn main(start: userland::start::Start) -> Result<()> {
    let door = start.region("fs").ok_or("no door")?;
    let fs = Fs::at(&door, Options::named(start.name())).await?;
    let dir = fs.root("root").await?;
    let buffer = fs.buffer(PAGES).await?;
    buffer.write(0, &[0x5a; 4096])?;
    // What is done first is done for the first time: another file of some pieces.
    let other = dir.create("warm-up").await?;
    for piece in 0..8 {
        let offset = piece * u64::from(PIECE);
        other.write_from(offset, &buffer, 0, PIECE).await?;
        other.sync().await?;
    }
    let file = OpenOptions::new().read().write().create_new();
    let file = file.open(&dir, "file").await?;
    long(&file, &buffer).await?;
    short(&file, &buffer).await?;
    names(&dir).await?;
    syncs(&dir).await?;
    info!("bench done");
    Ok(())
}

async fn long(file: &File, buffer: &Buffer) -> Result<()> {
    let mib = (PIECES * u64::from(PIECE)) >> 20;
    // First the file becomes longer with each piece; then it is there.
    for name in ["fs_seq_write", "fs_seq_overwrite"] {
        let mut meter = Meter::start(PIECES);
        for piece in 0..PIECES {
            let offset = piece * u64::from(PIECE);
            file.write_from(offset, buffer, 0, PIECE).await?;
            meter.step();
        }
        file.sync().await?;
        meter.stop(name, mib);
    }
    let mut meter = Meter::start(PIECES);
    for piece in 0..PIECES {
        let offset = piece * u64::from(PIECE);
        let read = file.read_into(offset, buffer, 0, PIECE).await?;
        if read != PIECE {
            return Err("the file is short".into());
        }
        meter.step();
    }
    meter.stop("fs_seq_read", mib);
    Ok(())
}

async fn short(file: &File, buffer: &Buffer) -> Result<()> {
    let mut places = Places(1);
    let mut meter = Meter::start(SHORTS);
    for _ in 0..SHORTS {
        file.read_into(places.next(), buffer, 0, SHORT).await?;
        meter.step();
    }
    meter.stop("fs_random_read", SHORTS);
    let mut meter = Meter::start(SHORTS);
    for _ in 0..SHORTS {
        file.write_from(places.next(), buffer, 0, SHORT).await?;
        meter.step();
    }
    file.sync().await?;
    meter.stop("fs_random_write", SHORTS);
    Ok(())
}

async fn names(dir: &Dir) -> Result<()> {
    dir.create_dir("names").await?;
    let names = |word| (0..NAMES).map(move |number| format!("names/{word}-{number}"));
    let (first, second): (Vec<String>, Vec<String>) =
        (names("first").collect(), names("second").collect());
    let all = dir.open("file").await?;
    let new = OpenOptions::new().write().create_new();

    let mut meter = Meter::start(NAMES);
    for name in &first {
        // To drop it closes it.
        drop(new.open(dir, name).await?);
        meter.step();
    }
    all.sync().await?;
    meter.stop("fs_create", NAMES);

    let mut meter = Meter::start(NAMES);
    for name in &first {
        drop(dir.open(name).await?);
        meter.step();
    }
    meter.stop("fs_open", NAMES);

    let mut meter = Meter::start(NAMES);
    for name in &first {
        dir.stat(name).await?;
        meter.step();
    }
    meter.stop("fs_stat", NAMES);

    let mut meter = Meter::start(NAMES);
    for (from, to) in first.iter().zip(&second) {
        dir.rename(from, dir, to).await?;
        meter.step();
    }
    all.sync().await?;
    meter.stop("fs_rename", NAMES);

    let mut meter = Meter::start(NAMES);
    for name in &second {
        dir.remove_file(name).await?;
        meter.step();
    }
    all.sync().await?;
    meter.stop("fs_unlink", NAMES);
    Ok(())
}

async fn syncs(dir: &Dir) -> Result<()> {
    let journal = dir.create("journal").await?;
    let line = [b'-'; LINE as usize];
    let mut meter = Meter::start(SYNCS);
    for _ in 0..SYNCS {
        journal.append(&line).await?;
        journal.sync().await?;
        meter.step();
    }
    meter.stop("fs_sync", SYNCS);
    Ok(())
}
