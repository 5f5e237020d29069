// SPDX-License-Identifier: BSD-2-Clause
//! Two guests that send each other bytes.

use alloc::vec::Vec;

use crate::{
    PAGE,
    channel::{Duplex, DuplexError, Input, Lost, OpenError, Output},
    fake::World,
    task::{block_on, spawn, yield_now},
};

/// Two guests with a page between them.
struct Two {
    world: World,
    region: u32,
    host: Duplex,
    visitor: Duplex,
}

impl Two {
    fn new() -> Self {
        let world = World::new();
        let region = world.region(PAGE);
        let [host, visitor] = [1, 2].map(|pid| Duplex::over(world.place(region, pid)));
        Self {
            world,
            region,
            host,
            visitor,
        }
    }

    /// The ends of both.
    fn meet(&self) -> ((Input, Output), (Input, Output)) {
        let host = self.host.begin("host").unwrap();
        (host, self.visitor.join("visitor").unwrap())
    }
}

/// Bytes that differ from those before and behind.
fn pattern(len: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect()
}

async fn read_all(mut input: Input, piece: usize) -> Result<Vec<u8>, Lost> {
    let mut all = Vec::new();
    let mut bytes = alloc::vec![0; piece];
    loop {
        match input.read(&mut bytes).await? {
            0 => return Ok(all),
            len => all.extend_from_slice(&bytes[..len]),
        }
    }
}

#[test]
fn bytes_arrive_both_ways_whatever_the_pieces() {
    let two = Two::new();
    let (sent, answer) = (pattern(200_000), pattern(77_777));
    for piece in [1, 7, 4096, 100_000] {
        let ((host_in, mut host_out), (visitor_in, mut visitor_out)) = two.meet();
        let expected = (sent.clone(), answer.clone());
        let (sent, answer) = expected.clone();
        block_on(async move {
            spawn(async move {
                for piece in sent.chunks(5000) {
                    host_out.write_all(piece).await.unwrap();
                }
                host_out.finish();
            });
            spawn(async move {
                visitor_out.write_all(&answer).await.unwrap();
                visitor_out.finish();
            });
            let there = spawn(read_all(visitor_in, piece));
            let back = spawn(read_all(host_in, 333));
            assert!(there.await.unwrap().unwrap() == expected.0, "{piece}");
            assert!(back.await.unwrap().unwrap() == expected.1, "{piece}");
        });
    }
}

#[test]
fn what_is_not_consumed_comes_again() {
    let two = Two::new();
    let ((_host_in, mut output), (mut input, _visitor_out)) = two.meet();
    block_on(async {
        output.write_all(b"abcdef").await.unwrap();
        output.finish();
        let mut two = [0; 2];
        let chunk = input.chunk().await.unwrap().unwrap();
        assert_eq!(chunk.len(), 6);
        input.chunk().await.unwrap().unwrap().consume(2);
        let chunk = input.chunk().await.unwrap().unwrap();
        assert_eq!(chunk.len(), 4);
        assert_eq!(chunk.read_at(2, &mut two), Some(()));
        assert_eq!(&two, b"ef");
        assert_eq!(chunk.read_at(3, &mut two), None);
        chunk.consume(100);
        assert!(input.chunk().await.unwrap().is_none());
    });
}

#[test]
fn frames_without_bytes_say_nothing() {
    let two = Two::new();
    let ((_input, mut output), (visitor, _visitor_out)) = two.meet();
    for bytes in [b"a".as_slice(), b"", b"", b"b"] {
        let mut room = output.try_reserve_frame(bytes.len() as u32).unwrap();
        room.write(0, bytes);
        room.commit();
    }
    output.finish();
    assert_eq!(block_on(read_all(visitor, 10)), Ok(b"ab".to_vec()));
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let two = Two::new();
    let ((host_in, host_out), (visitor_in, mut visitor_out)) = two.meet();
    host_out.finish();
    block_on(async {
        assert_eq!(read_all(visitor_in, 10).await, Ok(Vec::new()));
        visitor_out.write_all(b"still here").await.unwrap();
        visitor_out.finish();
        assert_eq!(read_all(host_in, 10).await, Ok(b"still here".to_vec()));
    });
}

#[test]
fn who_is_terminated_or_left_is_told() {
    let two = Two::new();
    let ((mut input, mut output), (visitor_in, visitor_out)) = two.meet();
    visitor_in.channel().terminate();
    block_on(async {
        assert_eq!(output.write(b"x").await, Err(Lost::Terminated));
        drop(visitor_out);
        assert_eq!(input.read(&mut [0; 1]).await, Err(Lost::Gone));
    });
}

/// Both wait: one for bytes, one for room.
#[test]
fn who_waits_hears_of_the_others_death() {
    let two = Two::new();
    let ((mut input, mut output), ends) = two.meet();
    let world = two.world.clone();
    block_on(async move {
        let read = spawn(async move { input.read(&mut [0; 1]).await });
        let write = spawn(async move {
            loop {
                if let Err(lost) = output.write(&[7; 1000]).await {
                    return lost;
                }
            }
        });
        for _ in 0..100 {
            yield_now().await;
        }
        assert!(!read.is_finished() && !write.is_finished());
        world.kill(2);
        assert_eq!(read.await.unwrap(), Err(Lost::Gone));
        assert_eq!(write.await.unwrap(), Lost::Gone);
        drop(ends);
    });
}

#[test]
fn a_region_serves_again_and_again() {
    let two = Two::new();
    for round in 0..5u8 {
        let ((host_in, mut host_out), (visitor_in, visitor_out)) = two.meet();
        block_on(async move {
            host_out.write_all(&[round; 100]).await.unwrap();
            // Left unread, ended and terminated: nothing of it is there the next time.
            if round % 2 == 0 {
                host_out.finish();
                assert_eq!(read_all(visitor_in, 30).await, Ok([round; 100].to_vec()));
            } else {
                visitor_in.channel().terminate();
            }
            drop((host_in, visitor_out));
        });
    }
}

#[test]
fn pipes_of_another_make_are_refused() {
    let two = Two::new();
    assert_eq!(
        two.visitor.join("early").err(),
        Some(DuplexError::Open(OpenError::NotYet))
    );
    let _ends = two.host.begin("host").unwrap();
    let again = two.visitor.join("first").unwrap();
    assert_eq!(two.visitor.join("second").err(), Some(DuplexError::Taken));
    drop(again);
    let memory = two.world.memory(two.region);
    // The frames of the frame ring.
    memory
        .word(12)
        .unwrap()
        .store(128, core::sync::atomic::Ordering::SeqCst);
    assert_eq!(
        two.visitor.join("late").err(),
        Some(DuplexError::Open(OpenError::Differs))
    );
}
