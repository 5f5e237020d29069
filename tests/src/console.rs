// SPDX-License-Identifier: BSD-2-Clause
//! What a machine prints on its serial line.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use thiserror::Error;

/// What the root task says last of a server that failed again and again; where there are tasks beside it, they
/// may run on.
const SERVER: &str = "root task: server ";
const IDLE: &str = " is not started again: ";

/// Why what was waited for did not come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum WaitError {
    /// The machine has ended, so nothing more will come.
    #[error("the machine ended before")]
    Ended,
    /// Nothing more will come of a machine that has nothing left to do.
    #[error("nothing runs any more")]
    Idle,
    /// The time is up.
    #[error("it did not come within {0:?}")]
    TimedOut(Duration),
}

/// All that a machine has printed so far.
#[derive(Debug, Default)]
pub struct Console {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    text: String,
    /// The start of a character whose rest has not come yet.
    partial: Vec<u8>,
    /// What QEMU said while the machine was in the midst of a line.
    remarks: String,
    ended: bool,
}

impl State {
    /// Puts QEMU's remarks where they tear no line.
    fn place_remarks(&mut self) {
        let between_lines = self.text.is_empty() || self.text.ends_with('\n');
        if between_lines || self.ended {
            let whole = if self.ended {
                self.remarks.len()
            } else {
                self.remarks.rfind('\n').map_or(0, |end| end + 1)
            };
            self.text.extend(self.remarks.drain(..whole));
        }
    }
}

impl Console {
    /// Takes what the machine printed.
    pub fn append(&self, bytes: &[u8]) {
        let mut state = self.lock();
        let bytes = [std::mem::take(&mut state.partial).as_slice(), bytes].concat();
        for chunk in bytes.utf8_chunks() {
            // The terminal's line ends are no part of the text.
            state
                .text
                .extend(chunk.valid().chars().filter(|&c| c != '\r'));
            let at_end = chunk.invalid().as_ptr_range().end == bytes.as_ptr_range().end;
            if at_end && str::from_utf8(chunk.invalid()).is_err_and(|e| e.error_len().is_none()) {
                state.partial = chunk.invalid().to_vec();
            } else if !chunk.invalid().is_empty() {
                state.text.push(char::REPLACEMENT_CHARACTER);
            }
        }
        state.place_remarks();
        drop(state);
        self.changed.notify_all();
    }

