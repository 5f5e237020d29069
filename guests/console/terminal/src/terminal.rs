// SPDX-License-Identifier: BSD-2-Clause
//! The terminal.

mod kept;
mod keyboard;

use alloc::{collections::VecDeque, vec::Vec};

use atoll_abi::{
    Level, Pid,
    console::{Bytes, Error, Mode, Status},
    message::{LogEntry, Name},
};

pub use kept::Kept;

use crate::{
    client::Client,
    config::Config,
    log::{Log, under},
    output::Output,
};

/// Nanoseconds after which a line is shown that nobody finishes.
const PATIENCE: u64 = 1_000_000_000;

/// A client: its place among those of the arguments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientId(pub usize);

/// The terminal. See [the crate](crate).
#[derive(Debug)]
pub struct Terminal {
    output: Output,
    clients: Vec<Client>,
    /// Who is in the foreground.
    foreground: Option<usize>,
    /// What the client in the foreground has at the bottom of the screen is there now.
    is_drawn: bool,
    /// Something that outlives the guest has changed.
    pub(crate) has_changed: bool,
    colour: bool,
    log: Log,
    /// Entries of the log, each with the place in the output behind which it is shown.
    shown: VecDeque<(u64, u64)>,
    now: u64,
}

impl Terminal {
    /// As the arguments say.
    pub fn new(config: &Config) -> Self {
        Self {
            output: Output::default(),
            clients: config.clients.iter().map(Client::new).collect(),
            foreground: config.clients.iter().position(|client| client.is_first),
            is_drawn: true,
            has_changed: true,
            colour: config.colour,
            log: Log::new(config.level, config.colour),
            shown: VecDeque::new(),
            now: 0,
        }
    }

    /// The clients, with their names.
    pub fn clients(&self) -> impl Iterator<Item = (ClientId, &Name)> {
        let all = self.clients.iter().enumerate();
        all.map(|(place, client)| (ClientId(place), &client.name))
    }

    // ---- The device

    /// The first of what is to be sent.
    pub fn output(&self) -> &[u8] {
        self.output.first()
    }

    /// So many bytes of it are sent.
    pub fn sent(&mut self, count: usize) {
        self.output.sent(count);
    }

    /// Whether all is sent that was written before this place: see [`Self::write`].
    pub fn is_sent(&self, place: u64) -> bool {
        self.output.is_sent(place)
    }

    /// Whether there is room: for entries of the log, or for what clients write.
    pub fn has_room(&self) -> bool {
        self.output.has_room()
    }

    // ---- Time

    /// It is this late, in nanoseconds. Shows what nobody finishes.
    pub fn set_time(&mut self, now: u64) {
        self.now = now;
        let Some(since) = now.checked_sub(PATIENCE) else {
            return;
        };
        let mut lines = Vec::new();
        self.log.flush(since, |line| lines.push(line.to_vec()));
        for (place, client) in self.clients.iter_mut().enumerate() {
            let is_late = client.since <= since && !client.tail.is_empty();
            // Who waits for input has written a prompt, which is shown when it is in the foreground.
            if is_late && Some(place) != self.foreground && client.waits == 0 {
                lines.push(under(&client.name, client.tail.bytes(), self.colour));
                client.tail.clear();
            }
        }
        for line in lines {
            self.show(&line);
        }
    }

    /// When [`Self::set_time`] has something to do.
    pub fn deadline(&self) -> Option<u64> {
        let unfinished = |(place, client): (usize, &Client)| {
            let is_late = !client.tail.is_empty() && Some(place) != self.foreground;
            (is_late && client.waits == 0).then_some(client.since)
        };
        let clients = self.clients.iter().enumerate().filter_map(unfinished);
        let first = clients.chain(self.log.unfinished_since()).min()?;
        Some(first.saturating_add(PATIENCE))
    }

    // ---- The screen

