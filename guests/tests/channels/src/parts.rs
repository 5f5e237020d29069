// SPDX-License-Identifier: BSD-2-Clause
//! What the guests at the ends do.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use userland::{
    Rights,
    channel::{Channel, Frame, Strength, WriteError, WriterId},
    info,
    shm::Region,
    start::Start,
    time::{Instant, timeout},
};

use crate::frame::{HEAD, LONGEST, Random, fill, parse};

struct Part {
    channel: Channel,
    until: Instant,
    /// What this guest is known by.
    me: u64,
    random: Random,
}

/// Plays a part.
pub async fn play(part: &str, start: &Start) -> Verdict {
    let region = start
        .region("channel")
        .ok_or_else(|| Fault::new("no channel"))?;
    let until = start
        .args()
        .nth(2)
        .ok_or_else(|| Fault::new("no end"))?
        .parse()
        .map_err(Fault::new)?;
    let channel = Channel::open(&region).map_err(Fault::new);
    if part == "vandal" {
        return vandalize(&region, Instant::from_nanoseconds(until), start);
    }
    let channel = match channel {
        Ok(channel) => channel,
        // The vandal was quicker.
        Err(_) if part.starts_with("careless") => return Ok(()),
        Err(fault) => return Err(fault),
    };
    let me = u64::from(start.pid().0);
    let part_of = Part {
        channel,
        until: Instant::from_nanoseconds(until),
        me,
        random: Random(me),
    };
    match part {
        "writer" => part_of.write(Strength::Strong, false).await,
        "weak-writer" => part_of.write(Strength::Weak, false).await,
        "giver-up" => part_of.write(Strength::Weak, true).await,
        "reader" => part_of.read(Strength::Strong).await,
        "weak-reader" => part_of.read(Strength::Weak).await,
        "careless-writer" => part_of.write_anything().await,
        "careless-reader" => part_of.read_anything().await,
        "repeater" => part_of.repeat().await,
        "counter" => part_of.count().await,
        part => Err(Fault::new(format_args!("there is no part {part}"))),
    }
}

impl Part {
    /// Writes whole frames until it is enough; gives some up in between.
    async fn write(mut self, strength: Strength, gives_up: bool) -> Verdict {
        let mut writer = self
            .channel
            .writer(strength, "writer")
            .map_err(Fault::new)?;
        let mut bytes = vec![0; LONGEST];
        let mut number = 0;
        while Instant::now() < self.until {
            for _ in 0..64 {
                let len = HEAD + self.random.below((LONGEST - HEAD) as u64) as usize;
                let bytes = &mut bytes[..len];
                fill(bytes, self.me, number);
                let mut reservation = match writer.reserve(len as u32).await {
                    Ok(reservation) => reservation,
                    // The others had enough before.
                    Err(WriteError::Closed) => return Ok(()),
                    Err(error) => return Err(Fault::new(error)),
                };
                reservation
                    .write(0, bytes)
                    .ok_or_else(|| Fault::new("a reservation is too short"))?;
                if gives_up && self.random.below(4) == 0 {
                    drop(reservation);
                    continue;
                }
                reservation.commit();
                number += 1;
            }
        }
        info!("{number} frames written");
        Ok(())
    }

    /// Reads until the channel is closed: every frame is whole, and none is missing but to a weak reader.
    async fn read(self, strength: Strength) -> Verdict {
        let mut reader = self
            .channel
            .reader(strength, "reader")
            .map_err(Fault::new)?;
        let mut bytes = vec![0; LONGEST];
        let mut writers: Vec<(WriterId, u64, u64)> = Vec::new();
        let (mut count, mut lost) = (0_u64, 0);
        loop {
            let Some(frame) = reader.next().await.map_err(Fault::new)? else {
                break;
            };
            let id = frame.writer();
            let len = take(frame, &mut bytes)?;
            lost += u64::from(reader.take_lost());
            let Some(bytes) = len.and_then(|len| bytes.get(..len)) else {
                continue;
            };
            count += 1;
            let (writer, number) = parse(bytes)?;
            match writers.iter_mut().find(|(known, ..)| *known == id) {
                Some((_, known, next)) => {
                    let is_next = if strength == Strength::Strong {
                        number == *next
                    } else {
                        number >= *next
                    };
                    ensure!(
                        *known == writer && is_next,
                        "frame {number} in place of {next}"
                    );
                    *next = number + 1;
                }
                None => writers.push((id, writer, number + 1)),
            }
        }
        info!(
            "{count} frames of {} writers read, {lost} lost",
            writers.len()
        );
        ensure!(count > 0 || Instant::now() < self.until, "no frame at all");
        Ok(())
    }

