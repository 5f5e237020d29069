// SPDX-License-Identifier: BSD-2-Clause
//! The line that is typed in [`Mode::Line`](atoll_abi::console::Mode::Line).

use alloc::vec::Vec;

use crate::plain::Sequence;

/// Longest line, without its newline.
const MAX_LINE: usize = 1000;

const INTERRUPT: u8 = 0x03;
const END: u8 = 0x04;
const KILL: u8 = 0x15;
const WORD: u8 = 0x17;

/// A line that is typed.
#[derive(Debug, Default)]
pub struct Editor {
    line: Vec<u8>,
    sequence: Sequence,
    /// The last was a carriage return: a newline behind it is the same key.
    returned: bool,
}

/// What a key comes to.
#[derive(Debug, PartialEq, Eq)]
pub enum Key {
    /// Nothing.
    Nothing,
    /// It is refused.
    Bell,
    /// This byte is shown behind the line.
    Echo(u8),
    /// The last character, one column wide, is taken away.
    Erase,
    /// The line is another one: it is shown anew.
    Redraw,
    /// The line is handed out, and a new one begins.
    Line(Vec<u8>),
    /// The line is handed out without a newline.
    Part(Vec<u8>),
    /// The line is given up.
    Interrupt,
    /// The input ends.
    End,
}

impl Editor {
    /// One in which this was typed.
    pub fn with_line(mut line: Vec<u8>) -> Self {
        line.truncate(MAX_LINE);
        Self {
            line,
            ..Self::default()
        }
    }

    /// The line so far.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// Takes a key.
    pub fn key(&mut self, byte: u8) -> Key {
        let returned = core::mem::replace(&mut self.returned, byte == b'\r');
        let is_sequence = self.sequence != Sequence::No;
        // Above ASCII no byte steers.
        self.sequence = match byte {
            0x80.. => Sequence::No,
            byte => self.sequence.next(byte.into()),
        };
        match byte {
            // Arrows and their kin do nothing.
            _ if self.sequence != Sequence::No => {
                if self.sequence == Sequence::Last {
                    self.sequence = Sequence::No;
                }
                Key::Nothing
            }
            0x20..0x7f if is_sequence => Key::Nothing,
            b'\n' if returned => Key::Nothing,
            b'\r' | b'\n' => {
                let mut line = core::mem::take(&mut self.line);
                line.push(b'\n');
                Key::Line(line)
            }
            0x08 | 0x7f => self.erase(),
            KILL if self.line.is_empty() => Key::Nothing,
            KILL => {
                self.line.clear();
                Key::Redraw
            }
            WORD => self.erase_word(),
            INTERRUPT => {
                self.line.clear();
                Key::Interrupt
            }
            END if self.line.is_empty() => Key::End,
            END => Key::Part(core::mem::take(&mut self.line)),
            0x00..0x20 => Key::Bell,
            _ if self.line.len() >= MAX_LINE => Key::Bell,
            byte => {
                self.line.push(byte);
                Key::Echo(byte)
            }
        }
    }

    fn erase(&mut self) -> Key {
        match self.line.pop() {
            None => Key::Nothing,
            Some(0x20..0x7f) => Key::Erase,
            Some(mut last) => {
                // The rest of its character: at most three bytes.
                let mut left = 3;
                while last & 0xc0 == 0x80 && left > 0 {
                    match self.line.pop() {
                        Some(byte) => last = byte,
                        None => break,
                    }
                    left -= 1;
                }
                Key::Redraw
            }
        }
    }

    fn erase_word(&mut self) -> Key {
        if self.line.is_empty() {
            return Key::Nothing;
        }
        let end = self.line.trim_ascii_end().len();
        let word = self.line.get(..end).unwrap_or_default();
        let begin = word.iter().rposition(|byte| *byte == b' ');
        self.line.truncate(begin.map_or(0, |space| space + 1));
        Key::Redraw
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn type_all(editor: &mut Editor, keys: &[u8]) -> Vec<Key> {
        keys.iter().map(|byte| editor.key(*byte)).collect()
    }

    #[test]
    fn a_line_is_handed_out_whole() {
        let mut editor = Editor::default();
        assert_eq!(
            type_all(&mut editor, b"hi"),
            [Key::Echo(b'h'), Key::Echo(b'i')]
        );
        assert_eq!(editor.key(b'\r'), Key::Line(b"hi\n".to_vec()));
        // The same key, of a terminal that sends both.
        assert_eq!(editor.key(b'\n'), Key::Nothing);
        assert_eq!(editor.key(b'\n'), Key::Line(b"\n".to_vec()));
    }

    #[test]
    fn it_can_be_corrected() {
        let mut editor = Editor::default();
        type_all(&mut editor, b"one two  ");
        assert_eq!(editor.key(0x7f), Key::Erase);
        assert_eq!(editor.key(WORD), Key::Redraw);
        assert_eq!(editor.line(), b"one ");
        editor.key(WORD);
        assert_eq!(editor.line(), b"");
        assert_eq!(editor.key(WORD), Key::Nothing);
        type_all(&mut editor, "x\u{fc}\u{20ac}\u{1f600}".as_bytes());
        for rest in ["x\u{fc}\u{20ac}", "x\u{fc}", "x"] {
            assert_eq!(editor.key(0x08), Key::Redraw);
            assert_eq!(editor.line(), rest.as_bytes());
        }
        type_all(&mut editor, b"yz");
        assert_eq!(editor.key(KILL), Key::Redraw);
        assert_eq!(editor.key(0x7f), Key::Nothing);
    }

    #[test]
    fn keys_that_are_none() {
        let mut editor = Editor::default();
        type_all(&mut editor, b"a\x1b[A\x1bOP\x1b[3~b");
        assert_eq!(editor.line(), b"ab");
        assert_eq!(editor.key(0x01), Key::Bell);
        assert_eq!(editor.key(INTERRUPT), Key::Interrupt);
        assert_eq!(editor.line(), b"");
        assert_eq!(editor.key(END), Key::End);
        editor.key(b'a');
        assert_eq!(editor.key(END), Key::Part(b"a".to_vec()));
    }

    #[test]
    fn it_is_bounded() {
        let mut editor = Editor::default();
        type_all(&mut editor, &[b'x'; 2 * MAX_LINE]);
        assert_eq!(editor.line().len(), MAX_LINE);
        assert_eq!(editor.key(b'x'), Key::Bell);
        // Bytes that continue nothing are no characters to look for.
        let mut editor = Editor::default();
        type_all(&mut editor, &[0x80; 10]);
        editor.key(0x7f);
        assert!(editor.line().len() >= 6);
    }
}
