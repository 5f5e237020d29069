// SPDX-License-Identifier: BSD-2-Clause
//! Text of a guest.

use core::fmt::{self, Write as _};

use atoll_abi::MAX_TEXT;

use super::Answer;
use crate::{
    Guest,
    platform::{Home, Platform},
};

/// Text as a guest gave it. Longer text is cut.
pub(super) struct Text {
    buffer: [u8; MAX_TEXT as usize],
    len: usize,
}

/// A part of a text, in which what is not UTF-8 or would steer a terminal is replaced.
pub(super) struct Clean<'a>(&'a [u8]);

impl Text {
    pub fn read<P: Platform>(guest: &Guest<P>, address: u32, len: u32) -> Answer<Self> {
        let mut text = Self {
            buffer: [0; MAX_TEXT as usize],
            len: MAX_TEXT.min(len) as usize,
        };
        guest
            .home
            .read(address, text.buffer.get_mut(..text.len).unwrap_or_default())?;
        Ok(text)
    }

    fn bytes(&self) -> &[u8] {
        self.buffer.get(..self.len).unwrap_or_default()
    }

    /// All of it, ends of lines included.
    pub fn whole(&self) -> Clean<'_> {
        Clean(self.bytes())
    }

    /// Line by line; a text that ends with an end of line has no empty line behind that.
    pub fn lines(&self) -> impl Iterator<Item = Clean<'_>> {
        let bytes = self.bytes();
        let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        bytes.split(|byte| *byte == b'\n').map(Clean)
    }
}

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for chunk in self.0.utf8_chunks() {
            for c in chunk.valid().chars() {
                let steers = c.is_control() && c != '\n' && c != '\t';
                f.write_char(if steers {
                    char::REPLACEMENT_CHARACTER
                } else {
                    c
                })?;
            }
            if !chunk.invalid().is_empty() {
                f.write_char(char::REPLACEMENT_CHARACTER)?;
            }
        }
        Ok(())
    }
}