    /// The line at the bottom gives way.
    fn undraw(&mut self) {
        if !core::mem::replace(&mut self.is_drawn, false) {
            return;
        }
        let Some(client) = self.foreground.and_then(|place| self.clients.get(place)) else {
            return;
        };
        if client.tail.is_cut() {
            self.output.push(b"\x1b[0m\n");
        } else if !client.tail.is_empty() || !client.editor.line().is_empty() {
            let colours: &[u8] = if client.tail.steers() {
                b"\x1b[0m"
            } else {
                b""
            };
            self.output.push(b"\r");
            self.output.push(colours);
            self.output.push(b"\x1b[K");
        }
    }

    /// The line at the bottom is there.
    fn draw(&mut self) {
        if core::mem::replace(&mut self.is_drawn, true) {
            return;
        }
        let Some(client) = self
            .foreground
            .and_then(|place| self.clients.get_mut(place))
        else {
            return;
        };
        if client.tail.is_cut() {
            // What is on the screen stays there.
            client.tail.clear();
        }
        self.output.push(client.tail.bytes());
        self.output.push(client.editor.line());
    }

    /// Shows a line above the one at the bottom.
    fn show(&mut self, line: &[u8]) {
        self.undraw();
        self.output.push(line);
        self.output.push(b"\n");
    }

    /// Nothing more comes for the moment: the line at the bottom is shown.
    pub fn settle(&mut self) {
        self.draw();
    }

    // ---- The log

    /// The log goes on behind this entry.
    pub fn begin_log(&mut self, number: u64) {
        self.log.begin(number);
    }

    /// Takes an entry of the log.
    pub fn entry(&mut self, entry: &LogEntry) {
        let mut lines = Vec::new();
        self.log
            .take(entry, self.now, |line| lines.push(line.to_vec()));
        for line in lines {
            self.show(&line);
        }
        if entry.has_more {
            return;
        }
        let place = self.output.queued();
        match self.shown.back_mut() {
            // It is not shown: there are no more of these than there are bytes on their way.
            Some((last, number)) if *last == place => *number = entry.number,
            _ => self.shown.push_back((place, entry.number)),
        }
    }

    /// The last entry up to which all are sent, if there is one that was not told of.
    pub fn printed(&mut self) -> Option<u64> {
        let mut last = None;
        while let Some((place, number)) = self.shown.front().copied() {
            if !self.output.is_sent(place) {
                break;
            }
            last = Some(number);
            self.shown.pop_front();
        }
        last
    }

    // ---- Clients

    /// A client has connected: this process.
    pub fn connect(&mut self, client: ClientId, process: Pid) {
        if let Some(client) = self.clients.get_mut(client.0) {
            let is_other = client.owner.is_some_and(|owner| owner != process);
            if is_other && client.connections == 0 {
                // What is kept was for one that ended while there was no console guest.
                client.forget();
            }
            client.owner = Some(process);
            client.connections = client.connections.saturating_add(1);
            self.has_changed = true;
        }
    }

    /// One of a client's connections is gone.
    pub fn disconnect(&mut self, id: ClientId) {
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        client.connections = client.connections.saturating_sub(1);
        if client.connections > 0 {
            return;
        }
        let rest = (!client.tail.is_empty()).then(|| client.tail.bytes().to_vec());
        let is_foreground = self.foreground == Some(id.0);
        let was_drawn = self.is_drawn;
        let has_line = rest.is_some() || !client.editor.line().is_empty();
        let name = client.name.clone();
        client.forget();
        self.has_changed = true;
        match rest {
            Some(rest) if !is_foreground => self.show(&under(&name, &rest, self.colour)),
            // It is on the screen.
            _ if is_foreground && was_drawn && has_line => self.output.push(b"\x1b[0m\n"),
            _ => {}
        }
    }

    /// Takes of what a client writes as much as there is room for; answers how many bytes, and the place behind
    /// which they are sent.
    pub fn write(&mut self, id: ClientId, bytes: &[u8]) -> (usize, u64) {
        let is_foreground = self.foreground == Some(id.0);
        let mut taken = 0;
        if is_foreground {
            self.draw();
            self.take_line_away();
        }
        for byte in bytes {
            if !self.output.has_room() {
                break;
            }
            let Some(client) = self.clients.get_mut(id.0) else {
                break;
            };
            taken += 1;
            if is_foreground {
                client.tail.push(*byte);
                self.output.push(&[*byte]);
                continue;
            }
            if client.tail.is_empty() {
                client.since = self.now;
            }
            if let Some(line) = client.tail.push_line(*byte) {
                let line = under(&client.name, &line, self.colour);
                self.show(&line);
            }
        }
        if is_foreground && let Some(client) = self.clients.get(id.0) {
            self.output.push(client.editor.line());
        }
        (taken, self.output.queued())
    }

