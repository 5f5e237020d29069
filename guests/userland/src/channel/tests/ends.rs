// SPDX-License-Identifier: BSD-2-Clause
//! What the ends do, one step after the other.

use std::{format, vec};

use super::*;
use crate::channel::WhenFull;

const PIPE: Config = Config::pipe().frames(4).data(128);
const MANY: Config = Config::new().frames(4).data(128).writers(4).readers(4);

#[test]
fn frames_come_out_as_they_went_in() {
    for config in [PIPE, MANY] {
        let (place, _) = Place::with(&config);
        let mut reader = place.reader(2);
        let mut writer = place.writer(1);
        for round in 0..100u8 {
            for len in [0, 1, 16, 17, 33] {
                let frame = vec![round; len];
                assert_eq!(take(&mut reader), Ok(None));
                writer.try_send(&frame).unwrap();
                let got = reader.try_borrow().unwrap().unwrap();
                assert_eq!(got.writer(), writer.id());
                assert_eq!(content(&got), frame);
            }
        }
    }
}

#[test]
fn a_full_channel_takes_no_more_until_a_reader_has_released() {
    for config in [PIPE, MANY] {
        let (place, _) = Place::with(&config);
        let mut reader = place.reader(2);
        let mut writer = place.writer(1);
        // By the number of frames.
        for i in 0..4 {
            writer.try_send(&[i]).unwrap();
        }
        assert_eq!(writer.try_send(&[4]), Err(WriteError::Full));
        let frame = reader.try_borrow().unwrap().unwrap();
        frame.release().unwrap();
        writer.try_send(&[4]).unwrap();
        assert_eq!(writer.try_send(&[5]), Err(WriteError::Full));
        for i in 1..5 {
            assert_eq!(take(&mut reader), Ok(Some(vec![i])));
        }
        // By their bytes.
        for _ in 0..10 {
            writer.try_send(&[1; 64]).unwrap();
            assert_eq!(writer.try_send(&[2; 65]), Err(WriteError::TooLong));
            while writer.try_send(&[2; 16]).is_ok() {}
            assert_eq!(take(&mut reader), Ok(Some(vec![1; 64])));
            while take(&mut reader).unwrap().is_some() {}
        }
    }
}

#[test]
fn a_dropping_channel_counts_what_it_drops() {
    let (place, _) = Place::with(&MANY.when_full(WhenFull::Drop));
    let mut reader = place.reader(2);
    let mut writer = place.writer(1);
    for i in 0..10 {
        let sent = writer.try_send(&[i]);
        assert_eq!(sent.is_ok(), i < 4, "{i}");
    }
    assert_eq!(writer.dropped(), 6);
    for i in 0..4 {
        assert_eq!(take(&mut reader), Ok(Some(vec![i])));
    }
    assert_eq!(take(&mut reader), Ok(None));
}

#[test]
fn every_strong_reader_sees_every_frame_of_every_writer() {
    let (place, _) = Place::with(&MANY);
    let mut readers = [place.reader(2), place.reader(3)];
    let mut writers = [place.writer(4), place.writer(5)];
    for round in 0..50u8 {
        for writer in &mut writers {
            writer.try_send(&[round, writer.id().slot() as u8]).unwrap();
        }
        for reader in &mut readers {
            for writer in &writers {
                let frame = reader.try_borrow().unwrap().unwrap();
                assert_eq!(frame.writer(), writer.id());
                assert_eq!(content(&frame), [round, writer.id().slot() as u8]);
            }
            assert_eq!(take(reader), Ok(None));
        }
    }
    // The slower one holds writers back.
    for i in 0..4 {
        writers[0].try_send(&[i]).unwrap();
        take(&mut readers[0]).unwrap().unwrap();
    }
    assert_eq!(writers[0].try_send(&[4]), Err(WriteError::Full));
    readers[1].downgrade();
    writers[0].try_send(&[4]).unwrap();
}

#[test]
fn a_weak_reader_is_overtaken_and_learns_how_much_it_lost() {
    let (place, _) = Place::with(&MANY);
    let mut weak = place.weak_reader(2);
    let mut writer = place.writer(1);
    for i in 0..3 {
        writer.try_send(&[i]).unwrap();
    }
    for i in 0..3 {
        assert_eq!(take(&mut weak), Ok(Some(vec![i])));
    }
    assert_eq!(weak.take_lost(), 0);
    for i in 0..100 {
        writer.try_send(&[i]).unwrap();
    }
    let mut seen = 0;
    let mut last = None;
    while let Some(frame) = take(&mut weak).unwrap() {
        assert!(last < Some(frame[0]));
        last = Some(frame[0]);
        seen += 1;
    }
    assert!(seen > 0);
    assert_eq!(last, Some(99));
    assert_eq!(weak.take_lost() + seen, 100);
    // While it reads.
    writer.try_send(&[7; 16]).unwrap();
    let frame = weak.try_borrow().unwrap().unwrap();
    for _ in 0..8 {
        writer.try_send(&[8; 16]).unwrap();
    }
    assert!(frame.release().is_err());
    let mut seen = 0;
    while let Some(frame) = take(&mut weak).unwrap() {
        assert_eq!(frame, [8; 16]);
        seen += 1;
    }
    assert!(seen > 0);
    assert_eq!(weak.take_lost() + seen, 9);
}

