// SPDX-License-Identifier: BSD-2-Clause
//! Keys, as a VT100 and its kin send them.

/// Most bytes of an escape sequence that are waited for: a longer one is dropped.
const MAX_SEQUENCE: u8 = 16;

/// A key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Key {
    /// A character that can be shown.
    Char(char),
    /// Ctrl and a letter, in lower case; of other control characters the one that they are written with behind `^`.
    Ctrl(char),
    /// Return.
    Enter,
    /// Tabulator.
    Tab,
    /// Removes what is before the cursor.
    Backspace,
    /// Removes what is at the cursor.
    Delete,
    /// To the previous character.
    Left,
    /// To the next character.
    Right,
    /// To the previous line of the history.
    Up,
    /// To the next line of the history.
    Down,
    /// To the first character.
    Home,
    /// Behind the last character.
    End,
    /// To the begin of the word before.
    WordLeft,
    /// Behind the next word.
    WordRight,
    /// Removes the next word.
    DeleteWord,
}

/// Keys from bytes.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    state: State,
    /// The last was a carriage return: a line feed behind it is the same key.
    returned: bool,
}

#[derive(Clone, Debug, Default)]
enum State {
    #[default]
    Ground,
    /// Inside a character of UTF-8: what there is of it, and how many bytes are to come.
    Character {
        bits: u32,
        left: u8,
        least: u32,
    },
    Escape,
    /// Behind `ESC O`.
    Single,
    /// Behind `ESC [`: the number before the first semicolon, and the last number.
    Control {
        first: u16,
        last: u16,
        fields: u8,
        len: u8,
    },
}

impl Keys {
    /// Before the first byte.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a byte; answers the key that it completes, if it completes one.
    pub fn push(&mut self, byte: u8) -> Option<Key> {
        let returned = core::mem::take(&mut self.returned);
        let state = core::mem::take(&mut self.state);
        match state {
            State::Ground => self.ground(byte, returned),
            State::Character { bits, left, least } => self.character(byte, (bits, left, least)),
            State::Escape => self.escape(byte),
            State::Single => final_key(byte, 0),
            State::Control {
                first,
                last,
                fields,
                len,
            } => self.control(byte, (first, last, fields, len)),
        }
    }

    fn ground(&mut self, byte: u8, returned: bool) -> Option<Key> {
        match byte {
            b'\r' => {
                self.returned = true;
                Some(Key::Enter)
            }
            b'\n' if returned => None,
            b'\n' => Some(Key::Enter),
            b'\t' => Some(Key::Tab),
            0x08 | 0x7f => Some(Key::Backspace),
            0x1b => {
                self.state = State::Escape;
                None
            }
            0x01..=0x1a => Some(Key::Ctrl(char::from(byte + b'a' - 1))),
            0x00 | 0x1c..=0x1f => Some(Key::Ctrl(char::from(byte + b'@'))),
            0x20..=0x7e => Some(Key::Char(char::from(byte))),
            0xc2..=0xdf => self.begin(byte & 0x1f, 1, 0x80),
            0xe0..=0xef => self.begin(byte & 0x0f, 2, 0x800),
            0xf0..=0xf4 => self.begin(byte & 0x07, 3, 0x1_0000),
            _ => Some(Key::Char(char::REPLACEMENT_CHARACTER)),
        }
    }

    fn begin(&mut self, bits: u8, left: u8, least: u32) -> Option<Key> {
        self.state = State::Character {
            bits: u32::from(bits),
            left,
            least,
        };
        None
    }

    fn character(&mut self, byte: u8, (bits, left, least): (u32, u8, u32)) -> Option<Key> {
        if byte & 0xc0 != 0x80 {
            // What was to be a character is none; this byte is by itself.
            return self.ground(byte, false);
        }
        let bits = bits << 6 | u32::from(byte & 0x3f);
        if left > 1 {
            self.state = State::Character {
                bits,
                left: left - 1,
                least,
            };
            return None;
        }
        let found = char::from_u32(bits).filter(|_| bits >= least);
        let found = found.unwrap_or(char::REPLACEMENT_CHARACTER);
        (!found.is_control()).then_some(Key::Char(found))
    }

    fn escape(&mut self, byte: u8) -> Option<Key> {
        match byte {
            b'[' => {
                self.state = State::Control {
                    first: 0,
                    last: 0,
                    fields: 0,
                    len: 0,
                };
                None
            }
            b'O' => {
                self.state = State::Single;
                None
            }
            0x1b => {
                self.state = State::Escape;
                None
            }
            b'b' => Some(Key::WordLeft),
            b'f' => Some(Key::WordRight),
            b'd' => Some(Key::DeleteWord),
            0x08 | 0x7f => Some(Key::Ctrl('w')),
            // The escape key by itself, and then another.
            0x00..=0x1f => self.ground(byte, false),
            _ => None,
        }
    }

