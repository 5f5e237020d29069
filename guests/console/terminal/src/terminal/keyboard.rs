// SPDX-License-Identifier: BSD-2-Clause
//! What keys do.

use alloc::{format, vec::Vec};

use atoll_abi::{
    Level,
    console::{Mode, SWITCH, VIEW},
};

use super::Terminal;
use crate::editor::Key;

const INTERRUPT: u8 = 0x03;
const BELL: &[u8] = b"\x07";

impl Terminal {
    /// Takes a byte that was typed.
    pub fn typed(&mut self, byte: u8) {
        self.has_changed = true;
        if u32::from(byte) == SWITCH {
            self.switch();
        } else if u32::from(byte) == VIEW {
            self.change_view();
        } else if let Some(place) = self.foreground {
            self.type_for(place, byte);
        } else {
            self.output.push(BELL);
        }
    }

    /// The next client that is connected, or was at the console guest before and is not back yet.
    fn switch(&mut self) {
        let count = self.clients.len();
        let first = self.foreground.map_or(0, |place| place + 1);
        let mut others = (0..count).map(|n| (first + n) % count);
        let next = others.find(|place| {
            let client = self.clients.get(*place);
            client.is_some_and(|client| client.owner.is_some())
        });
        match next {
            Some(next) => self.set_foreground(next),
            None => self.output.push(BELL),
        }
    }

    pub(super) fn set_foreground(&mut self, next: usize) {
        let before = self.foreground;
        if before == Some(next) {
            return;
        }
        let unfinished = before.and_then(|place| self.clients.get_mut(place));
        if let Some(client) = unfinished {
            client.since = self.now;
            let has_line = !client.tail.is_empty() || !client.editor.line().is_empty();
            if self.is_drawn && has_line {
                self.output.push(b"\x1b[0m\n");
            }
        }
        self.is_drawn = false;
        self.has_changed = true;
        self.foreground = Some(next);
        if let Some(client) = self.clients.get(next) {
            let line = format!("-- {} --", client.name);
            self.show(line.as_bytes());
        }
        self.draw();
    }

    fn change_view(&mut self) {
        let (level, what) = match self.log.level {
            Some(Level::Debug) => (Some(Level::Info), "without debug lines"),
            Some(Level::Info) => (Some(Level::Warn), "warnings and errors"),
            Some(Level::Warn) => (Some(Level::Error), "errors"),
            Some(Level::Error) => (None, "nothing"),
            None => (Some(Level::Debug), "everything"),
        };
        self.log.level = level;
        self.log.process = None;
        self.show(format!("-- log: {what} --").as_bytes());
        self.draw();
    }

    fn type_for(&mut self, place: usize, byte: u8) {
        self.draw();
        let Some(client) = self.clients.get_mut(place) else {
            return;
        };
        if client.mode == Mode::Raw {
            if !client.input.put_byte(byte) {
                self.output.push(BELL);
            }
            return;
        }
        let is_in = match client.editor.key(byte) {
            Key::Nothing => true,
            Key::Bell => false,
            Key::Echo(byte) => {
                self.output.push(&[byte]);
                true
            }
            Key::Erase => {
                self.output.push(b"\x08 \x08");
                true
            }
            Key::Redraw => {
                self.output.push(b"\r\x1b[K");
                self.output.push(client.tail.bytes());
                self.output.push(client.editor.line());
                true
            }
            Key::Line(line) => {
                self.output.push(b"\n");
                client.tail.clear();
                client.input.put(line)
            }
            Key::Part(part) => {
                // It stays on the screen, in front of what the client writes.
                client.tail.extend(&part);
                client.input.put(part)
            }
            Key::Interrupt => {
                self.output.push(b"^C\n");
                client.tail.clear();
                client.input.put([INTERRUPT].into())
            }
            Key::End => client.input.put(Vec::new()),
        };
        if !is_in {
            self.output.push(BELL);
        }
    }
}
