// SPDX-License-Identifier: BSD-2-Clause
//! What somebody sees who sits at the terminal.

mod any;
mod lives;

use std::{
    string::{String, ToString as _},
    vec,
    vec::Vec,
};

use atoll_abi::{
    Level, Pid,
    console::{Error, Mode, SWITCH, VIEW},
    message::{LogEntry, Name},
};

use crate::{ClientId, Terminal, config::Config};

const A: ClientId = ClientId(0);
const B: ClientId = ClientId(1);
const PROCESS: Pid = Pid(7);

/// A terminal as wide as need be, of which nothing scrolls away.
#[derive(Default)]
struct Screen {
    lines: Vec<String>,
    line: Vec<char>,
    column: usize,
    sequence: Option<String>,
    bytes: Vec<u8>,
    bells: u32,
}

impl Screen {
    fn feed(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
        let text = match str::from_utf8(&self.bytes) {
            Ok(text) => text.to_string(),
            Err(error) if error.error_len().is_none() => {
                let whole = error.valid_up_to();
                str::from_utf8(&self.bytes[..whole]).unwrap().to_string()
            }
            Err(_) => String::from_utf8_lossy(&self.bytes).into_owned(),
        };
        self.bytes.drain(..text.len().min(self.bytes.len()));
        for c in text.chars() {
            self.put(c);
        }
    }

    fn put(&mut self, c: char) {
        if let Some(sequence) = &mut self.sequence {
            sequence.push(c);
            if c.is_ascii_alphabetic() {
                match sequence.as_str() {
                    "[K" => self.line.truncate(self.column),
                    "[0m" | "[31m" | "[1m" | "[33m" | "[2m" => {}
                    other => panic!("a sequence {other:?}"),
                }
                self.sequence = None;
            }
            return;
        }
        match c {
            '\u{1b}' => self.sequence = Some(String::new()),
            '\r' => self.column = 0,
            '\n' => {
                assert_eq!(self.column, 0, "a new line begins at its beginning");
                self.lines.push(self.line.drain(..).collect());
            }
            '\u{8}' => self.column -= 1,
            '\u{7}' => self.bells += 1,
            c => {
                assert!(!c.is_control(), "{c:?}");
                if self.column < self.line.len() {
                    self.line[self.column] = c;
                } else {
                    self.line.push(c);
                }
                self.column += 1;
            }
        }
    }

    fn line(&self) -> String {
        let line: String = self.line.iter().collect();
        line.trim_end().to_string()
    }
}

struct Desk {
    terminal: Terminal,
    screen: Screen,
    number: u64,
    /// The last piece of input that each client has.
    taken: [u64; 4],
}

impl Desk {
    fn new(args: &[&str]) -> Self {
        let mut terminal = Terminal::new(&Config::parse(args.iter().copied()).unwrap());
        for client in 0..args.len() {
            terminal.connect(ClientId(client), PROCESS);
        }
        Self {
            terminal,
            screen: Screen::default(),
            number: 0,
            taken: [0; 4],
        }
    }

    /// What is on its way arrives.
    fn pump(&mut self) {
        while !self.terminal.output().is_empty() {
            let bytes = self.terminal.output().to_vec();
            self.screen.feed(&bytes);
            self.terminal.sent(bytes.len());
        }
    }

    fn settle(&mut self) {
        self.terminal.settle();
        self.pump();
    }

    fn entry(&mut self, name: &str, level: Option<Level>, text: &str) -> LogEntry {
        self.number += 1;
        LogEntry {
            number: self.number,
            time: 1_234_567_000,
            pid: Pid(name.len() as u32),
            name: Name::try_from(name).unwrap(),
            level,
            is_first: true,
            has_more: false,
            text: text.bytes().collect(),
        }
    }

    fn log(&mut self, text: &str) {
        let entry = self.entry("net", Some(Level::Info), text);
        self.terminal.entry(&entry);
    }

    fn write(&mut self, client: ClientId, text: &str) {
        let (taken, place) = self.terminal.write(client, text.as_bytes());
        assert_eq!(taken, text.len());
        self.settle();
        assert!(self.terminal.is_sent(place));
    }

    fn keys(&mut self, keys: &[u8]) {
        for byte in keys {
            self.terminal.typed(*byte);
        }
        self.settle();
    }

    fn read(&mut self, client: ClientId) -> Option<String> {
        let taken = &mut self.taken[client.0];
        let (number, bytes) = self.terminal.read(client, *taken)?;
        *taken = number;
        Some(String::from_utf8(bytes.to_vec()).unwrap())
    }
}

#[test]
fn lines_of_the_log_look_as_the_servers_own() {
    let mut desk = Desk::new(&[]);
    for (level, is_first) in [
        (Level::Info, true),
        (Level::Warn, true),
        (Level::Error, true),
        (Level::Debug, true),
        (Level::Error, false),
    ] {
        let mut entry = desk.entry("net", Some(level), "no link");
        entry.is_first = is_first;
        desk.terminal.entry(&entry);
    }
    desk.settle();
    assert_eq!(
        desk.screen.lines,
        [
            "[    1.234567] net: no link",
            "[    1.234567] net: warning: no link",
            "[    1.234567] net: error: no link",
            "[    1.234567] net: debug: no link",
            "[    1.234567] net: no link",
        ]
    );
}

