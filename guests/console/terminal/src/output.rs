// SPDX-License-Identifier: BSD-2-Clause
//! What is on its way to the device.

use alloc::collections::VecDeque;

/// Bytes that wait for the device; from there on, nobody's turn comes.
const ENOUGH: usize = 2048;

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