    /// What is typed behind what the client has written gives way to more of that.
    fn take_line_away(&mut self) {
        let client = self.foreground.and_then(|place| self.clients.get(place));
        if let Some(client) = client.filter(|client| !client.editor.line().is_empty()) {
            self.output.push(b"\r\x1b[K");
            self.output.push(client.tail.bytes());
        }
    }

    /// Hands a client what was typed for it behind the piece of this number, with its number, if there is something.
    pub fn read(&mut self, id: ClientId, after: u64) -> Option<(u64, Bytes)> {
        let input = &mut self.clients.get_mut(id.0)?.input;
        let before = input.taken();
        let read = input.after(after);
        self.has_changed |= input.taken() != before;
        read
    }

    /// The number of the piece that was handed to a client last.
    pub fn given(&self, id: ClientId) -> u64 {
        self.clients
            .get(id.0)
            .map_or(0, |client| client.input.given())
    }

    /// A client begins to wait for input, or ends to.
    pub fn set_waits(&mut self, id: ClientId, waits: bool) {
        if let Some(client) = self.clients.get_mut(id.0) {
            client.since = self.now;
            client.waits = if waits {
                client.waits.saturating_add(1)
            } else {
                client.waits.saturating_sub(1)
            };
        }
    }

    /// Sets how a client gets its input. What was typed of a line is handed out as it is.
    pub fn set_mode(&mut self, id: ClientId, mode: Mode) {
        self.draw();
        let Some(client) = self.clients.get_mut(id.0) else {
            return;
        };
        let before = core::mem::replace(&mut client.mode, mode);
        self.has_changed |= before != mode;
        if before == Mode::Line && mode == Mode::Raw {
            let editor = core::mem::take(&mut client.editor);
            for byte in editor.line() {
                client.tail.push(*byte);
                client.input.put_byte(*byte);
            }
        }
    }

    fn check(&self, by: ClientId) -> Result<(), Error> {
        let controls = self.clients.get(by.0).is_some_and(|it| it.controls);
        if controls || self.foreground == Some(by.0) {
            Ok(())
        } else {
            Err(Error::NotAllowed)
        }
    }

    /// Puts a client into the foreground; none: who asks for it.
    ///
    /// # Errors
    /// [`Error::NotAllowed`], [`Error::NoClient`].
    pub fn put_foreground(&mut self, by: ClientId, name: Option<&Name>) -> Result<(), Error> {
        self.check(by)?;
        let next = match name {
            None => by.0,
            Some(name) => {
                let mut all = self.clients.iter();
                all.position(|it| it.name == *name).ok_or(Error::NoClient)?
            }
        };
        self.set_foreground(next);
        Ok(())
    }

    /// Says which lines of the log are shown.
    ///
    /// # Errors
    /// [`Error::NotAllowed`].
    pub fn view(
        &mut self,
        by: ClientId,
        level: Option<Level>,
        process: Option<Name>,
    ) -> Result<(), Error> {
        self.check(by)?;
        self.log.level = level;
        self.log.process = process;
        Ok(())
    }

    /// How things are.
    pub fn status(&self, device: &str) -> Status {
        let name = |client: &Client| client.name.clone();
        Status {
            foreground: self
                .foreground
                .and_then(|place| self.clients.get(place))
                .map(name),
            clients: self.clients.iter().map(name).collect(),
            level: self.log.level,
            process: self.log.process.clone(),
            lost: self.log.lost,
            device: device.try_into().unwrap_or_default(),
        }
    }

    /// Who is in the foreground.
    pub fn foreground(&self) -> Option<&Name> {
        let client = self.clients.get(self.foreground?)?;
        Some(&client.name)
    }
}
