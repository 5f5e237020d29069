// SPDX-License-Identifier: BSD-2-Clause
//! What a channel is to do, as a list of frames. Numbers and positions do not wrap here.

use alloc::{collections::VecDeque, vec::Vec};

use super::*;

/// A number of frames, and a position.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct At {
    pub frame: u64,
    pub position: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// By this writer, of so many bytes.
    Reserved(usize),
    Committed(Vec<u8>),
    Void,
}

#[derive(Clone, Debug)]
struct Entry {
    start: u64,
    state: State,
}

/// What a writer or reader is known as; both stay in the list when they are gone.
#[derive(Clone, Debug)]
pub(super) struct Party {
    pub strong: bool,
    /// Has its slot.
    pub seated: bool,
    /// Its process lives, and it has not left.
    pub alive: bool,
    /// A writer: frames that are out.
    out: Vec<u64>,
    pub dropped: u32,
    /// A strong reader: the next frame.
    pub at: At,
    /// A reader that has seen that the channel is terminated.
    closed: bool,
}

/// What a strong reader is to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Next {
    Frame(Vec<u8>),
    Nothing,
    Closed,
}

#[derive(Clone)]
pub(super) struct Reference {
    config: Config,
    pub tail: At,
    /// The frames from a number on, which no strong reader needs before.
    first: u64,
    frames: VecDeque<Entry>,
    pub writers: Vec<Party>,
    pub readers: Vec<Party>,
    had_strong_writers: bool,
    pub drains: bool,
    pub terminated: bool,
    /// A pipe's reader, whoever it is.
    pipe_reader: At,
}

const ALIGN: u64 = 16;

fn span(len: u64) -> u64 {
    len.next_multiple_of(ALIGN)
}

impl Reference {
    pub fn new(config: Config, start: At) -> Self {
        Self {
            config,
            tail: start,
            first: start.frame,
            frames: VecDeque::new(),
            writers: Vec::new(),
            readers: Vec::new(),
            had_strong_writers: false,
            drains: false,
            terminated: false,
            pipe_reader: start,
        }
    }

    pub fn is_pipe(&self) -> bool {
        self.config.flags & atoll_abi::channel::FLAG_PIPE != 0
    }

    fn drops(&self) -> bool {
        self.config.flags & atoll_abi::channel::FLAG_DROP != 0
    }

    fn data(&self) -> u64 {
        u64::from(self.config.geometry.data)
    }

    fn entry(&self, frame: u64) -> Option<&Entry> {
        self.frames.get(frame.checked_sub(self.first)? as usize)
    }

    // ---- Who there is

    /// Takes a slot, of a dead one if no other is free.
    fn seat(parties: &mut Vec<Party>, slots: u32, strong: bool, at: At) -> bool {
        let is_full = |parties: &[Party]| {
            parties.iter().filter(|party| party.seated).count() == slots as usize
        };
        if is_full(parties) {
            bury(parties);
        }
        if is_full(parties) {
            return false;
        }
        parties.push(Party {
            strong,
            seated: true,
            alive: true,
            out: Vec::new(),
            dropped: 0,
            at,
            closed: false,
        });
        true
    }

    /// Whether there is room for one more writer; it is in the list then.
    pub fn add_writer(&mut self, strong: bool) -> bool {
        let slots = self.config.geometry.writers;
        let seated = Self::seat(&mut self.writers, slots, strong, At::default());
        self.had_strong_writers |= seated && strong;
        if seated && self.is_pipe() {
            // Behind what was committed.
            self.frames
                .retain(|entry| matches!(entry.state, State::Committed(_)));
            self.tail = self.pipe_reader;
            while let Some(entry) = self.entry(self.tail.frame) {
                let State::Committed(bytes) = &entry.state else {
                    break;
                };
                self.tail.position = entry.start + span(bytes.len() as u64);
                self.tail.frame += 1;
            }
        }
        seated
    }

    /// As [`Self::add_writer`], for a reader.
    pub fn add_reader(&mut self, strong: bool) -> bool {
        let slots = self.config.geometry.readers;
        let (strong, at) = if self.is_pipe() {
            (true, self.pipe_reader)
        } else {
            (strong, self.tail)
        };
        Self::seat(&mut self.readers, slots, strong, at)
    }

    /// A writer takes a look at those that are gone.
    pub fn bury(&mut self) {
        bury(&mut self.readers);
        bury(&mut self.writers);
    }

    /// A reader does.
    pub fn bury_writers(&mut self) {
        bury(&mut self.writers);
    }

    /// What nobody is about to commit is given up, of these frames.
    pub fn give_up(&mut self, which: impl Fn(u64) -> bool) {
        if self.is_pipe() {
            return;
        }
        for (frame, entry) in (self.first..).zip(&mut self.frames) {
            if let State::Reserved(writer) = entry.state
                && !self.writers[writer].seated
                && which(frame)
            {
                entry.state = State::Void;
            }
        }
    }

    pub fn has_reserved(&self) -> bool {
        let mut frames = self.frames.iter();
        frames.any(|entry| matches!(entry.state, State::Reserved(_)))
    }

    // ---- Writing

    /// How far the slowest strong reader is, or another writer with what it has reserved.
    fn head(&self, me: usize) -> At {
        if self.is_pipe() {
            return self.pipe_reader;
        }
        let readers = self.readers.iter();
        let strong = readers.filter(|reader| reader.seated && reader.strong);
        let strong = strong.map(|reader| reader.at);
        let frames = (self.first..).zip(&self.frames);
        let reserved = frames.filter_map(|(frame, entry)| match entry.state {
            State::Reserved(other) if other != me && self.writers[other].seated => Some(At {
                frame,
                position: entry.start,
            }),
            _ => None,
        });
        strong.chain(reserved).fold(self.tail, |head, at| At {
            frame: head.frame.min(at.frame),
            position: head.position.min(at.position),
        })
    }

