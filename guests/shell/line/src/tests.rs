// SPDX-License-Identifier: BSD-2-Clause
//! The editor at a screen that is made up.

use std::{format, string::String, vec, vec::Vec};

use proptest::prelude::*;

use super::*;
use crate::buffer::width_of;

/// The row of a terminal that the cursor is in, of which it has as many as are needed.
struct Screen {
    width: usize,
    /// Columns; behind a wide character comes one that is none.
    row: Vec<char>,
    column: usize,
    /// Rows that are done.
    above: Vec<String>,
    bells: usize,
}

const BESIDE: char = '\0';

impl Screen {
    fn new(width: usize) -> Self {
        Self {
            width,
            row: vec![' '; width],
            column: 0,
            above: Vec::new(),
            bells: 0,
        }
    }

    fn text(&self) -> String {
        let text: String = self.row.iter().filter(|c| **c != BESIDE).collect();
        text.trim_end().into()
    }

    fn show(&mut self, text: &str) {
        let mut chars = text.chars();
        while let Some(char) = chars.next() {
            match char {
                '\r' => self.column = 0,
                '\n' => {
                    self.above.push(self.text());
                    self.row = vec![' '; self.width];
                }
                '\x07' => self.bells += 1,
                '\x1b' => {
                    assert_eq!(chars.next(), Some('['));
                    let mut number = String::new();
                    let last = loop {
                        match chars.next().expect("the end of a sequence") {
                            digit @ '0'..='9' => number.push(digit),
                            last => break last,
                        }
                    };
                    match last {
                        'K' => self.row[self.column..].fill(' '),
                        'C' => self.column += number.parse::<usize>().unwrap(),
                        'H' => self.column = 0,
                        'J' => self.row.fill(' '),
                        other => panic!("an unknown sequence: {other}"),
                    }
                    assert!(self.column < self.width, "the cursor has left the row");
                }
                shown => {
                    let width = width_of(shown);
                    assert!(width > 0, "{shown:?} cannot be shown");
                    assert!(self.column + width < self.width, "the row overflows");
                    self.row[self.column] = shown;
                    self.row[self.column + 1..self.column + width].fill(BESIDE);
                    self.column += width;
                }
            }
        }
    }
}

struct User {
    editor: Editor,
    screen: Screen,
    lines: Vec<String>,
    /// Bytes that the screen was sent.
    shown: usize,
}

impl User {
    fn new(width: usize) -> Self {
        let mut user = Self {
            editor: Editor::new(width),
            screen: Screen::new(width),
            lines: Vec::new(),
            shown: 0,
        };
        user.begin();
        user
    }

    fn begin(&mut self) {
        let mut out = String::new();
        self.editor.begin("> ", &mut out);
        self.screen.show(&out);
    }

    /// Types; candidates for a completion are those of these words that begin with the last word.
    fn types(&mut self, bytes: &[u8], words: &[&str]) {
        for byte in bytes {
            self.types_at_once(&[*byte], words);
        }
    }

    /// Types as a terminal does into which something is pasted.
    fn types_at_once(&mut self, bytes: &[u8], words: &[&str]) {
        for (n, byte) in bytes.iter().enumerate() {
            let mut out = String::new();
            let more = n + 1 < bytes.len();
            match self.editor.push(*byte, more, &mut out) {
                Step::Edited => {}
                Step::Line(line) => {
                    self.lines.push(line);
                    self.screen.show(&out);
                    self.begin();
                    continue;
                }
                Step::Interrupt | Step::End => {
                    self.screen.show(&out);
                    self.begin();
                    continue;
                }
                Step::Complete { before, again } => {
                    let word = before.rsplit(' ').next().unwrap_or_default();
                    let found: Vec<String> = words
                        .iter()
                        .filter(|w| w.starts_with(word))
                        .map(|w| String::from(*w))
                        .collect();
                    self.editor
                        .complete(word.chars().count(), &found, again, &mut out);
                }
            }
            self.shown += out.len();
            self.screen.show(&out);
        }
    }

    fn line(mut self, bytes: &[u8]) -> String {
        self.types(bytes, &[]);
        self.types(b"\r", &[]);
        self.lines.pop().unwrap()
    }
}

fn line(bytes: &[u8]) -> String {
    User::new(80).line(bytes)
}

