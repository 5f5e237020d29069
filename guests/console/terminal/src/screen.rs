// SPDX-License-Identifier: BSD-2-Clause
//! What is on its way to the device, and the line at the bottom of the screen.

use alloc::{collections::VecDeque, vec::Vec};

/// Bytes that wait for the device; from there on, nobody's turn comes.
const ENOUGH: usize = 2048;
/// Longest unfinished line that is kept to be shown again.
const MAX_TAIL: usize = 1024;
/// What a client writes that shows its line anew: the line begins there.
const ANEW: [&[u8]; 5] = [
    b"\r\x1b[K",
    b"\r\x1b[0K",
    b"\r\x1b[J",
    b"\r\x1b[2K",
    b"\x1b[2K\r",
];

/// Bytes on their way.
#[derive(Debug, Default)]
pub struct Output {
    bytes: VecDeque<u8>,
    /// All that ever came in.
    queued: u64,
}

impl Output {
    /// The first of what waits.
    pub fn first(&self) -> &[u8] {
        self.bytes.as_slices().0
    }

    /// So many bytes of it are sent.
    pub fn sent(&mut self, count: usize) {
        self.bytes.drain(..count.min(self.bytes.len()));
    }

    /// Where the next byte will be.
    pub const fn queued(&self) -> u64 {
        self.queued
    }

    /// Whether all before this place are sent.
    pub fn is_sent(&self, place: u64) -> bool {
        self.queued - self.bytes.len() as u64 >= place
    }

    /// Whether there is room for somebody's turn.
    pub fn has_room(&self) -> bool {
        self.bytes.len() < ENOUGH
    }

    /// Sends bytes. A newline goes back to the first column, too.
    pub fn push(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if *byte == b'\n' {
                self.put(b'\r');
            }
            self.put(*byte);
        }
    }

    fn put(&mut self, byte: u8) {
        self.bytes.push_back(byte);
        self.queued += 1;
    }
}

/// A line that is not finished.
#[derive(Debug, Default)]
pub struct Tail {
    bytes: Vec<u8>,
    /// There was more than is kept.
    is_cut: bool,
}

impl Tail {
    /// What is kept of it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Whether there is nothing.
    pub const fn is_empty(&self) -> bool {
        self.bytes.is_empty() && !self.is_cut
    }

    /// Whether there is more of it on the screen than can be shown again.
    pub const fn is_cut(&self) -> bool {
        self.is_cut
    }

    /// Whether it may have changed colours, or more.
    pub fn steers(&self) -> bool {
        self.bytes.contains(&0x1b)
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
        if self.bytes.len() == MAX_TAIL {
            self.bytes.clear();
            self.is_cut = true;
        }
        self.bytes.push(byte);
        if ANEW.iter().any(|anew| self.bytes.ends_with(anew)) {
            self.clear();
        }
    }

    /// What was there, to be shown in a line of its own, if this is the end of a line, or as much as is kept.
    pub fn push_line(&mut self, byte: u8) -> Option<Vec<u8>> {
        if byte == b'\n' {
            self.is_cut = false;
            return Some(core::mem::take(&mut self.bytes));
        }
        self.bytes.push(byte);
        (self.bytes.len() >= MAX_TAIL / 2).then(|| core::mem::take(&mut self.bytes))
    }
}