#[test]
fn a_line_of_several_entries_is_one() {
    let mut desk = Desk::new(&[]);
    let mut first = desk.entry("net", Some(Level::Info), "one ");
    first.has_more = true;
    let second = desk.entry("net", Some(Level::Info), "line");
    desk.terminal.entry(&first);
    desk.settle();
    assert_eq!(desk.terminal.printed(), None);
    desk.terminal.entry(&second);
    assert_eq!(desk.terminal.printed(), None, "nothing is sent");
    desk.settle();
    assert_eq!(desk.terminal.printed(), Some(2));
    assert_eq!(desk.terminal.printed(), None);
    assert_eq!(desk.screen.lines, ["[    1.234567] net: one line"]);
}

#[test]
fn what_was_lost_is_told() {
    let mut desk = Desk::new(&[]);
    desk.log("first");
    desk.number += 12;
    desk.log("last");
    desk.settle();
    assert_eq!(desk.screen.lines[1], "-- 12 lines of the log were lost --");
    assert_eq!(desk.terminal.status("d").lost, 12);
}

#[test]
fn who_types_keeps_his_line() {
    let mut desk = Desk::new(&["a=foreground"]);
    desk.write(A, "name? ");
    desk.keys(b"Ann");
    desk.log("up");
    desk.log("down");
    desk.settle();
    assert_eq!(desk.screen.lines.len(), 2);
    assert!(desk.screen.lines[1].ends_with("net: down"));
    assert_eq!(desk.screen.line(), "name? Ann");
    desk.keys("\x7fä\x7f\x7fo\r".as_bytes());
    assert_eq!(desk.screen.lines[2], "name? Ao");
    assert_eq!(desk.read(A).as_deref(), Some("Ao\n"));
    assert_eq!(desk.read(A), None);
}

#[test]
fn a_raw_line_is_shown_again_too() {
    let mut desk = Desk::new(&["a=foreground"]);
    desk.terminal.set_mode(A, Mode::Raw);
    desk.write(A, "old\r\x1b[K$ ls");
    desk.keys(b" -l\x1b[A\x03");
    assert_eq!(desk.read(A).as_deref(), Some(" -l\x1b[A\x03"));
    assert_eq!(desk.screen.line(), "$ ls", "no echo");
    desk.log("up");
    desk.settle();
    assert_eq!(desk.screen.line(), "$ ls");
    // One that is too long stays where it is.
    desk.write(A, &"x".repeat(2000));
    desk.log("down");
    desk.settle();
    assert!(desk.screen.lines[1].ends_with("xxx"));
    assert!(desk.screen.lines[2].ends_with("down"));
}

#[test]
fn those_in_the_background_write_whole_lines_that_steer_nothing() {
    let mut desk = Desk::new(&["a=foreground", "b"]);
    desk.write(A, "$ ");
    desk.write(B, "half a li");
    assert!(desk.screen.lines.is_empty());
    desk.write(B, "ne\n\x1b[2J\x1b[31mno\x07tice\nrest");
    assert_eq!(desk.screen.lines, ["b: half a line", "b: no\u{fffd}tice"]);
    assert_eq!(desk.screen.line(), "$");
    // Nobody finishes it.
    let late = desk.terminal.deadline().unwrap();
    desk.terminal.set_time(late - 1);
    desk.settle();
    assert_eq!(desk.screen.lines.len(), 2);
    desk.terminal.set_time(late);
    desk.settle();
    assert_eq!(desk.screen.lines[2], "b: rest");
    assert_eq!(desk.terminal.deadline(), None);
}

#[test]
fn the_key_goes_through_those_who_are_there() {
    let mut desk = Desk::new(&["a=foreground", "b", "c"]);
    desk.terminal.disconnect(B);
    desk.write(A, "a> ");
    desk.terminal.set_waits(ClientId(2), true);
    desk.write(ClientId(2), "c> ");
    let late = u64::MAX / 2;
    desk.terminal.set_time(late);
    desk.keys(b"xy");
    desk.keys(&[SWITCH as u8]);
    assert_eq!(desk.screen.lines, ["a> xy", "-- c --"]);
    assert_eq!(desk.screen.line(), "c>", "a prompt waits");
    desk.keys(b"z\r");
    assert_eq!(desk.read(ClientId(2)).as_deref(), Some("z\n"));
    desk.keys(&[SWITCH as u8]);
    assert_eq!(desk.screen.line(), "a> xy", "what was typed waits, too");
    desk.keys(b"\r");
    assert_eq!(desk.read(A).as_deref(), Some("xy\n"));
}