    fn control(
        &mut self,
        byte: u8,
        (mut first, mut last, mut fields, len): (u16, u16, u8, u8),
    ) -> Option<Key> {
        match byte {
            b'0'..=b'9' => {
                last = last
                    .saturating_mul(10)
                    .saturating_add(u16::from(byte - b'0'));
            }
            b';' => {
                if fields == 0 {
                    first = last;
                }
                fields = fields.saturating_add(1);
                last = 0;
            }
            b'~' => {
                return match if fields == 0 { last } else { first } {
                    1 | 7 => Some(Key::Home),
                    3 => Some(Key::Delete),
                    4 | 8 => Some(Key::End),
                    _ => None,
                };
            }
            0x40..=0x7e => return final_key(byte, if fields == 0 { 0 } else { last }),
            0x20..=0x3f => {}
            // No sequence has these.
            _ => return self.ground(byte, false),
        }
        if len < MAX_SEQUENCE {
            self.state = State::Control {
                first,
                last,
                fields,
                len: len + 1,
            };
        }
        None
    }
}

/// The key that ends a sequence with this byte; the modifiers are a bit mask plus 1.
const fn final_key(byte: u8, modifiers: u16) -> Option<Key> {
    let word = modifiers > 1;
    Some(match byte {
        b'A' => Key::Up,
        b'B' => Key::Down,
        b'C' if word => Key::WordRight,
        b'C' => Key::Right,
        b'D' if word => Key::WordLeft,
        b'D' => Key::Left,
        b'F' => Key::End,
        b'H' => Key::Home,
        b'M' => Key::Enter,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::vec::Vec;

    fn keys(bytes: &[u8]) -> Vec<Key> {
        let mut keys = Keys::new();
        bytes.iter().filter_map(|byte| keys.push(*byte)).collect()
    }

    #[test]
    fn sequences_of_several_terminals_are_one_key() {
        for (bytes, key) in [
            (&b"\x1b[A"[..], Key::Up),
            (b"\x1bOB", Key::Down),
            (b"\x1b[C", Key::Right),
            (b"\x1b[1;5D", Key::WordLeft),
            (b"\x1b[1;3C", Key::WordRight),
            (b"\x1bb", Key::WordLeft),
            (b"\x1b[H", Key::Home),
            (b"\x1b[1~", Key::Home),
            (b"\x1bOF", Key::End),
            (b"\x1b[8~", Key::End),
            (b"\x1b[3~", Key::Delete),
            (b"\x1b[3;5~", Key::Delete),
            (b"\x08", Key::Backspace),
            (b"\x7f", Key::Backspace),
            (b"\x01", Key::Ctrl('a')),
            (b"\x1d", Key::Ctrl(']')),
            (b"\x1b\x7f", Key::Ctrl('w')),
        ] {
            assert_eq!(keys(bytes), [key], "{bytes:?}");
        }
    }

    #[test]
    fn a_line_ends_once() {
        assert_eq!(keys(b"\r\n"), [Key::Enter]);
        assert_eq!(keys(b"\n\n"), [Key::Enter; 2]);
        assert_eq!(keys(b"\r\r\n"), [Key::Enter; 2]);
    }

    #[test]
    fn characters_of_any_length() {
        assert_eq!(
            keys("aß→🦀".as_bytes()),
            ['a', 'ß', '→', '🦀'].map(Key::Char)
        );
        let replaced = Key::Char(char::REPLACEMENT_CHARACTER);
        // Overlong, a surrogate, a continuation by itself, and one that is cut short.
        assert_eq!(keys(b"\xe0\x80\x80"), [replaced]);
        assert_eq!(keys(b"\xed\xa0\x80"), [replaced]);
        assert_eq!(keys(b"\x80"), [replaced]);
        assert_eq!(keys(b"\xe2\x86x"), [Key::Char('x')]);
        // A control character of the second set is none that can be shown.
        assert_eq!(keys("\u{9b}".as_bytes()), []);
    }

    #[test]
    fn what_is_no_sequence_is_forgotten() {
        assert_eq!(keys(b"\x1b[99zx"), [Key::Char('x')]);
        assert_eq!(keys(b"\x1b[200~x"), [Key::Char('x')]);
        assert_eq!(keys(b"\x1b\x03"), [Key::Ctrl('c')]);
        let mut long = b"\x1b[".to_vec();
        long.extend([b'1'; 64]);
        long.push(b'A');
        assert!(keys(&long).len() <= 64);
    }
}
