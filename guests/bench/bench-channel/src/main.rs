// SPDX-License-Identifier: BSD-2-Clause
//! What a frame takes through a channel: written, and read, by one guest that has both ends, so that
//! nobody sleeps. A frame is copied in from memory of the writer and out to memory of the reader.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{boxed::Box, vec::Vec};
use core::{error::Error, hint::black_box};

use userland::{
    channel::{Channel, Config, Reader, Strength, Writer},
    info, introspect,
    shm::Region,
};

const WARM_UP: u64 = 1000;
const ROUNDS: u64 = 10_000;

#[userland::entrypoint]
fn main() -> Result<(), Box<dyn Error>> {
    let pipe = || ends(&Config::pipe().data(256 << 10), 1);
    frames::<16>("channel_16b", pipe()?)?;
    frames::<64>("channel_64b", pipe()?)?;
    frames::<256>("channel_256b", pipe()?)?;
    frames::<1024>("channel_1k", pipe()?)?;
    frames::<4096>("channel_4k", pipe()?)?;
    frames::<16384>("channel_16k", pipe()?)?;
    frames::<65536>("channel_64k", pipe()?)?;
    in_place("channel_in_place", pipe()?)?;
    for (readers, name) in [
        (1, "channel_many_1"),
        (2, "channel_many_2"),
        (4, "channel_many_4"),
        (8, "channel_many_8"),
    ] {
        broadcast(name, ends(&Config::new(), readers)?)?;
    }
    Ok(())
}

type Ends = (Writer, Vec<Reader>);

fn ends(config: &Config, readers: u32) -> Result<Ends, Box<dyn Error>> {
    let region = Region::alloc(config.pages())?;
    let channel = Channel::create(&region, config)?;
    let readers: Result<_, _> = (0..readers)
        .map(|_| channel.reader(Strength::Strong, "reader"))
        .collect();
    Ok((channel.writer(Strength::Strong, "writer")?, readers?))
}

/// Copies frames in and out.
fn frames<const N: usize>(name: &str, ends: Ends) -> Result<(), Box<dyn Error>> {
    let (mut writer, mut readers) = ends;
    let reader = readers.first_mut().ok_or("a reader")?;
    let frame = alloc::vec![7; N];
    let frame: &[u8; N] = frame.as_slice().try_into()?;
    let mut copy = alloc::vec![0; N];
    let copy: &mut [u8; N] = copy.as_mut_slice().try_into()?;
    let mut rounds = |count| {
        let begin = introspect::cycles();
        for _ in 0..count {
            let frame: &[u8; N] = black_box(frame);
            writer.try_send(frame)?;
            read(reader, black_box(copy))?;
        }
        Ok::<_, Box<dyn Error>>(introspect::cycles() - begin)
    };
    rounds(WARM_UP)?;
    info!("bench {name} {}", rounds(ROUNDS)? / ROUNDS);
    Ok(())
}

#[inline(always)]
fn read<const N: usize>(reader: &mut Reader, copy: &mut [u8; N]) -> Result<(), Box<dyn Error>> {
    if let Some(frame) = reader.try_borrow()? {
        // It is as long.
        let _ = frame.read(copy);
        // A strong reader is not overtaken.
        let _ = frame.release();
    }
    Ok(())
}

/// Copies frames of 64 bytes in once, and out by every reader.
fn broadcast(name: &str, ends: Ends) -> Result<(), Box<dyn Error>> {
    let (mut writer, mut readers) = ends;
    let frame = [7; 64];
    let mut copy = [0; 64];
    let mut rounds = |count| {
        let begin = introspect::cycles();
        for _ in 0..count {
            let frame: &[u8; 64] = black_box(&frame);
            writer.try_send(frame)?;
            for reader in &mut readers {
                read(reader, black_box(&mut copy))?;
            }
        }
        Ok::<_, Box<dyn Error>>(introspect::cycles() - begin)
    };
    rounds(WARM_UP)?;
    info!("bench {name} {}", rounds(ROUNDS)? / ROUNDS);
    Ok(())
}

/// Reserves, commits, borrows and releases; nothing is copied, so the length is no matter.
fn in_place(name: &str, ends: Ends) -> Result<(), Box<dyn Error>> {
    let (mut writer, mut readers) = ends;
    let reader = readers.first_mut().ok_or("a reader")?;
    let mut rounds = |count| {
        let begin = introspect::cycles();
        for _ in 0..count {
            writer.try_reserve(black_box(65536))?.commit();
            if let Some(frame) = reader.try_borrow()? {
                black_box(frame.len());
                let _ = frame.release();
            }
        }
        Ok::<_, Box<dyn Error>>(introspect::cycles() - begin)
    };
    rounds(WARM_UP)?;
    info!("bench {name} {}", rounds(ROUNDS)? / ROUNDS);
    Ok(())
}