    /// Takes what QEMU says of itself: lines between those of the machine.
    pub fn remark(&self, bytes: &[u8]) {
        let mut state = self.lock();
        state.remarks.push_str(&String::from_utf8_lossy(bytes));
        state.place_remarks();
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing more comes from the machine.
    pub fn end(&self) {
        let mut state = self.lock();
        state.ended = true;
        state.place_remarks();
        drop(state);
        self.changed.notify_all();
    }

    /// A copy of the text.
    pub fn text(&self) -> String {
        self.lock().text.clone()
    }

    /// Waits until `look` finds something in the text, which begins with what was printed first.
    ///
    /// # Errors
    /// The machine ends, or the time is up, before.
    pub fn wait<T>(
        &self,
        limit: Duration,
        mut look: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, WaitError> {
        let deadline = Instant::now() + limit;
        let mut state = self.lock();
        loop {
            if let Some(found) = look(&state.text) {
                return Ok(found);
            }
            if state.ended {
                return Err(WaitError::Ended);
            }
            // A line counts when all of it is there: it may be what is looked for.
            let whole = state.text.rfind('\n').map_or("", |end| &state.text[..end]);
            let mut lines = whole.lines();
            if lines.any(|line| line.starts_with(SERVER) && line.contains(IDLE)) {
                return Err(WaitError::Idle);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(WaitError::TimedOut(limit));
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// A test that fails while it looks leaves the text whole.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Something failed.
    Error,
    /// Something may fail.
    Warning,
    /// Ordinary.
    Info,
    /// For those who look for a cause.
    Debug,
}

/// A line of the server's log: `[    0.123456] NAME: LEVEL: TEXT`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Time since power-on.
    pub time: Duration,
    /// Whose line it is.
    pub guest: &'a str,
    /// How much it matters; the further lines of an entry are [`Level::Info`].
    pub level: Level,
    /// The rest.
    pub text: &'a str,
}

impl<'a> Entry<'a> {
    /// The entry in a line, if there is one.
    pub fn parse(line: &'a str) -> Option<Self> {
        let (time, rest) = line.strip_prefix('[')?.split_once("] ")?;
        let (seconds, micros) = time.trim_start().split_once('.')?;
        let time = Duration::new(seconds.parse().ok()?, micros.parse::<u32>().ok()? * 1000);
        let (guest, text) = rest.split_once(": ")?;
        let levels = [
            ("error: ", Level::Error),
            ("warning: ", Level::Warning),
            ("debug: ", Level::Debug),
        ];
        let marked = levels
            .iter()
            .find_map(|(mark, level)| Some((*level, text.strip_prefix(mark)?)));
        let (level, text) = marked.unwrap_or((Level::Info, text));
        Some(Self {
            time,
            guest,
            level,
            text,
        })
    }
}

/// The log's entries in a text.
pub fn entries(text: &str) -> impl Iterator<Item = Entry<'_>> {
    text.lines().filter_map(Entry::parse)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_qemu_says_tears_no_line() {
        let console = Console::default();
        console.append(b"[    0.46867");
        console.remark(b"qemu: missing head");
        assert_eq!(console.text(), "[    0.46867");
        console.append(b"5] blk: ok\n");
        assert_eq!(console.text(), "[    0.468675] blk: ok\n");
        console.remark(b"ers\nqemu: and");
        assert_eq!(
            console.text(),
            "[    0.468675] blk: ok\nqemu: missing headers\n"
        );
        console.append(b"half");
        console.end();
        assert!(
            console.text().ends_with("halfqemu: and"),
            "{}",
            console.text()
        );
        console.remark(b" more");
        assert!(console.text().ends_with("qemu: and more"));
    }

    #[test]
    fn entries_are_told_apart_from_other_lines() {
        let text = "root task: default.cdl with 9 objects\n\
                    [    0.123456] ping: 3 of 4: ok\n\
                    [   12.000001] oob: error: failed: trap: out of bounds memory access\n\
                    [   12.000001] oob:     at oob!f (wasm offset 0x31)\n";
        let found: Vec<_> = entries(text).collect();
        assert_eq!(found.len(), 3);
        assert_eq!(
            found[0],
            Entry {
                time: Duration::from_micros(123_456),
                guest: "ping",
                level: Level::Info,
                text: "3 of 4: ok"
            }
        );
        assert_eq!(
            (found[1].time, found[1].level, found[1].text),
            (
                Duration::from_micros(12_000_001),
                Level::Error,
                "failed: trap: out of bounds memory access"
            )
        );
        assert_eq!(found[2].text, "    at oob!f (wasm offset 0x31)");
    }

    #[test]
    fn characters_may_come_in_pieces() {
        let console = Console::default();
        for byte in "aß→\r\n".bytes() {
            console.append(&[byte]);
        }
        console.append(b"\xff.");
        assert_eq!(console.text(), "aß→\n\u{fffd}.");
    }

    #[test]
    fn waiting_ends_with_the_machine_or_the_time() {
        let console = Console::default();
        console.append(b"one\n");
        let find = |what: &'static str| move |text: &str| text.find(what);
        let instant = Duration::from_millis(1);
        assert_eq!(console.wait(instant, find("one")), Ok(0));
        assert_eq!(
            console.wait(instant, find("two")),
            Err(WaitError::TimedOut(instant))
        );
        std::thread::scope(|scope| {
            scope.spawn(|| console.append(b"two\n"));
            assert_eq!(console.wait(Duration::from_secs(60), find("two")), Ok(4));
        });
        console.append(b"root task: server `s` is not started again: it failed 6 times\n");
        assert_eq!(console.wait(instant, find("two")), Ok(4));
        assert_eq!(
            console.wait(Duration::from_secs(60), find("three")),
            Err(WaitError::Idle)
        );
        console.end();
        assert_eq!(
            console.wait(Duration::from_secs(60), find("three")),
            Err(WaitError::Ended)
        );
    }
}
