// SPDX-License-Identifier: BSD-2-Clause
//! What is kept of a client.

use alloc::{collections::VecDeque, vec::Vec};

use atoll_abi::{
    console::{Bytes, MAX_BYTES, Mode},
    message::Name,
};

use crate::{config, editor::Editor, screen::Tail};

/// Bytes that were typed and not read.
const MAX_INPUT: usize = 4096;

/// A client.
#[derive(Debug)]
pub struct Client {
    pub name: Name,
    pub controls: bool,
    pub mode: Mode,
    /// Connections that it has.
    pub connections: u32,
    /// How often it waits for input.
    pub waits: u32,
    /// What it has written behind the last end of a line; since when.
    pub tail: Tail,
    pub since: u64,
    pub editor: Editor,
    /// What was typed for it, each piece to be handed out by itself; an empty one is the end of the input.
    input: VecDeque<Vec<u8>>,
    /// The last piece goes on with the next byte.
    is_open: bool,
    bytes: usize,
}

impl Client {
    pub fn new(config: &config::Client) -> Self {
        Self {
            name: config.name.clone(),
            controls: config.controls,
            mode: Mode::Line,
            connections: 0,
            waits: 0,
            tail: Tail::default(),
            since: 0,
            editor: Editor::default(),
            input: VecDeque::new(),
            is_open: false,
            bytes: 0,
        }
    }

    /// Its last connection is gone: what was typed is not for who comes next.
    pub fn forget(&mut self) {
        self.mode = Mode::Line;
        self.tail.clear();
        self.editor = Editor::default();
        self.input.clear();
        self.is_open = false;
        self.bytes = 0;
    }

    /// Takes what was typed, to be handed out by itself; answers whether there was room.
    pub fn put(&mut self, piece: Vec<u8>) -> bool {
        let room = piece.len().max(1);
        if self.bytes + room > MAX_INPUT {
            return false;
        }
        self.bytes += room;
        self.input.push_back(piece);
        self.is_open = false;
        true
    }

    /// Takes a byte that was typed; answers whether there was room.
    pub fn put_byte(&mut self, byte: u8) -> bool {
        match self.input.back_mut() {
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

    /// Hands out what was typed first.
    pub fn take(&mut self) -> Option<Bytes> {
        let piece = self.input.pop_front()?;
        self.bytes -= piece.len().max(1);
        self.is_open &= !self.input.is_empty();
        // It fits: lines and pieces are shorter.
        Some(Bytes::from_slice(&piece).unwrap_or_default())
    }
}
