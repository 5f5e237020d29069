// SPDX-License-Identifier: BSD-2-Clause
//! A terminal that goes on where another one ended.

use std::{string::ToString as _, vec::Vec};

use atoll_abi::{
    Pid,
    console::{Mode, SWITCH},
};
use proptest::prelude::*;

use super::{A, B, Desk, PROCESS};
use crate::{ClientId, Kept, Terminal, config::Config};

const ARGS: [&str; 2] = ["a=foreground", "b"];

impl Desk {
    /// What it leaves when it ends now.
    fn kept(&mut self) -> Kept {
        self.terminal.has_changed = true;
        self.terminal.changed().unwrap()
    }

    /// The console guest ends, and another one is started; clients are not connected yet.
    fn dies(&mut self) {
        let kept = self.kept();
        let bytes = postcard::to_allocvec(&kept).unwrap();
        self.terminal = Terminal::new(&Config::parse(ARGS).unwrap());
        let kept = postcard::from_bytes(&bytes).unwrap();
        self.terminal.restore(kept, 1_000_000);
        self.screen = super::Screen::default();
    }

    /// A client goes on with the next one.
    fn comes(&mut self, client: ClientId) {
        self.terminal.connect(client, PROCESS);
    }
}

#[test]
fn a_line_that_is_typed_goes_on() {
    let mut desk = Desk::new(&ARGS);
    desk.write(A, "name: ");
    desk.keys(b"one\rtw");
    desk.dies();
    // Before the client is there again.
    desk.keys(b"o");
    desk.comes(A);
    desk.write(A, "name: ");
    assert_eq!(desk.screen.line(), "name: two");
    assert_eq!(desk.read(A).as_deref(), Some("one\n"));
    desk.keys(b"\r");
    assert_eq!(desk.read(A).as_deref(), Some("two\n"));
    assert_eq!(desk.read(A), None);
}

#[test]
fn keys_go_on_as_keys() {
    let mut desk = Desk::new(&ARGS);
    desk.terminal.set_mode(A, Mode::Raw);
    desk.keys(b"ab");
    assert_eq!(desk.read(A).as_deref(), Some("ab"));
    desk.keys(b"c");
    desk.dies();
    desk.keys(b"\x7f\r");
    desk.comes(A);
    assert_eq!(desk.read(A).as_deref(), Some("c"));
    assert_eq!(desk.read(A).as_deref(), Some("\x7f\r"));
}

#[test]
fn what_was_typed_is_for_that_process() {
    let mut desk = Desk::new(&ARGS);
    desk.keys(b"secret\rse");
    desk.dies();
    desk.terminal.connect(A, Pid(8));
    assert_eq!(desk.read(A), None);
    desk.keys(b"cret\r");
    assert_eq!(desk.read(A).as_deref(), Some("cret\n"));
}

#[test]
fn without_anything_kept_no_number_comes_again() {
    let mut desk = Desk::new(&ARGS);
    desk.keys(b"one\r");
    assert!(desk.read(A).is_some());
    desk.terminal = Terminal::new(&Config::parse(ARGS).unwrap());
    desk.terminal.restore(Kept::default(), 1_000_000);
    desk.keys(b"two\r");
    desk.comes(A);
    assert_eq!(desk.read(A).as_deref(), Some("two\n"));
}

#[test]
fn the_key_that_switches_does_so_before_they_are_back() {
    let mut desk = Desk::new(&ARGS);
    desk.dies();
    desk.keys(&[SWITCH as u8]);
    desk.comes(A);
    desk.comes(B);
    assert_eq!(desk.terminal.foreground().unwrap().to_string(), "b");
    // Who has left is passed over.
    desk.terminal.disconnect(A);
    desk.keys(&[SWITCH as u8]);
    assert_eq!(desk.terminal.foreground().unwrap().to_string(), "b");
}

#[test]
fn what_has_no_room_leaves_the_rest() {
    let mut desk = Desk::new(&ARGS);
    desk.terminal
        .put_foreground(A, Some(&"b".try_into().unwrap()))
        .unwrap();
    desk.keys(b"x\ry");
    let kept = desk.kept().without_input();
    desk.terminal.restore(kept, 1_000_000);
    assert_eq!(desk.terminal.foreground().unwrap().to_string(), "b");
    assert_eq!(desk.read(B), None);
}

#[test]
fn a_newcomer_begins_behind_what_was_handed_out() {
    let mut desk = Desk::new(&ARGS);
    desk.keys(b"one\rtwo\r");
    assert_eq!(desk.read(A).as_deref(), Some("one\n"));
    desk.taken[0] = desk.terminal.given(A);
    assert_eq!(desk.read(A).as_deref(), Some("two\n"));
}

proptest! {
    /// Wherever the console guest ends, each key arrives once, and in its turn.
    #[test]
    fn each_key_arrives_once(
        keys in prop::collection::vec((any::<u8>(), 0..5u8), 1..80),
        raw in any::<bool>(),
    ) {
        let mut desk = Desk::new(&ARGS);
        if raw {
            desk.terminal.set_mode(A, Mode::Raw);
        }
        let (mut typed, mut heard) = (Vec::new(), Vec::new());
        for (n, (key, then)) in keys.into_iter().enumerate() {
            // A line, or a few keys.
            let keys = if raw {
                std::vec![key.max(0x20)]
            } else {
                std::format!("{n}\n").into_bytes()
            };
            desk.keys(&keys);
            typed.extend(keys);
            match then {
                0 => {
                    desk.dies();
                    desk.comes(A);
                }
                1 => {
                    // It was handed out, and the client has not got it.
                    let _ = desk.terminal.read(A, desk.taken[0]);
                    desk.dies();
                    desk.comes(A);
                }
                2 => if let Some((number, bytes)) = desk.terminal.read(A, desk.taken[0]) {
                    desk.taken[0] = number;
                    heard.extend_from_slice(&bytes);
                },
                _ => {}
            }
        }
        while let Some((number, bytes)) = desk.terminal.read(A, desk.taken[0]) {
            desk.taken[0] = number;
            heard.extend_from_slice(&bytes);
        }
        prop_assert_eq!(typed, heard);
    }
}
