// SPDX-License-Identifier: BSD-2-Clause
//! What is kept of a client.

use atoll_abi::{Pid, console::Mode, message::Name};
use console_row::Row;

use crate::{config, editor::Editor, input::Input};

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
    pub tail: Row,
    pub since: u64,
    pub editor: Editor,
    pub input: Input,
    /// The process that connected last: what was typed is for it. It has no connection if it is still to come back, to
    /// another console guest than that at which it had one.
    pub owner: Option<Pid>,
}

impl Client {
    pub fn new(config: &config::Client) -> Self {
        Self {
            name: config.name.clone(),
            controls: config.controls,
            mode: Mode::Line,
            connections: 0,
            waits: 0,
            tail: Row::default(),
            since: 0,
            editor: Editor::default(),
            input: Input::default(),
            owner: None,
        }
    }

    /// Its last connection is gone: what was typed is not for who comes next.
    pub fn forget(&mut self) {
        self.mode = Mode::Line;
        self.tail.clear();
        self.editor = Editor::default();
        self.input.forget();
        self.owner = None;
    }
}
