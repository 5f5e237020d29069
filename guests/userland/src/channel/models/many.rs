// SPDX-License-Identifier: BSD-2-Clause
//! Several writers, several readers, and readers that are overtaken.

use core::mem::forget;
use std::vec::Vec;

use loom::thread;

use super::*;
use crate::channel::{Overtaken, ReadError};

/// Reads as many frames as there are and checks that each writer's come in order.
async fn read_all(reader: &mut Reader, mut counts: [u32; 2]) {
    let mut next = [0; 2];
    while counts != [0; 2] {
        let (writer, number) = content(reader.borrow().await.unwrap());
        let writer = writer as usize - 1;
        assert_eq!(number, next[writer]);
        next[writer] += 1;
        counts[writer] -= 1;
    }
}

/// The strong reader sees every frame of two writers, and whoever waits is woken.
fn check_frames(preemptions: usize, room: u32, counts: [u32; 2]) {
    check(preemptions, move || {
        let place = Place::many(room, 2, 1);
        let writers = [1, 2].map(|pid| place.writer(pid));
        let reader = place.reader(3);
        let mut threads = Vec::new();
        for ((pid, writer), count) in (1..).zip(writers).zip(counts) {
            if count == 0 {
                continue;
            }
            threads.push(thread::spawn(move || {
                writer.run(async |mut writer| {
                    send(&mut writer, pid, 0..count).await.unwrap();
                    forget(writer);
                });
            }));
        }
        reader.run(async |mut reader| read_all(&mut reader, counts).await);
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn one_writer_waits_for_one_reader() {
    check_frames(2, 1, [3, 0]);
}

#[test]
fn two_writers_have_room() {
    check_frames(2, 2, [1, 1]);
}

#[test]
fn two_writers_wait_for_one_reader() {
    check_frames(1, 1, [1, 1]);
}

#[test]
fn one_writer_waits_for_two_readers() {
    check(3, || {
        let place = Place::many(1, 1, 2);
        let mut writer = place.writer(1);
        let readers = [2, 3].map(|pid| place.read_end(pid, Strength::Strong));
        writer.end.try_send(&frame(1, 0)).unwrap();
        let threads = readers.map(|mut reader| {
            thread::spawn(move || {
                let frame = reader.try_borrow().unwrap().unwrap();
                assert_eq!(content(frame), (1, 0));
                forget(reader);
            })
        });
        writer.run(async |mut writer| {
            send(&mut writer, 1, 1..2).await.unwrap();
            forget(writer);
        });
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_reader_that_is_ahead_of_who_looks_holds_nobody_back() {
    check(2, || {
        let place = Place::many(4, 2, 1);
        let writers = [1, 2].map(|pid| (pid, place.write_end(pid)));
        let mut reader = place.read_end(3, Strength::Strong);
        let threads = writers.map(|(pid, mut writer)| {
            thread::spawn(move || {
                assert_eq!(writer.try_send(&frame(pid, 0)), Ok(()));
                forget(writer);
            })
        });
        for _ in 0..2 {
            reader.try_borrow().unwrap().map(content);
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

/// A weak reader takes what it gets, and knows what is for good.
fn check_weak(preemptions: usize, place: fn() -> Place, frames: u32) {
    check(preemptions, move || {
        let place = place();
        let mut reader = place.weak_reader(2).end;
        let writer = place.writer(1);
        let thread = thread::spawn(move || {
            let mut writer = writer.end;
            for number in 0..frames {
                writer.try_send(&frame(1, number)).unwrap();
            }
            forget(writer);
        });
        let (mut next, mut seen) = (0, 0);
        let mut look = |reader: &mut ReadEnd| {
            let Some(frame) = reader.try_borrow().unwrap() else {
                return false;
            };
            let mut bytes = [0; FRAME];
            frame.read(&mut bytes).unwrap();
            if frame.release() == Err(Overtaken) {
                return true;
            }
            let (writer, number) = parse(bytes).expect("torn, but released for good");
            assert_eq!(writer, 1);
            assert!(number >= next, "{number} again");
            next = number + 1;
            seen += 1;
            true
        };
        look(&mut reader);
        look(&mut reader);
        thread.join().unwrap();
        while look(&mut reader) {}
        // Those that it did not see it knows of.
        assert_eq!(seen + reader.take_lost(), frames);
    });
}

#[test]
fn a_weak_reader_is_overtaken_by_numbers() {
    check_weak(3, || Place::many(1, 1, 1), 3);
}

#[test]
fn a_weak_reader_is_overtaken_by_bytes() {
    check_weak(3, || Place::narrow(4, 32, 1), 4);
}

#[test]
fn a_weak_reader_compares_what_it_has_copied() {
    check(4, || {
        let place = Place::narrow(4, 32, 1);
        let mut reader = place.read_end(2, Strength::Weak);
        let mut writer = place.write_end(1);
        // The third one lies where the first one was.
        writer.try_send(&frame(1, 0)).unwrap();
        writer.try_send(&frame(1, 1)).unwrap();
        let thread = thread::spawn(move || {
            writer.try_send(&frame(1, 2)).unwrap();
            forget(writer);
        });
        let frame = reader.try_borrow().unwrap().unwrap();
        let mut bytes = [0; FRAME];
        frame.read(&mut bytes).unwrap();
        if frame.release().is_ok() {
            assert_eq!(parse(bytes), Some((1, 0)), "released for good");
        }
        thread.join().unwrap();
    });
}

#[test]
fn writers_do_not_write_over_each_other() {
    check(3, || {
        let place = Place::narrow(4, 32, 2);
        let [mut slow, mut quick] = [1, 2].map(|pid| place.write_end(pid));
        let room = slow.claim_room(FRAME as u32).unwrap();
        let mut reader = place.read_end(3, Strength::Weak);
        let threads = [
            thread::spawn(move || {
                let mut reservation = slow.reservation(room);
                reservation.write(0, &frame(1, 0)).unwrap();
                reservation.commit();
                forget(slow);
            }),
            thread::spawn(move || {
                let _ = quick.try_send(&frame(2, 0));
                let _ = quick.try_send(&frame(2, 1));
                forget(quick);
            }),
        ];
        for _ in 0..2 {
            if let Some(frame) = reader.try_borrow().unwrap() {
                let slot = frame.writer().slot();
                let mut bytes = [0; FRAME];
                frame.read(&mut bytes).unwrap();
                if frame.release().is_ok() {
                    let (writer, _) = parse(bytes).expect("torn, but released for good");
                    assert_eq!(writer, slot + 1);
                }
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_writer_waits_for_another() {
    check(3, || {
        let place = Place::many(1, 2, 1);
        let (mut first, second) = (place.write_end(1), place.writer(2));
        let room = first.claim_room(FRAME as u32).unwrap();
        let thread = thread::spawn(move || {
            first.reservation(room).commit();
            forget(first);
        });
        second.run(async |mut writer| {
            send(&mut writer, 2, 0..1).await.unwrap();
            forget(writer);
        });
        thread.join().unwrap();
    });
}

#[test]
fn a_weak_reader_that_waits_is_woken() {
    check(2, || {
        let place = Place::many(2, 1, 1);
        let (writer, reader) = (place.writer(1), place.weak_reader(2));
        let thread = thread::spawn(move || {
            writer.run(async |mut writer| send(&mut writer, 1, 0..2).await.unwrap());
        });
        reader.run(async |mut reader| {
            let mut last = None;
            loop {
                let mut bytes = [0; FRAME];
                match reader.receive(&mut bytes).await {
                    Ok(_) => {}
                    Err(error) => break assert_eq!(error, ReadError::Closed),
                }
                let (_, number) = parse(bytes).unwrap();
                assert!(Some(number) > last);
                last = Some(number);
            }
            assert_eq!(last, Some(1));
        });
        thread.join().unwrap();
    });
}
