// SPDX-License-Identifier: BSD-2-Clause
//! The characters of a line, and the cursor among them.

use alloc::{string::String, vec::Vec};

use unicode_width::UnicodeWidthChar as _;

/// Most characters of a line.
pub const MAX_LINE: usize = 4096;

/// A line. The cursor is in front of a character, or behind the last.
#[derive(Clone, Debug, Default)]
pub(crate) struct Buffer {
    chars: Vec<char>,
    cursor: usize,
}

/// Columns that a character takes.
pub(crate) fn width_of(char: char) -> usize {
    char.width().unwrap_or(0)
}

/// What separates words.
fn is_space(char: &char) -> bool {
    *char == ' '
}

impl Buffer {
    pub fn text(&self) -> String {
        self.chars.iter().collect()
    }

    pub fn is_empty(&self) -> bool {
        self.chars.is_empty()
    }

    pub fn chars(&self) -> &[char] {
        &self.chars
    }

    pub const fn cursor(&self) -> usize {
        self.cursor
    }

    pub fn is_at_end(&self) -> bool {
        self.cursor == self.chars.len()
    }

    /// What is before the cursor.
    pub fn before(&self) -> &[char] {
        self.chars.get(..self.cursor).unwrap_or_default()
    }

    fn behind(&self) -> &[char] {
        self.chars.get(self.cursor..).unwrap_or_default()
    }

    /// In place of what is there; the cursor is at the end. What is too long is cut.
    pub fn set(&mut self, text: &str) {
        self.chars = text.chars().take(MAX_LINE).collect();
        self.cursor = self.chars.len();
    }

    /// Puts a character at the cursor; answers whether there was room. What takes no column of its own cannot be
    /// shown by itself, and is left out.
    pub fn insert(&mut self, char: char) -> bool {
        if self.chars.len() >= MAX_LINE || width_of(char) == 0 {
            return false;
        }
        self.chars.insert(self.cursor, char);
        self.cursor += 1;
        true
    }

    pub fn move_to(&mut self, cursor: usize) {
        self.cursor = cursor.min(self.chars.len());
    }

    pub const fn end(&self) -> usize {
        self.chars.len()
    }

    /// Where the word before the cursor begins.
    pub fn word_before(&self) -> usize {
        let mut before = self.before().iter().rev();
        let spaces = before.clone().take_while(|char| is_space(char)).count();
        let word = before.by_ref().skip(spaces);
        self.cursor - spaces - word.take_while(|char| !is_space(char)).count()
    }

    /// Where the word behind the cursor ends.
    pub fn word_behind(&self) -> usize {
        let behind = self.behind().iter();
        let spaces = behind.clone().take_while(|char| is_space(char)).count();
        let word = behind.skip(spaces);
        self.cursor + spaces + word.take_while(|char| !is_space(char)).count()
    }

    /// Takes out what is from one place to the other; the cursor is there then.
    pub fn cut(&mut self, from: usize, to: usize) -> String {
        let to = to.min(self.chars.len());
        let from = from.min(to);
        self.cursor = from;
        self.chars.drain(from..to).collect()
    }
}
