// SPDX-License-Identifier: BSD-2-Clause
//! Ends on threads of the host, which share one region and sleep until they are rung. A wake that is lost
//! shows as a sleep that does not end.

use std::{
    thread,
    time::{Duration, Instant},
    vec::Vec,
};

use super::*;

/// How long they write.
const TIME: Duration = Duration::from_millis(300);
/// Longer than anybody sleeps who is rung in the end.
const PATIENCE: Duration = Duration::from_secs(20);
/// Bytes of the longest frame.
const LONGEST: usize = 90;

impl World {
    fn seen(&self) -> u64 {
        *self.bell.0.lock().unwrap()
    }

    /// Sleeps until a bell has rung since it was seen.
    fn sleep(&self, seen: u64) {
        let rings = self.bell.0.lock().unwrap();
        let (_rings, timeout) = (self.bell.1)
            .wait_timeout_while(rings, PATIENCE, |rings| *rings == seen)
            .unwrap();
        assert!(!timeout.timed_out(), "a wake is lost");
    }
}

/// A frame of this number: its bytes follow from it.
fn frame(writer: u8, number: u64) -> Vec<u8> {
    let len = 16 + (number * 31 % (LONGEST as u64 - 16)) as usize;
    let mut bytes: Vec<u8> = (0..len as u8)
        .map(|i| i.wrapping_mul(writer) ^ number as u8)
        .collect();
    bytes[0] = writer;
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    bytes
}

/// Writer and number of a frame.
fn parse(bytes: &[u8]) -> (u8, u64) {
    let number = u64::from_le_bytes(bytes[8..16].try_into().unwrap());
    assert!(frame(bytes[0], number) == bytes, "a torn frame");
    (bytes[0], number)
}

/// Writes for some time, then leaves; answers how many frames.
fn write(mut writer: WriteEnd, world: &World, id: u8) -> u64 {
    let end = Instant::now() + TIME;
    let mut number = 0;
    while Instant::now() < end {
        let bytes = frame(id, number);
        loop {
            let seen = world.seen();
            match writer.try_send(&bytes) {
                Ok(()) => break,
                Err(error) => assert_eq!(error, WriteError::Full),
            }
            writer.arm();
            match writer.try_send(&bytes) {
                Ok(()) => break,
                Err(error) => assert_eq!(error, WriteError::Full),
            }
            writer.inspect();
            world.sleep(seen);
        }
        number += 1;
    }
    number
}

/// Reads until all writers have left; answers how many frames of each there were.
fn read(mut reader: ReadEnd, world: &World) -> [u64; 4] {
    let mut next = [0; 4];
    loop {
        let seen = world.seen();
        let mut found = take(&mut reader);
        if found == Ok(None) {
            reader.arm();
            found = take(&mut reader);
        }
        match found {
            Ok(Some(bytes)) => {
                let (writer, number) = parse(&bytes);
                assert_eq!(number, next[usize::from(writer)], "of writer {writer}");
                next[usize::from(writer)] += 1;
            }
            Ok(None) => {
                reader.inspect();
                world.sleep(seen);
            }
            Err(error) => {
                assert_eq!(error, ReadError::Closed);
                return next;
            }
        }
    }
}

fn check(config: &Config, writers: u8, readers: u32) {
    let (place, _) = Place::with(config);
    let readers: Vec<_> = (0..readers).map(|i| place.reader(100 + i)).collect();
    let writers: Vec<_> = (0..writers)
        .map(|i| (i, place.writer(10 + u32::from(i))))
        .collect();
    let world = &*place.world;
    thread::scope(|scope| {
        let writing: Vec<_> = writers
            .into_iter()
            .map(|(i, writer)| scope.spawn(move || write(writer, world, i)))
            .collect();
        let reading: Vec<_> = readers
            .into_iter()
            .map(|reader| scope.spawn(move || read(reader, world)))
            .collect();
        let mut written = [0; 4];
        for (count, thread) in written.iter_mut().zip(writing) {
            *count = thread.join().unwrap();
        }
        for thread in reading {
            assert_eq!(thread.join().unwrap(), written);
        }
    });
}

#[test]
fn a_pipe_between_threads() {
    check(&Config::pipe().frames(4).data(256), 1, 1);
    check(&Config::pipe().frames(64).data(4096), 1, 1);
}

#[test]
fn many_threads() {
    check(&Config::new().frames(4).data(256), 3, 2);
    check(&Config::new().frames(64).data(4096), 2, 3);
}

#[test]
fn a_weak_reader_on_a_thread_takes_only_what_is_whole() {
    let (place, _) = Place::with(&Config::new().frames(8).data(1024));
    let mut reader = place.weak_reader(100);
    let writers = [1, 2].map(|i: u8| (i, place.writer(u32::from(i))));
    let world = &*place.world;
    thread::scope(|scope| {
        for (i, writer) in writers {
            scope.spawn(move || write(writer, world, i));
        }
        let mut last = [None; 4];
        loop {
            match reader.try_borrow() {
                Ok(Some(frame)) => {
                    let bytes = content(&frame);
                    if frame.release().is_ok() {
                        let (writer, number) = parse(&bytes);
                        let last = &mut last[usize::from(writer)];
                        assert!(*last < Some(number));
                        *last = Some(number);
                    }
                }
                Ok(None) => thread::yield_now(),
                Err(error) => break assert_eq!(error, ReadError::Closed),
            }
        }
        assert!(last[1].is_some() || last[2].is_some());
    });
}