#[test]
fn a_weak_reader_is_overtaken_when_positions_have_wrapped() {
    let (place, _) = Place::with(&MANY.frames(1 << 17).data(1 << 16));
    let mut weak = place.weak_reader(2);
    let mut writer = place.writer(1);
    for _ in 0..1 << 17 {
        writer.try_reserve(1 << 15).unwrap().commit();
    }
    assert!(weak.try_borrow().unwrap().unwrap().release().is_err());
}

#[test]
fn what_is_given_up_is_never_seen() {
    for config in [PIPE, MANY] {
        let (place, _) = Place::with(&config);
        let mut reader = place.reader(2);
        let mut writer = place.writer(1);
        for i in 0..100 {
            drop(writer.try_reserve(50).unwrap());
            let mut frame = writer.try_reserve(40).unwrap();
            frame.write(0, &[i; 40]).unwrap();
            assert_eq!(frame.write(1, &[i; 40]), None);
            frame.commit_first(10);
            assert_eq!(take(&mut reader), Ok(Some(vec![i; 10])));
            assert_eq!(take(&mut reader), Ok(None));
        }
    }
}

#[test]
fn a_pipe_has_one_of_each_and_others_take_over_when_they_are_gone() {
    let (place, _) = Place::with(&PIPE);
    let mut writer = place.writer(1);
    let reader = place.reader(2);
    assert!(WriteEnd::new(&place.link(3), Strength::Strong, "").is_none());
    assert!(ReadEnd::new(&place.link(3), Strength::Weak, "").is_none());
    for i in 0..3 {
        writer.try_send(&[i; 20]).unwrap();
    }
    let before = writer.id();
    // One ends, the other dies.
    drop(writer);
    place.world.kill(2);
    let mut writer = place.writer(3);
    assert_eq!(writer.id().slot(), before.slot());
    assert_eq!(writer.id().generation(), before.generation() + 1);
    writer.try_send(&[3; 20]).unwrap();
    assert_eq!(writer.try_send(&[4; 20]), Err(WriteError::Full));
    let mut next = place.reader(4);
    for i in 0..4 {
        let frame = next.try_borrow().unwrap().unwrap();
        let wrote = if i < 3 { before } else { writer.id() };
        assert_eq!((frame.writer(), content(&frame)), (wrote, vec![i; 20]));
    }
    core::mem::forget(reader);
}

#[test]
fn who_dies_between_reserve_and_commit_holds_nobody_up() {
    let (place, _) = Place::with(&MANY);
    let mut reader = place.reader(1);
    let mut dying = place.writer(2);
    let mut writer = place.writer(3);
    for round in 0..20 {
        core::mem::forget(dying.try_reserve(20).unwrap());
        writer.try_send(&[round]).unwrap();
        assert_eq!(take(&mut reader), Ok(None));
        reader.inspect();
        assert_eq!(take(&mut reader), Ok(None), "it may still commit");
        place.world.kill(2 + 100 * round as u32);
        reader.inspect();
        assert_eq!(take(&mut reader), Ok(Some(vec![round])));
        core::mem::forget(dying);
        dying = place.writer(2 + 100 * (round as u32 + 1));
    }
    // The last one of all.
    core::mem::forget(dying.try_reserve(60).unwrap());
    place.world.kill(2002);
    reader.inspect();
    assert_eq!(take(&mut reader), Ok(None));
    // All its room is there again.
    writer.try_send(&[1; 64]).unwrap();
    assert_eq!(take(&mut reader), Ok(Some(vec![1; 64])));
    core::mem::forget(dying);
}

#[test]
fn a_dead_reader_holds_nobody_back() {
    let (place, _) = Place::with(&MANY);
    let reader = place.reader(2);
    let mut writer = place.writer(1);
    while writer.try_send(&[1]).is_ok() {}
    writer.inspect();
    assert_eq!(writer.try_send(&[1]), Err(WriteError::Full));
    place.world.kill(2);
    writer.inspect();
    writer.try_send(&[1]).unwrap();
    core::mem::forget(reader);
}

