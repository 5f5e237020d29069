// SPDX-License-Identifier: BSD-2-Clause
//! The log: the last lines that were said, and which of them are printed.
//!
//! A line takes as many *entries* as it has parts of [`LOG_BYTES`]; entries are numbered from 1 on, without gaps.
//! The log is bounded: the oldest line makes room for the newest. Who reads finds out by the numbers what he
//! has missed.
//!
//! Lines that are not printed yet are not to be lost because somebody says a lot. So processes wait until
//! there is room ([`Log::has_room`]): each may fill an eighth of the log with such lines, and all together half
//! of it; who has none there finds room until it is filled by three quarters. The rest is the server's own, which
//! waits for nobody.

use alloc::{boxed::Box, collections::VecDeque, vec};
use core::fmt::{self, Write as _};

use atoll_abi::{Level, Pid, message::LOG_BYTES};

/// Longest line, in bytes: what a guest says at once, each byte of which may have become a replacement character.
pub const MAX_LINE: usize = 3 * atoll_abi::MAX_TEXT as usize;

/// What a line takes beside its text, in the reckoning of shares.
const OVERHEAD: u32 = 64;
/// Shares that are reckoned; processes whose ids are the same modulo this have one together.
const SHARES: usize = 64;

/// What is known of a line beside its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Nanoseconds of the clock.
    pub time: u64,
    /// Who has said it; 0: the server.
    pub pid: Pid,
    /// How urgent it is; none: text for the console, as it is.
    pub level: Option<Level>,
    /// It begins a text of several lines, or is the only one.
    pub is_first: bool,
}

/// An entry: a line, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its number.
    pub number: u64,
    /// What is known of the line.
    pub head: Head,
    /// The name it was said under.
    pub name: &'a [u8],
    /// This part of the text.
    pub text: &'a [u8],
    /// The next entry has more of the line.
    pub has_more: bool,
}

/// A whole line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// What is known of it.
    pub head: Head,
    /// The name it was said under.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

impl fmt::Display for Line<'_> {
    /// As it is printed; text for the console as it is.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(level) = self.head.level else {
            return f.write_str(self.text);
        };
        let micros = self.head.time / 1000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let mark = if self.head.is_first { mark(level) } else { "" };
        let Self { name, text, .. } = self;
        write!(f, "[{seconds:5}.{micros:06}] {name}: {mark}{text}")
    }
}

/// What stands before the first line of a text.
const fn mark(level: Level) -> &'static str {
    match level {
        Level::Error => "error: ",
        Level::Warn => "warning: ",
        Level::Info => "",
        Level::Debug => "debug: ",
    }
}

/// A line, as it is kept.
#[derive(Clone, Copy, Debug)]
struct Record {
    head: Head,
    /// The number of its first entry.
    first: u64,
    /// Where its name is, with the text behind.
    start: u32,
    name: u16,
    text: u16,
}

impl Record {
    fn bytes(&self) -> usize {
        usize::from(self.name) + usize::from(self.text)
    }

    fn entries(&self) -> u64 {
        usize::from(self.text).div_ceil(LOG_BYTES).max(1) as u64
    }

    /// The number of its last entry.
    fn last(&self) -> u64 {
        self.first + self.entries() - 1
    }

    fn cost(&self) -> u32 {
        self.bytes() as u32 + OVERHEAD
    }
}

/// The log.
#[derive(Debug)]
pub struct Log {
    records: VecDeque<Record>,
    most_records: usize,
    /// Names and texts, each record's in one piece.
    bytes: Box<[u8]>,
    /// Where the next record's go, if they fit there.
    end: usize,
    /// Where a line is put together.
    line: Box<[u8]>,
    /// The number of the next entry.
    next: u64,
    /// All up to this one are printed.
    printed: u64,
    /// What lines that are not printed cost: all of them, and those of each process.
    waiting: u32,
    shares: [u32; SHARES],
}

impl Log {
    /// A log of so many bytes of text. Nothing is allocated from then on.
    pub fn new(bytes: usize) -> Self {
        let most_records = bytes / OVERHEAD as usize;
        Self {
            records: VecDeque::with_capacity(most_records),
            most_records,
            bytes: vec![0; bytes.max(2 * MAX_LINE)].into(),
            end: 0,
            line: vec![0; MAX_LINE].into(),
            next: 1,
            printed: 0,
            waiting: 0,
            shares: [0; SHARES],
        }
    }

    /// The number of the last entry; 0: there is none.
    pub const fn last(&self) -> u64 {
        self.next - 1
    }

    /// The number of the last entry that is printed.
    pub const fn printed(&self) -> u64 {
        self.printed
    }

    /// Whether a process may add a line, so that none is lost that is not printed.
    pub fn has_room(&self, pid: Pid) -> bool {
        let most = self.bytes.len() as u32;
        match self.shares.get(share(pid)).copied().unwrap_or_default() {
            0 => self.waiting < most / 4 * 3,
            own => own < most / 8 && self.waiting < most / 2,
        }
    }

