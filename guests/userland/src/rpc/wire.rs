// SPDX-License-Identifier: BSD-2-Clause
//! What goes through a connection, and through the door.
//!
//! A frame of a connection begins with 16 bytes: what it is, the number of the call, and a number more. The
//! value of a request or reply is behind, as postcard.

use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{
    channel::{Config, Frame, WriteError, Writer},
    port::codec::{Copy, EncodeError, Encoder},
};

/// Of this protocol.
pub(super) const VERSION: u32 = 1;

/// Bytes in front of a value.
pub(super) const HEADER: usize = 16;

/// From the client: do this, by then.
pub(super) const REQUEST: u32 = 1;
/// From the client: do it no more.
pub(super) const CANCEL: u32 = 2;
/// From the service, at first: the generation in place of a call's number, then how many calls may be under way.
pub(super) const WELCOME: u32 = 3;
/// From the service: the reply.
pub(super) const REPLY: u32 = 4;
/// From the service: why there is none.
pub(super) const REFUSED: u32 = 5;

/// The begin of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Header {
    pub kind: u32,
    pub id: u32,
    pub extra: u64,
}

impl Header {
    #[inline(always)]
    const fn words(self) -> [u64; 2] {
        [self.kind as u64 | (self.id as u64) << 32, self.extra]
    }

    #[inline(always)]
    const fn of_words(words: [u64; 2]) -> Self {
        Self {
            kind: words[0] as u32,
            id: (words[0] >> 32) as u32,
            extra: words[1],
        }
    }

    #[inline(always)]
    pub fn to_bytes(self) -> [u8; HEADER] {
        let [first, second] = self.words();
        (u128::from(first) | u128::from(second) << 64).to_le_bytes()
    }

    /// The header of a frame, and what is behind it.
    pub fn of(frame: &[u8]) -> Option<(Self, &[u8])> {
        let (bytes, body) = frame.split_first_chunk::<HEADER>()?;
        let whole = u128::from_le_bytes(*bytes);
        Some((Self::of_words([whole as u64, (whole >> 64) as u64]), body))
    }
}

/// A value of at most 16 bytes, put together in two words. Such frames are written and read in one go, and
/// nothing of them goes through memory on the way.
#[derive(Default)]
struct Short {
    low: u64,
    high: u64,
    len: u32,
}

impl Flavor for Short {
    type Output = Self;

    #[inline(always)]
    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        match self.len {
            0..8 => self.low |= u64::from(byte) << (self.len * 8),
            8..16 => self.high |= u64::from(byte) << (self.len * 8 - 64),
            _ => return Err(postcard::Error::SerializeBufferFull),
        }
        self.len += 1;
        Ok(())
    }

    #[inline(always)]
    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        if bytes.len() > 16 {
            return Err(postcard::Error::SerializeBufferFull);
        }
        bytes.iter().try_for_each(|byte| self.try_push(*byte))
    }

    #[inline(always)]
    fn finalize(self) -> postcard::Result<Self> {
        Ok(self)
    }
}

/// Writes a frame, if there is room.
#[inline]
pub(super) fn send<T: Serialize>(
    writer: &mut Writer,
    encoder: &mut Encoder,
    header: Header,
    value: &T,
    longest: usize,
) -> Result<(), SendError> {
    if let Ok(body) = postcard::serialize_with_flavor(value, Short::default()) {
        let [first, second] = header.words();
        let mut room = writer.try_reserve(HEADER as u32 + body.len)?;
        // It has so many bytes.
        let _ = room.write_short(&[first, second, body.low, body.high]);
        room.commit();
        return Ok(());
    }
    let frame = encoder.encode(&header.to_bytes(), value, longest)?;
    Ok(writer.try_send(frame)?)
}

/// Why a frame is not written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum SendError {
    Channel(WriteError),
    Encode(EncodeError),
}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> Self {
        Self::Channel(error)
    }
}

impl From<EncodeError> for SendError {
    fn from(error: EncodeError) -> Self {
        Self::Encode(error)
    }
}

/// Reads a frame, from a copy, and releases it; none if that is too short or too long.
#[inline(always)]
pub(super) fn read<T>(
    frame: Frame<'_>,
    copy: &mut Copy,
    longest: usize,
    look: impl FnOnce(Header, &[u8]) -> T,
) -> Option<T> {
    let len = frame.len() as usize;
    if let Some([first, second, third, fourth]) = frame.read_short() {
        // A strong reader is not overtaken.
        let _ = frame.release();
        let body = (u128::from(third) | u128::from(fourth) << 64).to_le_bytes();
        let body = body.get(..len.checked_sub(HEADER)?)?;
        return Some(look(Header::of_words([first, second]), body));
    }
    let len = copy.of(&frame, longest)?.len();
    let _ = frame.release();
    let (header, body) = Header::of(copy.get(len))?;
    Some(look(header, body))
}

/// What a client hands in at the door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Hello {
    pub version: u32,
    /// Whose the connection is.
    pub pid: u32,
    /// For the connection's region.
    pub token: [u8; 16],
}

/// Longer than every hello.
pub(super) const MAX_HELLO: usize = 64;

/// The channel at a door.
pub(super) const DOOR: Config = Config::new()
    .frames(64)
    .data(4 << 10)
    .writers(64)
    .readers(1);

/// Frames of each pipe.
const FRAMES: u32 = 64;

/// How the two pipes lie in a connection of so many bytes: the bytes of each, requests first, and their make.
pub(super) fn layout(bytes: u32) -> (u32, Config) {
    let half = (bytes / 2) & !63;
    let mut config = Config::pipe().frames(FRAMES).data(1);
    loop {
        let larger = config.data(config.max_frame() * 4);
        if larger.bytes() > half || larger == config {
            return (half, config);
        }
        config = larger;
    }
}

/// Pages of a connection for messages of so many bytes, behind their header.
pub(super) fn pages_for(longest: u32) -> u32 {
    let frame = longest.saturating_add(HEADER as u32).min(1 << 29);
    let config = Config::pipe().frames(FRAMES).data(frame * 2);
    (config.bytes().next_multiple_of(64) * 2).div_ceil(crate::PAGE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_read_as_they_were_written() {
        let header = Header {
            kind: REPLY,
            id: 0x8000_0001,
            extra: u64::MAX - 1,
        };
        let mut frame = header.to_bytes().to_vec();
        assert_eq!(frame[..4], REPLY.to_le_bytes());
        frame.push(7);
        assert_eq!(Header::of(&frame), Some((header, &[7][..])));
        assert_eq!(Header::of(&frame[..15]), None);
    }

    #[test]
    fn a_connection_has_room_for_what_it_was_made_for() {
        for longest in [0, 1, 100, 8176, 8177, 20_000, 1 << 20] {
            let pages = pages_for(longest);
            let (half, config) = layout(pages * crate::PAGE);
            assert!(config.bytes() <= half);
            assert!(config.max_frame() >= longest + HEADER as u32, "{longest}");
        }
        assert_eq!(pages_for(8176), 1);
        assert_eq!(pages_for(8177), 2);
    }

    #[test]
    fn every_hello_fits() {
        let hello = Hello {
            version: u32::MAX,
            pid: u32::MAX,
            token: [0xff; 16],
        };
        assert!(postcard::to_allocvec(&hello).unwrap().len() <= MAX_HELLO);
    }
}
