// SPDX-License-Identifier: BSD-2-Clause
//! What outlives the console guest: who is in the foreground, and what was typed and has not reached anybody.

use alloc::vec::Vec;

use atoll_abi::{Pid, console::Mode, message::Name};
use serde::{Deserialize, Serialize};

use super::Terminal;
use crate::{client::Client, editor::Editor, input::Input};

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Who is in the foreground.
    pub foreground: Option<Name>,
    /// Of each client that there was.
    pub clients: Vec<KeptClient>,
}

/// What is kept of a client.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptClient {
    name: Name,
    owner: Option<Pid>,
    mode: Mode,
    /// The number of the last piece that it has, and those behind.
    taken: u64,
    pieces: Vec<Vec<u8>>,
    /// What was typed of a line.
    line: Vec<u8>,
}

impl Kept {
    /// Without what was typed, if there is no room for all.
    #[must_use]
    pub fn without_input(mut self) -> Self {
        for client in &mut self.clients {
            client.taken += client.pieces.len() as u64;
            client.pieces.clear();
            client.line.clear();
        }
        self
    }
}

impl From<&Client> for KeptClient {
    fn from(client: &Client) -> Self {
        Self {
            name: client.name.clone(),
            owner: client.owner,
            mode: client.mode,
            taken: client.input.taken(),
            pieces: client.input.pieces(),
            line: client.editor.line().to_vec(),
        }
    }
}

impl Terminal {
    /// What is to be kept, if that has changed since it was asked last.
    pub fn changed(&mut self) -> Option<Kept> {
        core::mem::take(&mut self.has_changed).then(|| Kept {
            foreground: self.foreground().cloned(),
            clients: self.clients.iter().map(KeptClient::from).collect(),
        })
    }

    /// Goes on where an earlier life ended. Nothing is shown: its clients show what they have. Pieces of input of which
    /// nothing is kept have numbers behind `number`, which no earlier life has come to.
    pub fn restore(&mut self, kept: Kept, number: u64) {
        for client in &mut self.clients {
            client.input = Input::behind(number);
        }
        for old in kept.clients {
            let mut clients = self.clients.iter_mut();
            let Some(client) = clients.find(|client| client.name == old.name) else {
                continue;
            };
            client.owner = old.owner;
            client.mode = old.mode;
            client.input = Input::restored(old.taken, old.pieces);
            client.editor = Editor::with_line(old.line);
        }
        if let Some(name) = kept.foreground {
            let found = self.clients.iter().position(|it| it.name == name);
            self.foreground = found.or(self.foreground);
        }
        // A line that was typed in part is not on the screen.
        self.is_drawn = false;
    }
}
