// SPDX-License-Identifier: BSD-2-Clause
//! Values as bytes, and bytes as values: postcard, in buffers that are kept from one message to the next.

use alloc::vec::Vec;

use postcard::Error;
use serde::{Serialize, de::DeserializeOwned};

use crate::channel::Frame;

/// Room that a buffer begins with.
const FIRST: usize = 256;

/// Where messages are put together.
#[derive(Debug, Default)]
pub(crate) struct Encoder {
    /// As long as the longest message so far, or longer.
    buffer: Vec<u8>,
}

/// Why there is no message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EncodeError {
    /// It would be longer than it may be.
    TooLong,
    /// Its type cannot be serialized.
    Unsupported,
}

impl Encoder {
    /// A message: the header, and the value behind it; at most `most` bytes.
    #[inline]
    pub(crate) fn encode<T: Serialize + ?Sized>(
        &mut self,
        header: &[u8],
        value: &T,
        most: usize,
    ) -> Result<&[u8], EncodeError> {
        loop {
            let room = self.buffer.len().min(most);
            if let Some((front, behind)) = self
                .buffer
                .get_mut(..room)
                .and_then(|all| all.split_at_mut_checked(header.len()))
            {
                match postcard::to_slice(value, behind) {
                    Ok(body) => {
                        let len = header.len() + body.len();
                        front.copy_from_slice(header);
                        return self.buffer.get(..len).ok_or(EncodeError::TooLong);
                    }
                    Err(Error::SerializeBufferFull) => {}
                    Err(_) => return Err(EncodeError::Unsupported),
                }
            }
            if room == most {
                return Err(EncodeError::TooLong);
            }
            let longer = (self.buffer.len() * 2).max(FIRST).min(most);
            self.buffer.resize(longer, 0);
        }
    }
}

/// Where messages are copied to before anything in them is looked at.
#[derive(Debug, Default)]
pub(crate) struct Copy {
    buffer: Vec<u8>,
}

impl Copy {
    /// A copy of the frame; none if that is longer than it may be.
    #[inline]
    pub(crate) fn of(&mut self, frame: &Frame<'_>, most: usize) -> Option<&[u8]> {
        let len = frame.len() as usize;
        if len > most {
            return None;
        }
        if len > self.buffer.len() {
            self.buffer.resize(len.max(FIRST), 0);
        }
        let copy = self.buffer.get_mut(..len)?;
        frame.read(copy)?;
        Some(copy)
    }

    /// What was copied last, and perhaps something behind it.
    pub(crate) fn get(&self, len: usize) -> &[u8] {
        self.buffer.get(..len).unwrap_or_default()
    }
}

/// The value that these bytes are, all of them.
#[inline]
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Option<T> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Some(value),
        _ => None,
    }
}