    /// Adds a line; answers the number of its last entry. What does not fit [`MAX_LINE`] is cut.
    pub fn append(&mut self, head: Head, name: &str, text: fmt::Arguments<'_>) -> u64 {
        let mut staging = Staging {
            bytes: &mut self.line,
            len: 0,
        };
        // What does not fit is cut.
        let _ = staging.write_fmt(text);
        let text = staging.len;
        let name = name.as_bytes();
        // Names of processes have 32 bytes.
        let name = name.get(..name.len().min(64)).unwrap_or_default();
        let start = self.make_room(name.len() + text);
        let record = Record {
            head,
            first: self.next,
            start: start as u32,
            name: name.len() as u16,
            text: text as u16,
        };
        let parts = [name, self.line.get(..text).unwrap_or_default()];
        let mut at = start;
        for part in parts {
            if let Some(place) = self.bytes.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        }
        self.end = at.max(start + 1);
        self.next += record.entries();
        self.charge(&record);
        self.records.push_back(record);
        self.last()
    }

    /// A place for so many bytes in one piece, for which the oldest lines give way.
    fn make_room(&mut self, bytes: usize) -> usize {
        // Never none: then full and empty would look alike.
        let bytes = bytes.max(1);
        loop {
            let Some(oldest) = self.records.front() else {
                return 0;
            };
            let oldest = oldest.start as usize;
            if self.records.len() < self.most_records {
                if self.end <= oldest {
                    if self.end + bytes < oldest {
                        return self.end;
                    }
                } else if self.end + bytes <= self.bytes.len() {
                    return self.end;
                } else if bytes < oldest {
                    return 0;
                }
            }
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some(record) = self.records.pop_front()
            && record.last() > self.printed
        {
            self.discharge(&record);
        }
    }

    fn charge(&mut self, record: &Record) {
        self.waiting += record.cost();
        if let Some(share) = self.shares.get_mut(share(record.head.pid)) {
            *share += record.cost();
        }
    }

    fn discharge(&mut self, record: &Record) {
        self.waiting = self.waiting.saturating_sub(record.cost());
        if let Some(share) = self.shares.get_mut(share(record.head.pid)) {
            *share = share.saturating_sub(record.cost());
        }
    }

    /// Notes that all entries up to this one are printed. There may be none of this number.
    pub fn set_printed(&mut self, number: u64) {
        let number = number.min(self.last());
        if number <= self.printed {
            return;
        }
        let mut place = self.place_behind(self.printed);
        while let Some(record) = self.records.get(place).copied() {
            if record.last() > number {
                break;
            }
            self.discharge(&record);
            place += 1;
        }
        self.printed = number;
    }

    /// The place of the first line that has entries behind this number.
    fn place_behind(&self, number: u64) -> usize {
        self.records
            .partition_point(|record| record.last() <= number)
    }

    /// The first entry behind this number that is kept.
    pub fn after(&self, number: u64) -> Option<Entry<'_>> {
        let record = self.records.get(self.place_behind(number))?;
        let (name, text) = self.parts(record)?;
        let part = number.saturating_add(1).saturating_sub(record.first);
        let begin = part as usize * LOG_BYTES;
        let end = text.len().min(begin + LOG_BYTES);
        Some(Entry {
            number: record.first + part,
            head: record.head,
            name,
            text: text.get(begin..end)?,
            has_more: end < text.len(),
        })
    }

    fn parts(&self, record: &Record) -> Option<(&[u8], &[u8])> {
        let start = record.start as usize;
        let bytes = self.bytes.get(start..start + record.bytes())?;
        bytes.split_at_checked(record.name.into())
    }

    /// The first line that is not printed, if there is one, and the number of its last entry.
    pub fn first_waiting(&self) -> Option<(Line<'_>, u64)> {
        let record = self.records.get(self.place_behind(self.printed))?;
        let (name, text) = self.parts(record)?;
        let line = Line {
            head: record.head,
            // Both were text when they came in.
            name: str::from_utf8(name).unwrap_or_default(),
            text: str::from_utf8(text).unwrap_or_default(),
        };
        Some((line, record.last()))
    }
}

/// The share of a process.
const fn share(pid: Pid) -> usize {
    pid.0 as usize % SHARES
}

/// A line that is put together; what does not fit is cut between two characters.
struct Staging<'a> {
    bytes: &'a mut [u8],
    len: usize,
}

impl fmt::Write for Staging<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut cut = text.len().min(self.bytes.len() - self.len);
        while !text.is_char_boundary(cut) {
            cut -= 1;
        }
        let part = text.get(..cut).unwrap_or_default();
        if let Some(place) = self.bytes.get_mut(self.len..self.len + cut) {
            place.copy_from_slice(part.as_bytes());
            self.len += cut;
        }
        if cut == text.len() {
            Ok(())
        } else {
            Err(fmt::Error)
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests;
