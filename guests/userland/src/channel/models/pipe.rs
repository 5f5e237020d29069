// SPDX-License-Identifier: BSD-2-Clause
//! One writer and one reader.

use loom::thread;

use super::*;
use crate::channel::ReadError;

/// Frames come whole, once and in order, and whoever waits is woken.
fn check_frames(preemptions: usize, room: u32, frames: u32) {
    check(preemptions, move || {
        let place = Place::pipe(room);
        let (writer, reader) = (place.writer(1), place.reader(2));
        let thread = thread::spawn(move || {
            writer.run(async |mut writer| send(&mut writer, 1, 0..frames).await.unwrap());
        });
        reader.run(async |mut reader| {
            for number in 0..frames {
                assert_eq!(content(reader.borrow().await.unwrap()), (1, number));
            }
        });
        thread.join().unwrap();
    });
}

#[test]
fn frames_pass_where_one_has_room() {
    check_frames(2, 1, 3);
}

#[test]
fn frames_pass_where_two_have_room() {
    check_frames(2, 2, 3);
}

#[test]
fn the_last_frame_comes_before_the_end() {
    check(2, || {
        let place = Place::pipe(2);
        let (writer, reader) = (place.writer(1), place.reader(2));
        let thread = thread::spawn(move || {
            writer.run(async |mut writer| send(&mut writer, 1, 0..2).await.unwrap());
        });
        reader.run(async |mut reader| {
            for number in 0..2 {
                assert_eq!(content(reader.borrow().await.unwrap()), (1, number));
            }
            assert!(matches!(reader.borrow().await, Err(ReadError::Closed)));
        });
        thread.join().unwrap();
    });
}
