// SPDX-License-Identifier: BSD-2-Clause
//! What was written to a terminal behind the last end of a line: enough of it to show the row again, when something else
//! was shown there.
//!
//! The console guest keeps it of each client, and each client keeps it of itself, for a console guest that has been
//! started again.
#![no_std]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::indexing_slicing
    )
)]

extern crate alloc;

#[cfg(test)]
mod tests;

use alloc::vec::Vec;

/// Most bytes that are kept.
pub const MAX_BYTES: usize = 1024;

const ESCAPE: u8 = 0x1b;
/// Sequences that clear what is from the cursor on.
const CLEAR_REST: [&[u8]; 3] = [b"\x1b[K", b"\x1b[0K", b"\x1b[J"];
/// Sequences that clear the row, wherever in it the cursor is.
const CLEAR: [&[u8]; 2] = [b"\r\x1b[2K", b"\x1b[2K\r"];

/// A row that is not finished.
///
/// ```
/// use console_row::Row;
///
/// let mut row = Row::default();
/// // A prompt, and a line that is edited there: it is shown anew from its begin.
/// row.extend(b"> l\r> ls\x1b[K");
/// assert_eq!(row.bytes(), b"\r> ls\x1b[K");
/// row.extend(b"\n");
/// assert!(row.is_empty());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Row {
    bytes: Vec<u8>,
    is_cut: bool,
}

impl Row {
    /// What is kept of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.is_cut
    }

    /// Whether there is more of it on the screen than is kept.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether it may have changed colours, or more.
    pub fn steers(&self) -> bool {
        self.bytes.contains(&ESCAPE)
    }

    /// It is over.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.is_cut = false;
    }

    /// It goes on.
    pub fn push(&mut self, byte: u8) {
        if byte == b'\n' {
            self.clear();
            return;
        }
        if self.bytes.len() == MAX_BYTES {
            self.bytes.clear();
            self.is_cut = true;
        }
        self.bytes.push(byte);
        if matches!(byte, b'K' | b'J' | b'\r') {
            self.forget_what_is_gone();
        }
    }

    /// It goes on with all of these.
    pub fn extend(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.push(*byte);
        }
    }

    /// It is shown anew: what was there before is not on the screen any more.
    fn forget_what_is_gone(&mut self) {
        if CLEAR.iter().any(|clear| self.bytes.ends_with(clear)) {
            self.clear();
            return;
        }
        let mut clears = CLEAR_REST.iter();
        let Some(clear) = clears.find(|clear| self.bytes.ends_with(clear)) else {
            return;
        };
        let Some(begin) = self.bytes.iter().rposition(|byte| *byte == b'\r') else {
            return;
        };
        let end = self.bytes.len() - clear.len();
        let anew = self.bytes.get(begin + 1..end).unwrap_or_default();
        if anew.is_empty() {
            self.clear();
        } else if covers(anew) {
            self.bytes.drain(..begin);
            self.is_cut = false;
        }
    }

    /// What was there, to be shown in a line of its own, if this is the end of a line, or as much as a line takes.
    pub fn push_line(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte == b'\n' {
            self.is_cut = false;
            return Some(core::mem::take(&mut self.bytes));
        }
        self.bytes.push(byte);
        (self.bytes.len() >= MAX_BYTES / 2).then(|| core::mem::take(&mut self.bytes))
    }
}

/// Whether this text is in each column from where it begins to where it ends: nothing in it goes somewhere else but
/// for colours.
fn covers(text: &[u8]) -> bool {
    let mut rest = text.split(|byte| *byte == ESCAPE);
    // In front of the first sequence.
    let first = rest.next().unwrap_or_default();
    let is_plain = |text: &[u8]| text.iter().all(|byte| *byte >= b' ');
    is_plain(first)
        && rest.all(|part| {
            let Some(parameters) = part.strip_prefix(b"[") else {
                return false;
            };
            let end = parameters
                .iter()
                .position(|byte| !matches!(byte, b'0'..=b'9' | b';'));
            let last = end.and_then(|end| parameters.get(end));
            last == Some(&b'm') && is_plain(parameters)
        })
}
