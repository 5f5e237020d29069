// SPDX-License-Identifier: BSD-2-Clause
//! Guests that end at any moment. The server's ring comes after.

use core::mem::forget;

use loom::thread;

use super::*;
use crate::channel::ReadError;

/// One dies with a reservation; another one, which may have tried for the same number, goes on.
fn check_reservation(preemptions: usize, room: u32) {
    check(preemptions, move || {
        let place = Place::many(room, 2, 1);
        let (mut dying, writer, reader) = (place.writer(1).end, place.writer(2), place.reader(3));
        let world = place.world.clone();
        let threads = [
            thread::spawn(move || {
                // It may find no room.
                let _ = dying.try_reserve(FRAME as u32).map(forget);
                forget(dying);
                world.kill(1);
            }),
            thread::spawn(move || {
                writer.run(async |mut writer| {
                    send(&mut writer, 2, 0..1).await.unwrap();
                    forget(writer);
                });
            }),
        ];
        reader.run(async |mut reader| {
            assert_eq!(content(reader.borrow().await.unwrap()), (2, 0));
            forget(reader);
        });
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_writer_dies_between_reserve_and_commit() {
    check_reservation(2, 2);
}

#[test]
fn a_writer_dies_between_reserve_and_commit_and_another_waits() {
    check_reservation(2, 1);
}

#[test]
fn the_last_writer_dies_between_reserve_and_commit() {
    check(3, || {
        let place = Place::many(2, 1, 1);
        let (mut dying, reader) = (place.writer(1).end, place.reader(2));
        let world = place.world.clone();
        let thread = thread::spawn(move || {
            dying.try_send(&frame(1, 0)).unwrap();
            forget(dying.try_reserve(FRAME as u32));
            forget(dying);
            world.kill(1);
        });
        reader.run(async |mut reader| {
            assert_eq!(content(reader.borrow().await.unwrap()), (1, 0));
            assert!(matches!(reader.borrow().await, Err(ReadError::Closed)));
        });
        thread.join().unwrap();
    });
}

#[test]
fn who_lives_keeps_its_reservation() {
    check(2, || {
        let place = Place::many(2, 2, 2);
        let writer = place.writer(1);
        let (reader, mut other) = (place.reader(2), place.read_end(3, Strength::Strong));
        let world = place.world.clone();
        let threads = [
            thread::spawn(move || {
                writer.run(async |mut writer| {
                    send(&mut writer, 1, 0..2).await.unwrap();
                    forget(writer);
                });
            }),
            // Nobody in particular ends, and a second one looks for whom to bury.
            thread::spawn(move || {
                world.kill(4);
                other.inspect();
                forget(other);
            }),
        ];
        reader.run(async |mut reader| {
            for number in 0..2 {
                assert_eq!(content(reader.borrow().await.unwrap()), (1, number));
            }
            forget(reader);
        });
        for thread in threads {
            thread.join().unwrap();
        }
    });
}

#[test]
fn a_dead_reader_does_not_keep_a_writer_asleep() {
    check(3, || {
        let place = Place::many(1, 1, 1);
        let (writer, reader) = (place.writer(1), place.read_end(2, Strength::Strong));
        let world = place.world.clone();
        let thread = thread::spawn(move || {
            forget(reader);
            world.kill(2);
        });
        writer.run(async |mut writer| send(&mut writer, 1, 0..3).await.unwrap());
        thread.join().unwrap();
    });
}

#[test]
fn a_frame_does_not_hide_a_death() {
    // The ring of the frame and that of the death may come as one.
    for place in [|| Place::pipe(2), || Place::many(2, 1, 1)] {
        check(3, move || {
            let place = place();
            let (writer, reader) = (place.writer(1), place.reader(2));
            let world = place.world.clone();
            let thread = thread::spawn(move || {
                writer.run(async |mut writer| {
                    send(&mut writer, 1, 0..1).await.unwrap();
                    forget(writer);
                });
                world.kill(1);
            });
            reader.run(async |mut reader| {
                assert_eq!(content(reader.borrow().await.unwrap()), (1, 0));
                assert!(matches!(reader.borrow().await, Err(ReadError::Closed)));
            });
            thread.join().unwrap();
        });
    }
}

#[test]
fn another_writer_takes_a_pipe_over() {
    check(2, || {
        let place = Place::pipe(2);
        let (writer, reader) = (place.writer(1), place.reader(2));
        let next = place.clone();
        let thread = thread::spawn(move || {
            writer.run(async |mut writer| {
                send(&mut writer, 1, 0..2).await.unwrap();
                let mut reservation = writer.reserve(FRAME as u32).await.unwrap();
                let _ = reservation.write(0, &frame(1, 2));
                forget(reservation);
                forget(writer);
            });
            next.world.kill(1);
            let writer = next.writer(3);
            writer.run(async |mut writer| send(&mut writer, 3, 0..1).await.unwrap());
        });
        reader.run(async |mut reader| {
            for expected in [(1, 0), (1, 1), (3, 0)] {
                let found = loop {
                    match reader.borrow().await {
                        Ok(frame) => break content(frame),
                        // Between the two writers.
                        Err(error) => assert_eq!(error, ReadError::Closed),
                    }
                    thread::yield_now();
                };
                assert_eq!(found, expected);
            }
            forget(reader);
        });
        thread.join().unwrap();
    });
}

#[test]
fn another_reader_takes_a_pipe_over() {
    check(2, || {
        let place = Place::pipe(1);
        let (writer, reader) = (place.writer(1), place.reader(2));
        let next = place.clone();
        let thread = thread::spawn(move || {
            reader.run(async |mut reader| {
                assert_eq!(content(reader.borrow().await.unwrap()), (1, 0));
                forget(reader.borrow().await.unwrap());
                forget(reader);
            });
            next.world.kill(2);
            let reader = next.reader(3);
            reader.run(async |mut reader| {
                for number in 1..3 {
                    assert_eq!(content(reader.borrow().await.unwrap()), (1, number));
                }
                forget(reader);
            });
        });
        writer.run(async |mut writer| {
            send(&mut writer, 1, 0..3).await.unwrap();
            forget(writer);
        });
        thread.join().unwrap();
    });
}