#[test]
fn strong_writers_keep_it_open_and_weak_ones_do_not() {
    for config in [PIPE, MANY] {
        let (place, _) = Place::with(&config);
        let mut reader = place.reader(2);
        // Nobody was there yet.
        assert_eq!(take(&mut reader), Ok(None));
        let mut writer = place.writer(1);
        writer.try_send(b"last").unwrap();
        drop(writer);
        assert_eq!(take(&mut reader), Ok(Some(b"last".to_vec())));
        assert_eq!(take(&mut reader), Err(ReadError::Closed));
        let mut writer = WriteEnd::new(&place.link(3), Strength::Weak, "").unwrap();
        writer.try_send(b"weak").unwrap();
        assert_eq!(take(&mut reader), Ok(Some(b"weak".to_vec())));
        assert_eq!(take(&mut reader), Err(ReadError::Closed));
        drop(writer);
        let mut writer = place.writer(4);
        assert_eq!(take(&mut reader), Ok(None));
        writer.downgrade();
        assert_eq!(take(&mut reader), Err(ReadError::Closed));
        // One that dies is found out by who looks after it.
        let strong = place.writer_if_free(5);
        if let Some(strong) = strong {
            place.world.kill(5);
            assert_eq!(take(&mut reader), Ok(None));
            reader.inspect();
            assert_eq!(take(&mut reader), Err(ReadError::Closed));
            core::mem::forget(strong);
        }
    }
}

#[test]
fn drained_and_terminated() {
    for config in [PIPE, MANY] {
        let (place, link) = Place::with(&config);
        let mut reader = place.reader(2);
        let mut writer = place.writer(1);
        writer.try_send(&[1]).unwrap();
        link.end(atoll_abi::channel::DRAINS);
        // A pipe's writer may find out with the first frame behind.
        let late = writer.try_send(&[2]).is_ok();
        assert_eq!(late, config == PIPE);
        assert_eq!(writer.try_send(&[3]), Err(WriteError::Closed));
        assert_eq!(take(&mut reader), Ok(Some(vec![1])));
        if late {
            assert_eq!(take(&mut reader), Ok(Some(vec![2])));
        }
        assert_eq!(take(&mut reader), Err(ReadError::Closed));

        let (place, link) = Place::with(&config);
        let mut reader = place.reader(2);
        let mut writer = place.writer(1);
        link.end(atoll_abi::channel::TERMINATED);
        let _ = writer.try_send(&[1]);
        assert_eq!(writer.try_send(&[2]), Err(WriteError::Closed));
        let _ = take(&mut reader);
        assert_eq!(take(&mut reader), Err(ReadError::Closed));
    }
}

#[test]
fn credits_bound_what_one_writer_has_out() {
    let (place, _) = Place::with(&MANY.credits(2));
    let mut reader = place.reader(1);
    let mut greedy = place.writer(2);
    let mut other = place.writer(3);
    for _ in 0..20 {
        greedy.try_send(&[1]).unwrap();
        greedy.try_send(&[2]).unwrap();
        assert_eq!(greedy.try_send(&[3]), Err(WriteError::Full));
        other.try_send(&[4]).unwrap();
        assert_eq!(take(&mut reader), Ok(Some(vec![1])));
        greedy.try_send(&[5]).unwrap();
        assert_eq!(greedy.try_send(&[6]), Err(WriteError::Full));
        for i in [2, 4, 5] {
            assert_eq!(take(&mut reader), Ok(Some(vec![i])));
        }
    }
}

#[test]
fn whoever_tampers_with_the_tail_does_not_have_a_writer_remember_ever_more() {
    let (place, link) = Place::with(&MANY.credits(u32::MAX));
    let mut writer = place.writer(1);
    for _ in 0..4 {
        writer.try_send(&[1]).unwrap();
        link.view.tail.get().store(0, SeqCst);
    }
    assert_eq!(writer.try_send(&[1]), Err(WriteError::Full));
}

