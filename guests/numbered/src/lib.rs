// SPDX-License-Identifier: BSD-2-Clause
//! Frames that carry their number and a checksum: whoever reads one can tell whether it is whole, and whether
//! one is missing before it.
#![no_std]
#![forbid(unsafe_code)]

use core::fmt;

/// Bytes of a frame.
pub const LEN: usize = 64;
/// Bytes in front of the checksum.
const BODY: usize = LEN - 4;

/// The frame of this number.
pub fn frame(number: u32) -> [u8; LEN] {
    let mut frame = [number as u8; LEN];
    frame[..4].copy_from_slice(&number.to_le_bytes());
    let sum = crc32fast::hash(&frame[..BODY]);
    frame[BODY..].copy_from_slice(&sum.to_le_bytes());
    frame
}

/// The number of a frame.
///
/// # Errors
/// The checksum is wrong.
pub fn number(frame: &[u8; LEN]) -> Result<u32, Torn> {
    let (body, sum) = frame.split_at(BODY);
    if crc32fast::hash(body).to_le_bytes() != *sum {
        return Err(Torn);
    }
    let [a, b, c, d, ..] = *frame;
    Ok(u32::from_le_bytes([a, b, c, d]))
}

/// A frame is not what somebody wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Torn;

impl fmt::Display for Torn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame has the wrong checksum")
    }
}

impl core::error::Error for Torn {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_its_number() {
        for n in [0, 1, 255, 256, u32::MAX] {
            assert_eq!(number(&frame(n)), Ok(n));
        }
    }

    #[test]
    fn parts_of_two_frames_are_no_frame() {
        for at in 1..LEN {
            let mut torn = frame(1);
            torn[at..].copy_from_slice(&frame(2)[at..]);
            assert_eq!(number(&torn), Err(Torn), "at {at}");
        }
    }
}
