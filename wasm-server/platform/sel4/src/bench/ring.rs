// SPDX-License-Identifier: BSD-2-Clause
//! What a frame costs in a ring of native code: rtrb, one of the fastest there are for one writer and one
//! reader, in one thread, as the guest that is compared has it.

use core::hint::black_box;

use rtrb::RingBuffer;

use super::line;
use crate::clock;

const WARM_UP: u64 = 100;
const ROUNDS: u64 = 1000;
/// Frames that fit.
const CAPACITY: usize = 256;

/// Measures and prints: a frame is copied in from memory of the writer, and out to memory of the reader. Of
/// the ways that rtrb has for it, the one that takes least.
pub fn run() {
    line("rtrb_64b", elements().min(chunks()));
    line("rtrb_4k", slices::<4096>());
}

/// A frame of 64 bytes.
type Frame = [u64; 8];

/// Frames as elements of the ring, each pushed and popped.
fn elements() -> u64 {
    let (mut producer, mut consumer) = RingBuffer::<Frame>::new(CAPACITY);
    let frame = [7; 8];
    let mut copy = [0; 8];
    measure(|| {
        // There is room, and then a frame.
        let _ = producer.push(*black_box(&frame));
        if let Ok(frame) = consumer.pop() {
            *black_box(&mut copy) = frame;
        }
    })
}

/// Frames as elements of the ring, each written and read in place.
fn chunks() -> u64 {
    let (mut producer, mut consumer) = RingBuffer::<Frame>::new(CAPACITY);
    let frame = [7; 8];
    let mut copy = [0; 8];
    measure(|| {
        if let Ok(mut room) = producer.write_chunk(1) {
            if let Some(place) = room.as_mut_slices().0.first_mut() {
                *place = *black_box(&frame);
            }
            room.commit_all();
        }
        if let Ok(chunk) = consumer.read_chunk(1) {
            if let Some(place) = chunk.as_slices().0.first() {
                *black_box(&mut copy) = *place;
            }
            chunk.commit_all();
        }
    })
}

/// Frames as slices of a ring of bytes.
fn slices<const N: usize>() -> u64 {
    let (mut producer, mut consumer) = RingBuffer::<u8>::new(8 * N);
    let frame = [7; N];
    let mut copy = [0; N];
    measure(|| {
        let _ = producer.push_entire_slice(black_box(&frame));
        let _ = consumer.pop_entire_slice(black_box(&mut copy));
    })
}

/// What a round takes.
fn measure(mut round: impl FnMut()) -> u64 {
    for _ in 0..WARM_UP {
        round();
    }
    let begin = clock::cycles();
    for _ in 0..ROUNDS {
        round();
    }
    (clock::cycles() - begin) / ROUNDS
}
