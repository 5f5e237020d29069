// SPDX-License-Identifier: BSD-2-Clause
//! Ends that come and go while others are at work.

use core::mem::forget;

use atoll_abi::channel::{DRAINS, TERMINATED};
use loom::thread;

use super::*;
use crate::channel::{ReadError, link::Side};

#[test]
fn two_claim_one_slot_each() {
    check(4, || {
        // One of the two slots was left by one that is dead.
        let place = Place::many(1, 2, 1);
        forget(place.write_end(4));
        place.world.kill(4);
        let link = place.link(1);
        let thread = thread::spawn(move || link.claim(Side::Writers, "").unwrap());
        let one = place.link(2).claim(Side::Writers, "").unwrap();
        let other = thread.join().unwrap();
        assert_ne!(one, other);
        assert!(place.link(3).claim(Side::Writers, "").is_none());
        for (slot, owner) in [(one, 2), (other, 1)] {
            assert_eq!(place.view.writers.at(slot).owner.load(Relaxed), owner);
        }
    });
}

#[test]
fn two_claim_one_slot() {
    check(4, || {
        let place = Place::pipe(1);
        forget(place.read_end(4, Strength::Strong));
        place.world.kill(4);
        let link = place.link(1);
        let thread = thread::spawn(move || link.claim(Side::Readers, "").is_some());
        let one = place.link(2).claim(Side::Readers, "").is_some();
        assert!(one != thread.join().unwrap());
    });
}

#[test]
fn a_strong_reader_joins_while_one_writes() {
    check(2, || {
        let place = Place::many(1, 1, 1);
        let writer = place.writer(1);
        let thread = thread::spawn(move || {
            writer.run(async |mut writer| {
                send(&mut writer, 1, 0..3).await.unwrap();
                forget(writer);
            });
        });
        let mut reader = place.read_end(2, Strength::Strong);
        // From some frame on, all of them, whole.
        let mut last = None;
        for _ in 0..3 {
            if let Some(frame) = reader.try_borrow().unwrap() {
                let (_, number) = content(frame);
                assert!(last.is_none_or(|last| number == last + 1));
                last = Some(number);
            }
        }
        reader.downgrade();
        thread.join().unwrap();
    });
}

#[test]
fn a_strong_reader_joins_while_two_write() {
    check(2, || {
        let place = Place::many(1, 2, 1);
        let threads = [1, 2].map(|pid| {
            let mut writer = place.write_end(pid);
            thread::spawn(move || {
                let _ = writer.try_send(&frame(pid, 0));
                let _ = writer.try_send(&frame(pid, 1));
                forget(writer);
            })
        });
        let mut reader = place.read_end(3, Strength::Strong);
        let found = reader.try_borrow().unwrap().map(content);
        for thread in threads {
            thread.join().unwrap();
        }
        if found.is_none() {
            reader.try_borrow().unwrap().map(content);
        }
    });
}

/// A writer that waits for a reader goes on when that does not hold it back any more.
fn check_let_go(place: fn() -> Place, let_go: fn(ReadEnd)) {
    check(3, move || {
        let place = place();
        let (writer, reader) = (place.writer(1), place.read_end(2, Strength::Strong));
        let thread = thread::spawn(move || let_go(reader));
        writer.run(async |mut writer| {
            send(&mut writer, 1, 0..3).await.unwrap();
            forget(writer);
        });
        thread.join().unwrap();
    });
}

#[test]
fn a_reader_is_downgraded_for_whom_one_waits() {
    check_let_go(
        || Place::many(1, 1, 1),
        |mut reader| {
            reader.downgrade();
            forget(reader);
        },
    );
}

#[test]
fn a_reader_leaves_for_whom_one_waits() {
    check_let_go(|| Place::many(1, 1, 1), drop);
}

#[test]
fn the_last_strong_writer_lets_go_of_one_that_waits() {
    for place in [|| Place::pipe(1), || Place::many(1, 1, 1)] {
        for let_go in [drop, |mut writer: WriteEnd| {
            writer.downgrade();
            forget(writer);
        }] {
            check(3, move || {
                let place = place();
                let (writer, reader) = (place.write_end(1), place.reader(2));
                let thread = thread::spawn(move || let_go(writer));
                reader.run(async |mut reader| {
                    assert!(matches!(reader.borrow().await, Err(ReadError::Closed)));
                });
                thread.join().unwrap();
            });
        }
    }
}

#[test]
fn what_is_given_up_does_not_keep_a_reader_asleep() {
    check(2, || {
        let place = Place::many(2, 1, 1);
        let (writer, reader) = (place.writer(1), place.reader(2));
        let thread = thread::spawn(move || {
            writer.run(async |mut writer| {
                drop(writer.reserve(FRAME as u32).await.unwrap());
                send(&mut writer, 1, 0..2).await.unwrap();
                forget(writer);
            });
        });
        reader.run(async |mut reader| {
            for number in 0..2 {
                assert_eq!(content(reader.borrow().await.unwrap()), (1, number));
            }
            forget(reader);
        });
        thread.join().unwrap();
    });
}

/// Another ends the channel.
fn check_end(place: fn() -> Place, how: u32, waits: fn(&Place, u32)) {
    check(3, move || {
        let place = place();
        let link = place.link(3);
        let thread = thread::spawn(move || link.end(how));
        waits(&place, how);
        thread.join().unwrap();
    });
}

#[test]
fn a_channel_ends_while_a_writer_waits() {
    for place in [|| Place::pipe(1), || Place::many(1, 1, 1)] {
        for how in [DRAINS, TERMINATED] {
            check_end(place, how, |place, _| {
                let reader = place.read_end(2, Strength::Strong);
                place.writer(1).run(async |mut writer| {
                    assert_eq!(send(&mut writer, 1, 0..3).await, Err(WriteError::Closed));
                    forget(writer);
                });
                forget(reader);
            });
        }
    }
}

#[test]
fn a_channel_ends_while_a_reader_waits() {
    for place in [|| Place::pipe(2), || Place::many(2, 1, 1)] {
        for how in [DRAINS, TERMINATED] {
            check_end(place, how, |place, how| {
                let is_terminated = how == TERMINATED;
                let reader = place.reader(2);
                let mut writer = place.write_end(1);
                let sent = writer.try_send(&frame(1, 0));
                reader.run(async |mut reader| {
                    let mut seen = 0;
                    let end = loop {
                        match reader.borrow().await {
                            Ok(frame) => assert_eq!(content(frame), (1, 0)),
                            Err(error) => break error,
                        }
                        seen += 1;
                    };
                    assert_eq!(end, ReadError::Closed);
                    // What was written before it drains is read.
                    assert!(seen == u32::from(sent.is_ok()) || is_terminated);
                    forget(reader);
                });
                forget(writer);
            });
        }
    }
}
