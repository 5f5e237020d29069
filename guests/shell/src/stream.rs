// SPDX-License-Identifier: BSD-2-Clause
//! Where a command's bytes come from, and where they go. Between two commands of a pipe that is a channel: who writes
//! faster than the other reads waits, and who writes for nobody is told.

use alloc::{rc::Rc, string::String, vec, vec::Vec};

use userland::{
    channel::{Channel, Config, Input, Lost, Output},
    fs::File,
    handle::Capability as _,
    shm::Region,
    task::spawn,
};

use crate::{
    failure::{Done, Failure},
    session::Session,
};

/// Bytes of a file that are read at once.
const PIECE: usize = 16 << 10;

/// Memory of a pipe. It goes back when both ends are dropped.
pub struct Pipe(Region);

impl Pipe {
    /// A pipe within this guest.
    pub fn make() -> Result<(Source, Sink), Failure> {
        let (pipe, channel) = Self::new()?;
        let input = Input::new(channel.clone(), "in")?;
        let output = Output::new(channel, "out")?;
        let source = Source::Pipe(Reading(Some(input), pipe.clone()));
        Ok((source, Sink::Pipe(Writing(Some(output), pipe))))
    }

    /// A pipe whose reader is somebody else.
    pub fn to_other() -> Result<(Rc<Self>, Sink), Failure> {
        let (pipe, channel) = Self::new()?;
        let output = Output::new(channel, "out")?;
        Ok((pipe.clone(), Sink::Pipe(Writing(Some(output), pipe))))
    }

    /// A pipe whose writer is somebody else.
    pub fn from_other() -> Result<(Rc<Self>, Source), Failure> {
        let (pipe, channel) = Self::new()?;
        let input = Input::new(channel, "in")?;
        Ok((pipe.clone(), Source::Pipe(Reading(Some(input), pipe))))
    }

    fn new() -> Result<(Rc<Self>, Channel), Failure> {
        let pipe = Rc::new(Self(Region::alloc(1)?));
        let channel = Channel::create(&pipe.0, &Config::pipe())?;
        Ok((pipe, channel))
    }

    /// The region, to be given to the other.
    pub const fn region(&self) -> &Region {
        &self.0
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        // Whether it can be closed or is gone already.
        let _ = Region::from_handle(self.0.handle()).close();
    }
}

/// The reading end of a pipe. When it goes, the writer is told.
pub struct Reading(
    Option<Input>,
    #[expect(dead_code, reason = "dropped behind the end")] Rc<Pipe>,
);

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(input) = self.0.take() {
            input.channel().terminate();
        }
    }
}

/// The writing end of a pipe. When it goes, the reader reads what is there, and that this is all.
pub struct Writing(
    Option<Output>,
    #[expect(dead_code, reason = "dropped behind the end")] Rc<Pipe>,
);

impl Drop for Writing {
    fn drop(&mut self) {
        if let Some(output) = self.0.take() {
            output.finish();
        }
    }
}

/// Where bytes come from.
pub enum Source {
    /// Nowhere.
    Nothing,
    /// What is typed, line by line.
    Keys(Rc<Session>),
    /// Another command.
    Pipe(Reading),
    /// A file, from this offset.
    File(File, u64),
}

impl Source {
    /// Waits for bytes, and adds them; answers whether there were any.
    pub async fn read(&mut self, bytes: &mut Vec<u8>) -> Result<bool, Failure> {
        match self {
            Self::Nothing => Ok(false),
            Self::Keys(session) => match session.read_line("").await {
                Some(line) => {
                    bytes.extend_from_slice(line.as_bytes());
                    bytes.push(b'\n');
                    Ok(true)
                }
                None => Ok(false),
            },
            Self::Pipe(Reading(input, _)) => {
                let Some(input) = input else {
                    return Ok(false);
                };
                match input.chunk().await {
                    Ok(Some(chunk)) => {
                        let (begin, len) = (bytes.len(), chunk.len());
                        bytes.resize(begin + len as usize, 0);
                        // There are as many.
                        let _ = chunk.read_at(0, bytes.get_mut(begin..).unwrap_or_default());
                        chunk.consume(len);
                        Ok(true)
                    }
                    // A writer that fails has said why.
                    Ok(None) | Err(Lost::Terminated | Lost::Gone) => Ok(false),
                    Err(lost) => Err(Failure::new(lost)),
                }
            }
            Self::File(file, at) => {
                let mut piece = vec![0; PIECE];
                let len = file.read_at(*at, &mut piece).await?;
                *at += len as u64;
                bytes.extend_from_slice(piece.get(..len).unwrap_or_default());
                Ok(len > 0)
            }
        }
    }
}