#[test]
fn who_is_not_in_front_asks_in_vain() {
    let mut desk = Desk::new(&["a=foreground", "b", "c=control"]);
    let name = |text: &str| Name::try_from(text).unwrap();
    assert_eq!(
        desk.terminal.put_foreground(B, None),
        Err(Error::NotAllowed)
    );
    assert_eq!(desk.terminal.view(B, None, None), Err(Error::NotAllowed));
    assert_eq!(
        desk.terminal.put_foreground(A, Some(&name("d"))),
        Err(Error::NoClient)
    );
    assert_eq!(desk.terminal.put_foreground(A, Some(&name("b"))), Ok(()));
    assert_eq!(
        desk.terminal.put_foreground(A, None),
        Err(Error::NotAllowed)
    );
    assert_eq!(desk.terminal.put_foreground(ClientId(2), None), Ok(()));
    assert_eq!(desk.terminal.status("d").foreground.as_deref(), Some("c"));
}

#[test]
fn the_view_chooses_lines() {
    let mut desk = Desk::new(&["a=foreground"]);
    desk.keys(&[VIEW as u8, VIEW as u8]);
    desk.log("info");
    let warning = desk.entry("net", Some(Level::Warn), "look");
    desk.terminal.entry(&warning);
    desk.settle();
    assert_eq!(
        desk.screen.lines[2..],
        ["[    1.234567] net: warning: look"]
    );
    // What is not shown counts as printed.
    assert_eq!(desk.terminal.printed(), Some(2));
    let only = Name::try_from("fs").unwrap();
    desk.terminal
        .view(A, Some(Level::Debug), Some(only))
        .unwrap();
    desk.log("not this");
    let entry = desk.entry("fs", Some(Level::Debug), "this");
    desk.terminal.entry(&entry);
    desk.settle();
    assert_eq!(desk.screen.lines.len(), 4);
    desk.keys(&[VIEW as u8; 5]);
    assert_eq!(desk.terminal.status("d").level, Some(Level::Debug));
}

#[test]
fn text_for_the_console_is_shown_line_by_line() {
    let mut desk = Desk::new(&[]);
    for (name, text) in [
        ("one", "a\x1b[2Jb\nc"),
        ("three", "x"),
        ("one", "d\n"),
        ("three", "y"),
    ] {
        let entry = desk.entry(name, None, text);
        desk.terminal.entry(&entry);
    }
    desk.settle();
    assert_eq!(desk.screen.lines, ["one: ab", "one: cd"]);
    desk.terminal.set_time(desk.terminal.deadline().unwrap());
    desk.settle();
    assert_eq!(desk.screen.lines[2], "three: xy");
}

#[test]
fn the_end_of_the_input_and_the_interrupt_are_handed_out() {
    let mut desk = Desk::new(&["a=foreground"]);
    desk.keys(b"gone\x03\x04part\x04");
    assert_eq!(desk.read(A).as_deref(), Some("\x03"));
    assert_eq!(desk.read(A).as_deref(), Some(""));
    assert_eq!(desk.read(A).as_deref(), Some("part"));
    assert_eq!(desk.screen.lines, ["gone^C"]);
}

#[test]
fn what_was_typed_is_bounded_and_not_for_the_next() {
    let mut desk = Desk::new(&["a=foreground"]);
    for _ in 0..10_000 {
        desk.keys(b"\r");
    }
    assert!(desk.screen.bells > 0);
    let mut lines = 0;
    while desk.read(A).is_some() {
        lines += 1;
    }
    assert_eq!(lines, 4096);
    desk.keys(b"secret\r");
    desk.terminal.disconnect(A);
    desk.terminal.connect(A, PROCESS);
    assert_eq!(desk.read(A), None);
}

#[test]
fn who_writes_much_waits() {
    let mut desk = Desk::new(&["a=foreground", "b"]);
    for client in [A, B] {
        let text = "\n".repeat(1024);
        let mut taken = 0;
        let mut left = text.as_bytes();
        while desk.terminal.has_room() {
            let (count, _) = desk.terminal.write(client, left);
            left = &left[count..];
            taken += count;
            if left.is_empty() {
                left = text.as_bytes();
            }
        }
        assert!(taken > 0);
        assert_eq!(desk.terminal.write(client, left).0, 0);
        desk.pump();
    }
}

#[test]
fn nobody_is_there() {
    let mut desk = Desk::new(&[]);
    desk.keys(&[b'x', SWITCH as u8, VIEW as u8]);
    desk.terminal.connect(A, PROCESS);
    desk.terminal.disconnect(B);
    assert_eq!(desk.terminal.write(A, b"x").0, 0);
    assert_eq!(desk.terminal.read(A, 0), None);
    assert!(desk.terminal.put_foreground(A, None).is_err());
}

#[test]
fn the_test_screen_is_one() {
    let mut screen = Screen::default();
    screen.feed(b"ab\x08c\r\nx");
    assert_eq!(
        (screen.lines, screen.line),
        (vec!["ac".to_string()], vec!['x'])
    );
}
