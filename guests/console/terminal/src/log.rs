// SPDX-License-Identifier: BSD-2-Clause
//! The lines of the log, as they are put together, chosen and shown.

use alloc::{format, vec::Vec};

use atoll_abi::{
    Level, Pid,
    message::{LogEntry, Name},
};
use console_row::Row;

use crate::plain;

/// Processes whose text for the console is not at the end of a line.
const MAX_WRITERS: usize = 8;
/// Longest line of the log; the server has no longer ones.
const MAX_LINE: usize = 4096;

/// The log.
#[derive(Debug)]
pub struct Log {
    /// The least urgent level that is shown.
    pub level: Option<Level>,
    /// Whose lines only.
    pub process: Option<Name>,
    colour: bool,
    /// The number of the last entry.
    last: u64,
    /// Entries that are missing.
    pub lost: u64,
    /// A line of which more comes.
    line: Vec<u8>,
    writers: Vec<Writer>,
}

/// A process that has written text for the console, and not to the end of the line.
#[derive(Debug)]
struct Writer {
    pid: Pid,
    name: Name,
    tail: Row,
    since: u64,
}

impl Log {
    pub const fn new(level: Option<Level>, colour: bool) -> Self {
        Self {
            level,
            process: None,
            colour,
            last: 0,
            lost: 0,
            line: Vec::new(),
            writers: Vec::new(),
        }
    }

    /// It goes on behind this entry.
    pub fn begin(&mut self, number: u64) {
        self.last = number;
    }

    fn is_shown(&self, level: Level, name: &Name) -> bool {
        let is_urgent = self.level.is_some_and(|least| level <= least);
        is_urgent && self.process.as_ref().is_none_or(|only| only == name)
    }

    /// Takes the next entry in; `show` shows a line.
    pub fn take(&mut self, entry: &LogEntry, now: u64, mut show: impl FnMut(&[u8])) {
        let missing = entry.number.saturating_sub(self.last).saturating_sub(1);
        self.last = entry.number;
        if missing > 0 {
            self.lost = self.lost.saturating_add(missing);
            self.line.clear();
            show(format!("-- {missing} lines of the log were lost --").as_bytes());
        }
        if self.line.len() < MAX_LINE {
            self.line.extend_from_slice(&entry.text);
        }
        if entry.has_more {
            return;
        }
        let text = core::mem::take(&mut self.line);
        match entry.level {
            Some(level) if self.is_shown(level, &entry.name) => {
                show(&self.format(entry, level, &text));
            }
            Some(_) => {}
            None => self.take_raw(entry, &text, now, &mut show),
        }
    }

    fn format(&self, entry: &LogEntry, level: Level, text: &[u8]) -> Vec<u8> {
        let micros = entry.time / 1000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let mark = match level {
            _ if !entry.is_first => "",
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info => "",
            Level::Debug => "debug: ",
        };
        let colour = match level {
            _ if !self.colour => "",
            Level::Error => "\x1b[31m",
            Level::Warn => "\x1b[33m",
            Level::Info => "",
            Level::Debug => "\x1b[2m",
        };
        let mut line = format!("[{seconds:5}.{micros:06}] ").into_bytes();
        push_name(&mut line, &entry.name, self.colour);
        line.extend_from_slice(colour.as_bytes());
        line.extend_from_slice(mark.as_bytes());
        plain::push(&mut line, text);
        if !colour.is_empty() {
            line.extend_from_slice(b"\x1b[0m");
        }
        line
    }

    /// Text for the console is shown line by line, as what clients in the background write.
    fn take_raw(&mut self, entry: &LogEntry, text: &[u8], now: u64, show: &mut impl FnMut(&[u8])) {
        let place = match self.writers.iter().position(|it| it.pid == entry.pid) {
            Some(place) => place,
            None => {
                if self.writers.len() == MAX_WRITERS {
                    let oldest = self.writers.remove(0);
                    show_part(&oldest, self.colour, show);
                }
                self.writers.push(Writer {
                    pid: entry.pid,
                    name: entry.name.clone(),
                    tail: Row::default(),
                    since: now,
                });
                self.writers.len() - 1
            }
        };
        let Some(writer) = self.writers.get_mut(place) else {
            return;
        };
        for byte in text {
            if let Some(line) = writer.tail.push_line(*byte) {
                show(&under(&writer.name, &line, self.colour));
            }
        }
        writer.since = now;
        if writer.tail.is_empty() {
            self.writers.remove(place);
        }
    }

    /// Shows what has been unfinished since then.
    pub fn flush(&mut self, since: u64, mut show: impl FnMut(&[u8])) {
        let colour = self.colour;
        self.writers.retain(|writer| {
            let waits = writer.since > since;
            if !waits {
                show_part(writer, colour, &mut show);
            }
            waits
        });
    }

    /// Since when the oldest is unfinished.
    pub fn unfinished_since(&self) -> Option<u64> {
        self.writers.iter().map(|writer| writer.since).min()
    }
}

fn show_part(writer: &Writer, colour: bool, show: &mut impl FnMut(&[u8])) {
    show(&under(&writer.name, writer.tail.bytes(), colour));
}

/// A line under a name.
pub fn under(name: &str, text: &[u8], colour: bool) -> Vec<u8> {
    let mut line = Vec::new();
    push_name(&mut line, name, colour);
    plain::push(&mut line, text);
    line
}

fn push_name(line: &mut Vec<u8>, name: &str, colour: bool) {
    let (before, behind) = if colour {
        ("\x1b[1m", "\x1b[0m")
    } else {
        ("", "")
    };
    line.extend_from_slice(before.as_bytes());
    plain::push(line, name.as_bytes());
    line.extend_from_slice(behind.as_bytes());
    line.extend_from_slice(b": ");
}