#[test]
fn keys_edit_the_line() {
    for (bytes, edited) in [
        (&b"ls -l"[..], "ls -l"),
        (b"lss\x7f -l", "ls -l"),
        (b"l\x1b[Ds", "sl"),
        (b"b\x01a\x05c", "abc"),
        (b"abc\x1b[H\x1b[3~", "bc"),
        (b"abc\x02\x02\x0b", "a"),
        (b"one two\x17three", "one three"),
        (b"one two\x17\x19\x19", "one twotwo"),
        (b"one two\x15three", "three"),
        (b"one two\x1bbX", "one Xtwo"),
        (b"one two\x01\x1b[1;5CX", "oneX two"),
        (b"one two\x01\x1bd", " two"),
        ("grüße→".as_bytes(), "grüße→"),
        ("日本\x1b[D\x7fx".as_bytes(), "x本"),
        (b"a\x00\x1cb", "ab"),
        (b"abc\x04", "abc"),
        (b"abc\x02\x04", "ab"),
    ] {
        assert_eq!(line(bytes), edited, "{bytes:?}");
    }
}

#[test]
fn the_history_comes_back() {
    let user = || {
        let mut user = User::new(80);
        user.types(b"one\rtwo\rthree\r", &[]);
        user
    };
    for (bytes, recalled) in [
        (&b"\x1b[A"[..], "three"),
        (b"\x1b[A\x1b[A", "two"),
        (b"\x10\x10\x10\x10\x10", "one"),
        (b"\x10\x10\x0e", "three"),
        (b"new\x10\x10\x0e\x0e", "new"),
        (b"new\x10\x10\x10\x10\x0e\x0e\x0e\x0e\x0e", "new"),
        (b"\x10!\x10\x0e", "three"),
        (b"\x12o", "two"),
        (b"\x12o\x12", "one"),
        (b"\x12o\x12\x12\x12", "one"),
        (b"\x12one\x05!", "one!"),
        (b"kept\x12one\x07", "kept"),
        (b"kept\x12zzz", "kept"),
        (b"kept\x12onezzz", "one"),
        (b"\x12tx\x7f", "three"),
    ] {
        assert_eq!(user().line(bytes), recalled, "{bytes:?}");
    }
    let mut user = user();
    user.types(b"\x12tw", &[]);
    assert_eq!(user.screen.text(), "(search) tw: two");
    user.types(b"\r", &[]);
    assert_eq!(user.lines.last().unwrap(), "two");
}

#[test]
fn candidates_complete_the_word() {
    let words = &["cat", "caps", "clear", "docs/", "grün", "grüßen"][..];
    let mut user = User::new(80);
    for (bytes, shown) in [
        (&b"cl\t"[..], "clear "),
        (b"\x15do\t", "docs/"),
        (b"\x15gr\t", "grü"),
        (b"\x15x\t", "x"),
        (b"\x15cat ca\t", "cat ca"),
    ] {
        user.types(bytes, words);
        assert_eq!(user.editor.text(), shown, "{bytes:?}");
    }
    let bells = user.screen.bells;
    user.types(b"\x15ca\t", words);
    assert_eq!(user.screen.bells, bells + 1);
    user.types(b"\t", words);
    assert_eq!(user.screen.above.last().unwrap(), "cat   caps");
    assert_eq!(user.screen.text(), "> ca");
    // Something else in between: asked for the first time.
    user.types(b"\x02\x06\t", words);
    assert_eq!(user.screen.bells, bells + 2);
}

#[test]
fn a_long_line_is_shown_around_the_cursor() {
    let mut user = User::new(20);
    let digits: String = (0..50).map(|n| char::from(b'0' + n % 10)).collect();
    user.types(digits.as_bytes(), &[]);
    assert!(
        user.screen.text().ends_with("789"),
        "{}",
        user.screen.text()
    );
    user.types(b"\x01", &[]);
    assert_eq!(user.screen.text(), "> 01234567890123456");
    assert_eq!(user.screen.column, 2);
    user.types(b"\r", &[]);
    assert_eq!(user.lines, [digits]);
}

#[test]
fn an_interrupt_is_shown_at_any_column() {
    for len in 0..40 {
        let mut user = User::new(20);
        user.types(&vec![b'x'; len], &[]);
        user.types(b"\x03", &[]);
        assert!(user.screen.above.last().unwrap().ends_with("^C"), "{len}");
    }
}