    /// Writes to a channel that may have become anything.
    async fn write_anything(mut self) -> Verdict {
        let mut bytes = vec![0; LONGEST];
        while Instant::now() < self.until {
            let Ok(mut writer) = self.channel.writer(Strength::Strong, "writer") else {
                continue;
            };
            for _ in 0..200 {
                let len = self.random.below(LONGEST as u64) as usize;
                bytes[..len].fill(0x77);
                let _ = timeout(Duration::from_millis(1), writer.send(&bytes[..len])).await;
            }
        }
        Ok(())
    }

    /// Reads from one.
    async fn read_anything(self) -> Verdict {
        let mut bytes = vec![0; LONGEST];
        while Instant::now() < self.until {
            for strength in [Strength::Weak, Strength::Strong] {
                let Ok(mut reader) = self.channel.reader(strength, "reader") else {
                    continue;
                };
                for _ in 0..200 {
                    let next = timeout(Duration::from_millis(1), reader.receive(&mut bytes));
                    let _ = next.await;
                }
            }
        }
        Ok(())
    }

    /// Writes frames of 64 bytes as fast as it can.
    async fn repeat(self) -> Verdict {
        let mut writer = self
            .channel
            .writer(Strength::Strong, "writer")
            .map_err(Fault::new)?;
        while Instant::now() < self.until {
            for _ in 0..1000 {
                writer.send(&[7; 64]).await.map_err(Fault::new)?;
            }
        }
        Ok(())
    }

    /// Copies and counts them.
    async fn count(self) -> Verdict {
        let mut reader = self
            .channel
            .reader(Strength::Strong, "reader")
            .map_err(Fault::new)?;
        let mut bytes = [0; 64];
        let (mut count, mut begin) = (0_u64, None);
        while let Some(frame) = reader.next().await.map_err(Fault::new)? {
            frame
                .read(&mut bytes)
                .ok_or_else(|| Fault::new("a frame is too short"))?;
            count += 1;
            begin.get_or_insert_with(Instant::now);
        }
        let time = begin.ok_or_else(|| Fault::new("no frame"))?.elapsed();
        let speed = u128::from(count) * 1_000_000 / time.as_micros().max(1);
        info!("{speed} frames a second");

        Ok(())
    }
}

/// Copies a frame, and releases it; answers its length, or none if it was overtaken.
fn take(frame: Frame<'_>, bytes: &mut [u8]) -> Verdict<Option<usize>> {
    let bytes = bytes.get_mut(..frame.len() as usize);
    // A weak one may find any length before it knows that it was overtaken.
    let Some(bytes) = bytes else {
        let overtaken = frame.release().is_err();
        ensure!(overtaken, "a frame is too long");
        return Ok(None);
    };
    frame
        .read(bytes)
        .ok_or_else(|| Fault::new("a frame is shorter than it says"))?;
    let len = bytes.len();
    Ok(frame.release().is_ok().then_some(len))
}

/// Writes anything anywhere.
fn vandalize(region: &Region, until: Instant, start: &Start) -> Verdict {
    let window = region.attach(Rights::READ_WRITE)?;
    let mut random = Random(u64::from(start.pid().0));
    let words = u64::from(window.len()) / 4;
    while Instant::now() < until {
        for _ in 0..1000 {
            // Mostly where it hurts: the header, the slots and the first descriptors.
            let words = [words, 512, 128, 64][random.below(4) as usize].min(words);
            let word = window.word(4 * random.below(words) as u32)?;
            let value = word.load(core::sync::atomic::Ordering::Relaxed);
            let change = match random.below(6) {
                0 => 0,
                1 => u32::MAX,
                2 => value ^ 1 << random.below(32),
                3 => random.next() as u32,
                _ => value.wrapping_add(random.below(64) as u32).wrapping_sub(32),
            };
            word.store(change, core::sync::atomic::Ordering::Relaxed);
        }
    }
    Ok(())
}
