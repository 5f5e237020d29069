// SPDX-License-Identifier: BSD-2-Clause
//! What was typed for a client and is not known to have reached it.
//!
//! It is handed out in pieces, each with a number. A piece stays until the client asks for what is behind it: so one
//! that was on its way when the console guest ended is handed out again by the next, and the client, which knows the
//! number of the last that it got, gets none twice.

use alloc::{collections::VecDeque, vec::Vec};

use atoll_abi::console::{Bytes, MAX_BYTES};

/// Most bytes that wait.
const MAX_INPUT: usize = 4096;

/// See the module.
#[derive(Clone, Debug, Default)]
pub struct Input {
    /// Each to be handed out by itself; an empty one is the end of the input.
    pieces: VecDeque<Vec<u8>>,
    /// The last piece goes on with the next byte.
    is_open: bool,
    bytes: usize,
    /// All up to this number have reached the client.
    taken: u64,
    /// The last that was handed out.
    given: u64,
}

impl Input {
    /// Nothing yet; the first piece has the next number.
    pub fn behind(number: u64) -> Self {
        Self {
            taken: number,
            given: number,
            ..Self::default()
        }
    }

    /// What an earlier life has kept: these pieces, behind this number.
    pub fn restored(number: u64, pieces: Vec<Vec<u8>>) -> Self {
        let mut input = Self::behind(number);
        for piece in pieces {
            // What does not fit was not kept by a console guest.
            if piece.len() <= MAX_BYTES {
                input.put(piece);
            }
        }
        input
    }

    /// All pieces, in order.
    pub fn pieces(&self) -> Vec<Vec<u8>> {
        self.pieces.iter().cloned().collect()
    }

    /// The number of the last one that has reached the client.
    pub const fn taken(&self) -> u64 {
        self.taken
    }

    /// The number of the last one that was handed out.
    pub const fn given(&self) -> u64 {
        self.given
    }

    /// Nobody waits for what is there.
    pub fn forget(&mut self) {
        *self = Self::behind(self.taken + self.pieces.len() as u64);
    }

    /// Takes what was typed, to be handed out by itself; answers whether there was room.
    pub fn put(&mut self, piece: Vec<u8>) -> bool {
        let room = piece.len().max(1);
        if self.bytes + room > MAX_INPUT {
            return false;
        }
        self.bytes += room;
        self.pieces.push_back(piece);
        self.is_open = false;
        true
    }

    /// Takes a byte that was typed; answers whether there was room.
    pub fn put_byte(&mut self, byte: u8) -> bool {
        match self.pieces.back_mut() {
            Some(last) if self.is_open && last.len() < MAX_BYTES => {
                if self.bytes >= MAX_INPUT {
                    return false;
                }
                last.push(byte);
                self.bytes += 1;
                true
            }
            _ => {
                let is_in = self.put([byte].into());
                self.is_open = is_in;
                is_in
            }
        }
    }

    /// Hands out what was typed behind the piece of this number, which has reached the client, with its number.
    pub fn after(&mut self, number: u64) -> Option<(u64, Bytes)> {
        while self.taken < number
            && let Some(piece) = self.pieces.pop_front()
        {
            self.bytes -= piece.len().max(1);
            self.taken += 1;
        }
        let first = self.pieces.front()?;
        // It fits: lines and pieces are shorter.
        let bytes = Bytes::from_slice(first).unwrap_or_default();
        self.given = self.taken + 1;
        self.is_open &= self.pieces.len() > 1;
        Some((self.given, bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_stays_until_what_is_behind_it_is_asked_for() {
        let mut input = Input::behind(7);
        assert_eq!(input.after(7), None);
        input.put_byte(b'a');
        input.put_byte(b'b');
        let piece = |number, text: &[u8]| Some((number, Bytes::from_slice(text).unwrap()));
        assert_eq!(input.after(7), piece(8, b"ab"));
        // It is the same from now on.
        input.put_byte(b'c');
        assert_eq!(input.after(7), piece(8, b"ab"));
        assert_eq!((input.taken(), input.given()), (7, 8));
        assert_eq!(input.after(8), piece(9, b"c"));
        assert_eq!(input.after(9), None);
        // The end of the input is a piece.
        assert!(input.put(Vec::new()));
        assert_eq!(input.after(9), piece(10, b""));
        assert_eq!(input.after(u64::MAX), None);
        assert_eq!(input.taken(), 10);
    }

    #[test]
    fn what_is_kept_goes_on() {
        let mut input = Input::behind(1);
        input.put_byte(b'a');
        let mut next = Input::restored(input.taken(), input.pieces());
        // The one before may have handed it out as it was.
        next.put_byte(b'b');
        assert_eq!(next.after(2).unwrap().1, b"b");
        let long = Input::restored(0, [[0; MAX_BYTES + 1].to_vec(), [1].to_vec()].to_vec());
        assert_eq!(long.pieces(), [[1]]);
    }

    #[test]
    fn there_is_a_bound() {
        let mut input = Input::default();
        let count = (0..2 * MAX_INPUT).filter(|_| input.put_byte(0)).count();
        assert_eq!(count, MAX_INPUT);
        input.forget();
        assert!(input.put_byte(0));
        assert_eq!(input.after(0).unwrap().0, 5);
    }
}