#[test]
fn a_line_has_an_end() {
    let mut user = User::new(80);
    user.types(&[b'x'; MAX_LINE + 10], &[]);
    assert_eq!(user.screen.bells, 10);
    user.types(b"\x15\x19\x19", &[]);
    user.types(b"\r", &[]);
    assert_eq!(user.lines[0].len(), MAX_LINE);
}

#[test]
fn interrupt_and_end() {
    let mut editor = Editor::new(80);
    let mut out = String::new();
    editor.begin("> ", &mut out);
    editor.push(b'x', false, &mut out);
    assert_eq!(editor.push(3, false, &mut out), Step::Interrupt);
    assert_eq!(editor.text(), "");
    editor.begin("> ", &mut out);
    assert_eq!(editor.push(4, false, &mut out), Step::End);
}

fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let key = prop_oneof![
        4 => any::<u8>().prop_map(|byte| vec![byte]),
        4 => proptest::sample::select(&b" abc\t\t\r"[..]).prop_map(|byte| vec![byte]),
        2 => (1_u8..27).prop_map(|byte| vec![byte]),
        2 => proptest::sample::select(vec!["\x1b[A", "\x1b[B", "\x1b[C", "\x1b[D", "\x1b[3~", "\x1bb", "\x1bd"])
            .prop_map(|text| text.as_bytes().to_vec()),
        2 => any::<char>().prop_map(|char| format!("{char}").into_bytes()),
    ];
    proptest::collection::vec(key, 0..200).prop_map(|keys| keys.concat())
}

/// Each character draws a row when the line is longer than that, and a line that is pasted draws few.
#[test]
fn what_is_pasted_is_drawn_once() {
    let text = vec![b'x'; 1000];
    let (mut typed, mut pasted) = (User::new(80), User::new(80));
    typed.types(&text, &[]);
    pasted.types_at_once(&text, &[]);
    assert_eq!(typed.screen.text(), pasted.screen.text());
    assert!(typed.shown > 50_000, "{}", typed.shown);
    assert!(pasted.shown < 1000, "{}", pasted.shown);
    pasted.types_at_once(b"yz\x03", &[]);
    assert!(pasted.screen.above.last().unwrap().ends_with("yz^C"));
}

proptest! {
    /// However the bytes come, the screen is the same at the end.
    #[test]
    fn what_is_pasted_is_shown_as_if_it_were_typed(bytes in bytes(), width in 20_usize..60) {
        let words = &["a", "abc", "abba", "caba/", "日本語"];
        let (mut typed, mut pasted) = (User::new(width), User::new(width));
        typed.types(&bytes, words);
        pasted.types_at_once(&bytes, words);
        prop_assert_eq!(&typed.lines, &pasted.lines);
        prop_assert_eq!(typed.editor.text(), pasted.editor.text());
        // The last byte may be the begin of a character: what is before it is shown with the next.
        typed.types(b"\x06", words);
        pasted.types(b"\x06", words);
        prop_assert_eq!(typed.screen.text(), pasted.screen.text());
        prop_assert_eq!(typed.screen.column, pasted.screen.column);
        prop_assert_eq!(&typed.screen.above, &pasted.screen.above);
    }

    /// Whatever is typed, the row shows the prompt and the line, or as much of it as there is room for, and the cursor
    /// is where it is in the line.
    #[test]
    fn what_is_shown_is_what_is_in_the_line(bytes in bytes(), width in 20_usize..60) {
        let mut user = User::new(width);
        for byte in bytes {
            user.types(&[byte], &["a", "abc", "abba", "caba/", "日本語"]);
            let text = user.editor.text();
            let shown = user.screen.text();
            if shown.starts_with("> ") || shown == ">" {
                let rest = shown.get(2..).unwrap_or_default();
                prop_assert!(text.contains(rest.trim_end()), "{shown:?} of {text:?}");
                let total: usize = text.chars().map(width_of).sum();
                if total + 4 < width {
                    prop_assert_eq!(rest, text.trim_end());
                }
            } else {
                prop_assert!(shown.contains(':'), "{:?}", shown);
            }
            prop_assert!(text.chars().count() <= MAX_LINE);
        }
        prop_assert!(user.editor.history().len() <= MAX_HISTORY);
    }
}
