// SPDX-License-Identifier: BSD-2-Clause
//! The exchange: a slot for messages in each direction.
//!
//! A message is a number, from 1 up, and a word. Ping's words look random; each answer is the sum of
//! all words that pong has read, in their order, so that one answer tells whether every message so far
//! arrived, once, unchanged and in order.

use core::sync::atomic::{
    AtomicU32,
    Ordering::{Acquire, Relaxed, Release},
};

use userland::{Error, shm::Window};

use crate::Failure;

/// Offset of the slot from ping to pong.
pub const OFFSET_PING: u32 = 0;
/// Offset of the slot from pong to ping; in a cache line of its own.
pub const OFFSET_PONG: u32 = 128;

/// A place for one message: its number, then its word.
#[derive(Clone, Copy, Debug)]
pub struct Slot<'a> {
    number: &'a AtomicU32,
    word: &'a AtomicU32,
}

impl<'a> Slot<'a> {
    /// The slot at this offset of a window, readable and writable.
    ///
    /// # Errors
    /// The window is too small or not writable.
    pub fn new(window: &'a Window, offset: u32) -> Result<Self, Error> {
        Ok(Self {
            number: window.word(offset)?,
            word: window.word(offset + 4)?,
        })
    }

    /// Leaves a message. The one before must have been read, as an answer to it shows.
    pub fn put(&self, number: u32, word: u32) {
        self.word.store(word, Relaxed);
        // Release: who sees the number sees the word.
        self.number.store(number, Release);
    }

    /// The word of message `expected`, if it is there.
    ///
    /// # Errors
    /// There is a message whose turn it is not.
    pub fn get(&self, expected: u32) -> Result<Option<u32>, Failure> {
        let found = self.number.load(Acquire);
        if found == expected {
            Ok(Some(self.word.load(Relaxed)))
        } else if found == expected.wrapping_sub(1) {
            Ok(None)
        } else {
            Err(Failure::OutOfOrder { expected, found })
        }
    }
}

/// The word of ping's message with this number.
pub const fn word_of(number: u32) -> u32 {
    // The finalizer of MurmurHash3: one to one, and each bit depends on all.
    let mut word = number;
    word = (word ^ (word >> 16)).wrapping_mul(0x85eb_ca6b);
    word = (word ^ (word >> 13)).wrapping_mul(0xc2b2_ae35);
    word ^ (word >> 16)
}

/// A sum of words that depends on their order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Checksum(u32);

impl Checksum {
    /// Adds a word; answers the sum.
    pub const fn add(&mut self, word: u32) -> u32 {
        // The step of 32-bit FNV-1a, a word at a time.
        self.0 = (self.0 ^ word).wrapping_mul(0x0100_0193);
        // Odd multipliers move bits only upwards; this brings the high ones back.
        self.0 = self.0.rotate_left(15);
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_gives_the_message_whose_turn_it_is() {
        let (number, word) = (AtomicU32::new(0), AtomicU32::new(0));
        let slot = Slot {
            number: &number,
            word: &word,
        };
        assert_eq!(slot.get(1), Ok(None));
        slot.put(1, 77);
        assert_eq!(slot.get(1), Ok(Some(77)));
        assert_eq!(slot.get(2), Ok(None));
        slot.put(3, 78);
        let failure = Failure::OutOfOrder {
            expected: 2,
            found: 3,
        };
        assert_eq!(slot.get(2), Err(failure));
    }

    #[test]
    fn numbers_wrap() {
        let (number, word) = (AtomicU32::new(u32::MAX), AtomicU32::new(5));
        let slot = Slot {
            number: &number,
            word: &word,
        };
        assert_eq!(slot.get(u32::MAX), Ok(Some(5)));
        assert_eq!(slot.get(0), Ok(None));
    }

    #[test]
    fn the_checksum_tells_order_loss_and_repetition() {
        let sum = |numbers: &[u32]| {
            let mut sum = Checksum::default();
            numbers.iter().map(|n| sum.add(word_of(*n))).last()
        };
        let right = sum(&[1, 2, 3]);
        for wrong in [&[2, 1, 3][..], &[1, 3, 3], &[1, 3], &[1, 2, 2, 3]] {
            assert_ne!(sum(wrong), right, "{wrong:?}");
        }
    }
}
