// SPDX-License-Identifier: BSD-2-Clause
//! Frames that say whether they are whole.

use drill::{Fault, Verdict, ensure};

/// Bytes before the payload: its writer, the writer's number, the sum.
pub const HEAD: usize = 24;
/// Bytes of the longest.
pub const LONGEST: usize = 700;

/// Makes a frame of this length.
pub fn fill(bytes: &mut [u8], writer: u64, number: u64) {
    let mut random = Random(writer ^ number << 20);
    for piece in bytes[HEAD..].chunks_mut(8) {
        piece.copy_from_slice(&random.next().to_le_bytes()[..piece.len()]);
    }
    bytes[..8].copy_from_slice(&writer.to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let sum = sum(bytes);
    bytes[16..HEAD].copy_from_slice(&sum.to_le_bytes());
}

/// Writer and number of a frame, if it is whole.
pub fn parse(bytes: &[u8]) -> Verdict<(u64, u64)> {
    ensure!(bytes.len() >= HEAD, "a frame of {} bytes", bytes.len());
    let word = |at: usize| {
        let mut word = [0; 8];
        word.copy_from_slice(&bytes[at..at + 8]);
        u64::from_le_bytes(word)
    };
    let (writer, number) = (word(0), word(8));
    if word(16) != sum(bytes) {
        return Err(Fault::new(format_args!(
            "frame {number} of {writer:#x} is torn"
        )));
    }
    Ok((writer, number))
}

/// Of all bytes but its own, and their number.
fn sum(bytes: &[u8]) -> u64 {
    let mut sum = bytes.len() as u64;
    let counted = bytes[..16].chunks(8).chain(bytes[HEAD..].chunks(8));
    for piece in counted {
        let mut word = [0; 8];
        word[..piece.len()].copy_from_slice(piece);
        sum = (sum.rotate_left(7) ^ u64::from_le_bytes(word)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
    sum
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
pub struct Random(pub u64);

impl Random {
    pub const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub const fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}
