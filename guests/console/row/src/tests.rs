// SPDX-License-Identifier: BSD-2-Clause
//! A row that is shown again looks as it did.

extern crate std;

use std::{format, string::String, vec::Vec};

use proptest::prelude::*;

use super::*;

/// A row of a screen.
#[derive(Debug, Default, PartialEq)]
struct Screen {
    cells: Vec<u8>,
    column: usize,
}

impl Screen {
    fn of(bytes: &[u8]) -> Self {
        let mut screen = Self::default();
        screen.feed(bytes);
        screen
    }

    fn feed(&mut self, mut bytes: &[u8]) {
        while let Some((first, rest)) = bytes.split_first() {
            bytes = rest;
            match *first {
                ESCAPE => {
                    let end = rest.iter().position(u8::is_ascii_alphabetic).unwrap();
                    let number = str::from_utf8(&rest[1..end]).unwrap();
                    let number = number.parse::<usize>().ok();
                    match rest[end] {
                        b'K' | b'J' if number == Some(2) => {
                            self.cells.iter_mut().for_each(|cell| *cell = b' ');
                        }
                        b'K' | b'J' => self.cells.truncate(self.column),
                        b'C' => self.column += number.unwrap_or(1),
                        b'm' => {}
                        other => panic!("{other}"),
                    }
                    bytes = &rest[end + 1..];
                }
                b'\r' => self.column = 0,
                b'\n' => *self = Self::default(),
                byte => {
                    let width = self.cells.len().max(self.column + 1);
                    self.cells.resize(width, b' ');
                    self.cells[self.column] = byte;
                    self.column += 1;
                }
            }
        }
    }

    /// Without blanks at the end, which look like nothing.
    fn shown(&self) -> (String, usize) {
        let text = String::from_utf8_lossy(&self.cells);
        (text.trim_end().into(), self.column)
    }
}

#[test]
fn a_line_that_is_edited_is_kept_once() {
    let mut row = Row::default();
    for n in 0..10_000 {
        row.extend(format!("\r> line {n}\x1b[K\r\x1b[3C").as_bytes());
    }
    assert_eq!(row.bytes(), b"\r> line 9999\x1b[K\r\x1b[3C");
    assert!(!row.is_cut());
    row.extend(b"\r\x1b[K");
    assert!(row.is_empty());
}

#[test]
fn what_stands_before_what_is_shown_anew_is_kept() {
    for text in [
        "> one\r\x1b[2Ctwo\x1b[K",
        "> one\x1b[K",
        "one\rtwo",
        "one\r\x1b[1Cx",
    ] {
        let mut row = Row::default();
        row.extend(text.as_bytes());
        assert_eq!(row.bytes(), text.as_bytes());
    }
}

#[test]
fn a_row_that_is_too_long_is_cut() {
    let mut row = Row::default();
    row.extend(&[b'x'; MAX_BYTES]);
    assert!(!row.is_cut());
    row.push(b'y');
    assert!(row.is_cut() && row.bytes() == b"y");
    row.extend(b"\r> anew\x1b[K");
    assert!(!row.is_cut());
    assert_eq!(
        row.push_line(b'\n').as_deref(),
        Some(&b"\r> anew\x1b[K"[..])
    );
}

proptest! {
    #[test]
    fn a_row_looks_as_it_did(
        parts in prop::collection::vec(
            prop::sample::select(&[
                "\r", "\x1b[K", "\x1b[0K", "\x1b[2K", "\x1b[J", "\x1b[3C", "\x1b[31m", "\x1b[0m", "a", "bc", "\r> ", "\n",
            ][..]),
            0..40,
        ),
    ) {
        let text = parts.concat();
        let mut row = Row::default();
        row.extend(text.as_bytes());
        let (whole, kept) = (Screen::of(text.as_bytes()), Screen::of(row.bytes()));
        prop_assert_eq!(whole.shown(), kept.shown(), "{:?} of {:?}", row, text);
    }
}
