// SPDX-License-Identifier: BSD-2-Clause
//! Whatever is done to a terminal.

use std::{format, string::String, vec::Vec};

use atoll_abi::{
    Level, Pid,
    console::{Mode, VIEW},
};
use proptest::prelude::*;

use super::{Desk, PROCESS};
use crate::ClientId;

#[derive(Clone, Debug)]
enum Step {
    Log(String),
    Raw(u8, String),
    Write(usize, String),
    Keys(Vec<u8>),
    Mode(usize, bool),
    Pump(usize),
    Connect(usize, bool),
    Late,
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let text = "[a-z \u{e4}\u{7}\u{1b}\\[;\r\n]{0,20}";
    prop_oneof![
        4 => "[a-z ]{1,20}".prop_map(Step::Log),
        1 => (1..12u8, text).prop_map(|(pid, text)| Step::Raw(pid, text)),
        3 => (0..3usize, text).prop_map(|(client, text)| Step::Write(client, text)),
        2 => (0..3usize, "[a-z]{0,20}\n?").prop_map(|(client, text)| Step::Write(client, text)),
        4 => prop::collection::vec(any::<u8>(), 0..10).prop_map(Step::Keys),
        1 => (0..3usize, any::<bool>()).prop_map(|(client, raw)| Step::Mode(client, raw)),
        3 => (0..200usize).prop_map(Step::Pump),
        1 => (0..3usize, any::<bool>()).prop_map(|(client, is)| Step::Connect(client, is)),
        1 => Just(Step::Late),
        2 => Just(Step::Settle),
    ]
}

proptest! {
    /// Whatever clients, processes and keys do, a line of the log comes out whole, once, and in its turn.
    #[test]
    fn no_line_of_the_log_is_torn(steps in prop::collection::vec(step(), 1..60)) {
        let mut desk = Desk::new(&["a=foreground", "b", "c=control"]);
        let (mut bytes, mut said) = (Vec::new(), Vec::new());
        let mut now = 0;
        for step in steps {
            match step {
                Step::Log(text) if desk.terminal.has_room() => {
                    let entry = desk.entry("log", Some(Level::Error), &text);
                    said.push(format!("[    1.234567] log: error: {text}"));
                    desk.terminal.entry(&entry);
                }
                Step::Raw(pid, text) if desk.terminal.has_room() => {
                    let mut entry = desk.entry("raw", None, &text);
                    entry.pid = Pid(pid.into());
                    desk.terminal.entry(&entry);
                }
                Step::Log(_) | Step::Raw(..) => {}
                Step::Write(client, text) => {
                    let client = ClientId(client);
                    // Who is in the foreground may do what he likes to the screen: here he does not.
                    let is_front = desk.terminal.status("d").foreground == desk.terminal.clients().nth(client.0).map(|it| it.1.clone());
                    let text = if is_front { text.replace(['\u{1b}', '\r', '\u{7}'], "") } else { text };
                    desk.terminal.write(client, text.as_bytes());
                }
                Step::Keys(keys) => {
                    // The key that hides lines is another test's.
                    for key in keys.iter().filter(|key| u32::from(**key) != VIEW) {
                        desk.terminal.typed(*key);
                    }
                }
                Step::Mode(client, raw) => {
                    let mode = if raw { Mode::Raw } else { Mode::Line };
                    desk.terminal.set_mode(ClientId(client), mode);
                }
                Step::Pump(count) => {
                    let part = desk.terminal.output();
                    let count = count.min(part.len());
                    bytes.extend_from_slice(&part[..count]);
                    desk.terminal.sent(count);
                }
                Step::Connect(client, true) => desk.terminal.connect(ClientId(client), PROCESS),
                Step::Connect(client, false) => desk.terminal.disconnect(ClientId(client)),
                Step::Late => {
                    now += 2_000_000_000;
                    desk.terminal.set_time(now);
                }
                Step::Settle => desk.terminal.settle(),
            }
            prop_assert!(desk.terminal.output().len() < 20_000);
        }
        desk.terminal.settle();
        while !desk.terminal.output().is_empty() {
            let part = desk.terminal.output().to_vec();
            bytes.extend_from_slice(&part);
            desk.terminal.sent(part.len());
        }
        prop_assert_eq!(desk.terminal.printed(), Some(desk.number).filter(|number| *number > 0));
        // Line ends, and what clears a line, part what is seen.
        let text = String::from_utf8_lossy(&bytes).replace('\u{7}', "").replace("\r\u{1b}[K", "\n").replace("\r\u{1b}[0m\u{1b}[K", "\n");
        let seen: Vec<_> = text.split(['\r', '\n']).filter(|line| line.starts_with('[')).filter(|line| line.contains("log: error")).collect();
        prop_assert_eq!(seen, said);
    }
}