/// Where bytes go.
pub enum Sink {
    /// To the terminal.
    Screen(Rc<Session>),
    /// To the terminal, from what nobody waits for: line by line, above the line that is typed.
    Above(Above),
    /// To another command.
    Pipe(Writing),
    /// To a file, at this offset.
    File(File, u64),
}

impl Sink {
    /// Writes all of these bytes.
    pub async fn write(&mut self, bytes: &[u8]) -> Done {
        match self {
            Self::Screen(session) => session.show(bytes).await,
            Self::Above(above) => above.write(bytes).await,
            Self::Pipe(Writing(output, _)) => match output {
                Some(output) => Ok(output.write_all(bytes).await?),
                None => Err(Failure::Unread),
            },
            Self::File(file, at) => {
                file.write_at(*at, bytes).await?;
                *at += bytes.len() as u64;
                Ok(())
            }
        }
    }

    /// Writes text.
    pub async fn print(&mut self, text: &str) -> Done {
        self.write(text.as_bytes()).await
    }

    /// Writes a line.
    pub async fn line(&mut self, text: &str) -> Done {
        let line = alloc::format!("{text}\n");
        self.write(line.as_bytes()).await
    }
}

/// Lines for the terminal of somebody who may be typing.
pub struct Above {
    session: Rc<Session>,
    /// The begin of a line.
    rest: Vec<u8>,
}

impl Above {
    /// Nothing yet.
    pub const fn new(session: Rc<Session>) -> Self {
        let rest = Vec::new();
        Self { session, rest }
    }

    async fn write(&mut self, bytes: &[u8]) -> Done {
        self.rest.extend_from_slice(bytes);
        let end = self.rest.iter().rposition(|byte| *byte == b'\n');
        let whole = match end {
            Some(end) => end + 1,
            None if self.rest.len() < MAX_LINE => return Ok(()),
            None => self.rest.len(),
        };
        let lines: Vec<u8> = self.rest.drain(..whole).collect();
        self.session.show_above(&lines).await
    }
}

impl Drop for Above {
    fn drop(&mut self) {
        let rest = core::mem::take(&mut self.rest);
        if rest.is_empty() {
            return;
        }
        let session = self.session.clone();
        spawn(async move {
            // A terminal that is gone ends the session soon.
            let _ = session.show_above(&rest).await;
        });
    }
}

/// Lines of bytes that come in pieces. A line that is too long is cut.
#[derive(Default)]
pub struct Lines {
    bytes: Vec<u8>,
    taken: usize,
}

/// Longest line.
const MAX_LINE: usize = 64 << 10;

impl Lines {
    /// The next line of a source, without its end; none behind the last.
    pub async fn next(&mut self, source: &mut Source) -> Result<Option<String>, Failure> {
        loop {
            let rest = self.bytes.get(self.taken..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            if let Some(len) = end.or((rest.len() >= MAX_LINE).then_some(MAX_LINE)) {
                let line = rest.get(..len).unwrap_or_default();
                let line = String::from_utf8_lossy(line).into_owned();
                self.taken += len + usize::from(end.is_some());
                return Ok(Some(line));
            }
            self.bytes.drain(..self.taken);
            self.taken = 0;
            if !source.read(&mut self.bytes).await? {
                if self.bytes.is_empty() {
                    return Ok(None);
                }
                let line = String::from_utf8_lossy(&self.bytes).into_owned();
                self.bytes.clear();
                return Ok(Some(line));
            }
        }
    }
}