#[test]
fn nobody_is_rung_who_does_not_sleep() {
    for config in [PIPE, MANY] {
        let (place, _) = Place::with(&config);
        let mut reader = place.reader(2);
        let mut writer = place.writer(1);
        let before = place.world.rings();
        for _ in 0..10 {
            writer.try_send(&[1]).unwrap();
            take(&mut reader).unwrap().unwrap();
        }
        assert_eq!(place.world.rings(), before);
        reader.arm();
        for _ in 0..3 {
            writer.try_send(&[1]).unwrap();
        }
        assert_eq!(place.world.rings(), [before[0] + 1, before[1]]);
        writer.arm();
        while take(&mut reader).unwrap().is_some() {}
        assert_eq!(place.world.rings(), [before[0] + 1, before[1] + 1]);
    }
    // Nor for somebody who finds no room: the next to look would do the same.
    let (place, _) = Place::with(&MANY);
    let mut reader = place.reader(2);
    let mut first = place.writer(1);
    let mut second = place.writer(3);
    let unfinished = first.try_reserve(1).unwrap();
    while second.try_send(&[2]).is_ok() {}
    assert_eq!(take(&mut reader), Ok(None));
    reader.arm();
    let before = place.world.rings();
    for _ in 0..3 {
        assert_eq!(second.try_send(&[2]), Err(WriteError::Full));
    }
    assert_eq!(place.world.rings(), before);
    unfinished.commit();
    assert_eq!(place.world.rings()[0], before[0] + 1);
    // One that cannot say that it sleeps is rung always.
    let (place, link) = Place::with(&MANY.taps());
    let mut tap = ReadEnd::without_slot(&link);
    let mut writer = place.writer(1);
    let before = place.world.rings();
    for i in 0..3 {
        writer.try_send(&[i]).unwrap();
        assert_eq!(take(&mut tap), Ok(Some(vec![i])));
    }
    assert_eq!(place.world.rings()[0], before[0] + 3);
}

/// Its window may not be writable: a write would end the guest.
#[test]
fn a_tap_sees_that_its_writer_is_gone_and_writes_nothing() {
    let (place, link) = Place::with(&MANY.taps());
    let mut tap = ReadEnd::without_slot(&place.link(2));
    assert_eq!(take(&mut tap), Ok(None));
    let mut writer = place.writer(1);
    writer.try_send(&[1]).unwrap();
    assert_eq!(take(&mut tap), Ok(Some(vec![1])));
    assert_eq!(take(&mut tap), Ok(None));
    core::mem::forget(writer);
    place.world.kill(1);
    tap.inspect();
    assert_eq!(take(&mut tap), Err(ReadError::Closed));
    assert_eq!(link.view.writers.at(0).owner.load(SeqCst), 1);
    // There can be another.
    let mut writer = place.writer(3);
    assert_eq!(take(&mut tap), Ok(None));
    writer.try_send(&[2]).unwrap();
    assert_eq!(take(&mut tap), Ok(Some(vec![2])));
}

#[test]
fn counters_wrap() {
    for config in [PIPE, MANY] {
        let (place, link) = Place::with(&config);
        let high = crate::channel::layout::Mark {
            frame: u32::MAX - 5,
            position: u32::MAX - 63,
        };
        link.view.tail.get().store(high.word(), SeqCst);
        link.view.readers.at(0).cursor.store(high.word(), SeqCst);
        let mut reader = place.reader(2);
        let mut writer = place.writer(1);
        for i in 0..50 {
            writer.try_send(&[i; 40]).unwrap();
            assert_eq!(take(&mut reader), Ok(Some(vec![i; 40])), "{config:?}");
        }
    }
}

#[test]
fn what_is_no_channel() {
    let place = Place::new(4096);
    let peer = || place.peer(1);
    assert_eq!(find(&place.memory, peer()).err(), Some(OpenError::NotYet));
    assert_eq!(
        place.create(1, &Config::new()).err(),
        Some(OpenError::TooSmall)
    );
    let link = place.create(1, &MANY).unwrap();
    assert!(link.is_as(&MANY) && !link.is_as(&PIPE));
    // A second one changes nothing.
    assert!(place.create(2, &PIPE).unwrap().is_as(&MANY));
    let word = |offset: u32| place.memory.word(offset).unwrap();
    for (offset, wrong) in [
        (0, 1),
        (4, 2),
        (12, 3),
        (12, 1 << 19),
        (16, 4096),
        (16, 0),
        (20, 0),
        (24, 256),
    ] {
        let right = word(offset).swap(wrong, SeqCst);
        let error = find(&place.memory, peer()).err();
        assert_eq!(error, Some(OpenError::NoChannel), "{wrong} at {offset}");
        word(offset).store(right, SeqCst);
    }
    assert!(find(&place.memory, peer()).is_ok());
    // Who makes it dies over it.
    let place = Place::new(4096);
    place.memory.word(32).unwrap().store(7, SeqCst);
    assert_eq!(place.create(1, &MANY).err(), Some(OpenError::NotYet));
    place.world.kill(7);
    place.create(1, &MANY).unwrap();
}

#[test]
fn errors_are_for_people() {
    for text in [
        format!("{}", WriteError::TooLong),
        format!("{}", ReadError::Corrupt),
        format!("{}", OpenError::Differs),
    ] {
        assert!(text.contains("channel") || text.contains("frame"), "{text}");
    }
}