    /// What becomes of a wish for room.
    pub fn reserve(&mut self, writer: usize, len: u64) -> Result<(), WriteError> {
        self.try_reserve(writer, len, true)
    }

    fn try_reserve(&mut self, writer: usize, len: u64, is_first: bool) -> Result<(), WriteError> {
        if len > self.data() / 2 {
            return Err(WriteError::TooLong);
        }
        if self.drains || self.terminated {
            return Err(WriteError::Closed);
        }
        let head = self.head(writer);
        let start = if len > self.data() - self.tail.position % self.data() {
            self.tail.position.next_multiple_of(self.data())
        } else {
            self.tail.position
        };
        let credits = self.config.credits.min(self.config.geometry.frames) as usize;
        let room = u64::from(self.config.geometry.frames);
        let (is_pipe, data) = (self.is_pipe(), self.data());
        let out = &mut self.writers[writer].out;
        out.retain(|frame| *frame >= head.frame);
        let fits = self.tail.frame < head.frame + room
            && start + len <= head.position + data
            && (is_pipe || credits == 0 || out.len() < credits);
        if !fits {
            if self.drops() && is_first {
                self.bury();
                return self.try_reserve(writer, len, false);
            }
            if self.drops() {
                self.writers[writer].dropped += 1;
                return Err(WriteError::Dropped);
            }
            return Err(WriteError::Full);
        }
        out.push(self.tail.frame);
        self.frames.push_back(Entry {
            start,
            state: State::Reserved(writer),
        });
        // In a pipe both are taken when the frame is committed.
        if !is_pipe {
            self.tail = At {
                frame: self.tail.frame + 1,
                position: start + span(len),
            };
        }
        Ok(())
    }

    /// The frame that a writer has reserved.
    fn reserved(&self, writer: usize) -> Option<u64> {
        let at = self
            .frames
            .iter()
            .position(|entry| entry.state == State::Reserved(writer))?;
        Some(self.first + at as u64)
    }

    /// It is committed, or given up. In a pipe it may lie behind what was given up before: from here on.
    pub fn stamp(&mut self, writer: usize, bytes: Option<Vec<u8>>, position: u32) {
        let Some(frame) = self.reserved(writer) else {
            return;
        };
        let at = (frame - self.first) as usize;
        if !self.is_pipe() {
            self.frames[at].state = bytes.map_or(State::Void, State::Committed);
        } else if let Some(bytes) = bytes {
            let skipped = position.wrapping_sub(self.tail.position as u32);
            let start = self.tail.position + u64::from(skipped);
            let end = start + span(bytes.len() as u64);
            assert!(
                end <= self.pipe_reader.position + self.data(),
                "over what is not released"
            );
            self.tail.frame += 1;
            self.tail.position = end;
            self.frames[at] = Entry {
                start,
                state: State::Committed(bytes),
            };
        } else {
            self.frames.pop_back();
        }
    }

    /// A writer dies over its reservation.
    pub fn abandon(&mut self, writer: usize) {
        if self.is_pipe() {
            self.stamp(writer, None, 0);
        }
    }

    // ---- Reading, of those that are strong

    /// What is next, and goes on behind what was given up.
    pub fn next(&mut self, reader: usize) -> Next {
        loop {
            let at = self.readers[reader].at;
            let entry = self.entry(at.frame).map(|entry| entry.state.clone());
            let closed = self.readers[reader].closed;
            match entry {
                Some(State::Committed(bytes)) if !closed => return Next::Frame(bytes),
                _ if self.terminated => return Next::Closed,
                Some(State::Void) => {
                    self.readers[reader].at.frame += 1;
                    self.settle(reader);
                }
                Some(State::Reserved(_)) if !self.is_pipe() => return Next::Nothing,
                _ if self.drains || self.is_abandoned() => return Next::Closed,
                _ => return Next::Nothing,
            }
        }
    }

    /// The frame that was next is released.
    pub fn release(&mut self, reader: usize) {
        let at = self.readers[reader].at.frame;
        let Some(entry) = self.entry(at) else { return };
        let State::Committed(bytes) = &entry.state else {
            return;
        };
        let position = entry.start + span(bytes.len() as u64);
        self.readers[reader].at = At {
            frame: at + 1,
            position,
        };
        self.settle(reader);
    }

    fn settle(&mut self, reader: usize) {
        let tail = self.tail;
        let terminated = self.terminated;
        let is_pipe = self.is_pipe();
        let reader = &mut self.readers[reader];
        if !is_pipe && reader.strong && reader.at.frame == tail.frame {
            reader.at = tail;
        }
        reader.closed |= terminated;
        if is_pipe {
            self.pipe_reader = reader.at;
        }
    }

    pub fn is_abandoned(&self) -> bool {
        let mut writers = self.writers.iter();
        self.had_strong_writers && !writers.any(|writer| writer.seated && writer.strong)
    }

    /// Whether a committed frame has these bytes, and a number from this one on: the first such number.
    pub fn find(&self, from: u64, bytes: &[u8]) -> Option<u64> {
        let skipped = from.saturating_sub(self.first);
        let mut frames = self.frames.iter().skip(skipped as usize);
        let at =
            frames.position(|entry| matches!(&entry.state, State::Committed(b) if b == bytes))?;
        Some(self.first.max(from) + at as u64)
    }

    pub fn voids(&self) -> u64 {
        self.frames
            .iter()
            .filter(|entry| entry.state == State::Void)
            .count() as u64
    }
}

/// The dead leave their slots.
fn bury(parties: &mut [Party]) {
    for party in parties {
        party.seated &= party.alive;
    }
}
