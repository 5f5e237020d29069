// SPDX-License-Identifier: BSD-2-Clause
//! A line that is edited in one row of a terminal.
//!
//! The row shows the prompt, and of the line as much as fits, the cursor included. It is drawn anew from its begin
//! whenever something else than a character at its end changes: a terminal needs to know no more than how to go back to
//! the begin of a row, to clear it from the cursor on, and to go right.

use alloc::{string::String, vec::Vec};
use core::fmt::Write as _;

use crate::{
    buffer::{Buffer, width_of},
    history::History,
    keys::{Key, Keys},
};

/// Fewest columns that a row is taken to have.
const MIN_WIDTH: usize = 20;
/// Most columns.
const MAX_WIDTH: usize = 512;
/// Most candidates that are shown for a completion.
const MAX_SHOWN: usize = 256;

/// What comes of a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// It was edited, or nothing happened.
    Edited,
    /// It is done, and this is the line.
    Line(String),
    /// It was given up: Ctrl-C.
    Interrupt,
    /// There is nothing more to come: Ctrl-D in an empty line.
    End,
    /// What could come next is asked for: [`Editor::complete`] with the candidates for what is before the cursor,
    /// which is this. Asked again at once, they are shown.
    Complete {
        /// What is before the cursor.
        before: String,
        /// Whether it is asked again.
        again: bool,
    },
}

/// A search in the history.
#[derive(Clone, Debug)]
struct Search {
    what: String,
    /// The line that was found.
    at: Option<usize>,
    /// What was there before.
    line: String,
}

/// See the module.
#[derive(Clone, Debug)]
pub struct Editor {
    keys: Keys,
    prompt: String,
    width: usize,
    line: Buffer,
    history: History,
    /// Which line of the history it shows, and what was there before.
    recalled: Option<(usize, String)>,
    /// What was cut last.
    cut: String,
    search: Option<Search>,
    /// The first character of the line that is shown.
    first: usize,
    /// The last key asked for a completion.
    asked: bool,
    /// More is typed already, which will be drawn with this.
    held: bool,
    /// What is shown is not what is in the line.
    stale: bool,
}

impl Editor {
    /// An empty line with an empty history, for a terminal with so many columns.
    pub fn new(width: usize) -> Self {
        Self {
            keys: Keys::new(),
            prompt: String::new(),
            width: width.clamp(MIN_WIDTH, MAX_WIDTH),
            line: Buffer::default(),
            history: History::new(),
            recalled: None,
            cut: String::new(),
            search: None,
            first: 0,
            asked: false,
            held: false,
            stale: false,
        }
    }

    /// The terminal has so many columns from now on.
    pub fn set_width(&mut self, width: usize) {
        self.width = width.clamp(MIN_WIDTH, MAX_WIDTH);
    }

    /// The lines so far.
    pub const fn history(&self) -> &History {
        &self.history
    }

    /// What is in the line.
    pub fn text(&self) -> String {
        self.line.text()
    }

    /// Begins a line behind a prompt, which can be shown in one row. Shows both.
    pub fn begin(&mut self, prompt: &str, out: &mut String) {
        self.prompt = prompt.chars().filter(|char| width_of(*char) > 0).collect();
        self.line = Buffer::default();
        self.recalled = None;
        self.search = None;
        self.asked = false;
        self.draw(out);
    }

    /// Takes a byte that was typed. If `more` are there already, a character is not shown before those are: of what is
    /// pasted, each would else draw a row.
    pub fn push(&mut self, byte: u8, more: bool, out: &mut String) -> Step {
        let held = more && byte >= b' ' && byte != 0x7f;
        if self.stale && !held {
            self.draw(out);
        }
        let Some(key) = self.keys.push(byte) else {
            return Step::Edited;
        };
        self.held = held;
        let step = self.key(key, out);
        self.held = false;
        step
    }

    /// Takes a key.
    pub fn key(&mut self, key: Key, out: &mut String) -> Step {
        let asked = core::mem::take(&mut self.asked);
        if self.search.is_some()
            && let Some(step) = self.search_key(key, out)
        {
            return step;
        }
        match key {
            Key::Char(char) => return self.insert(char, out),
            Key::Enter => return self.enter(out),
            Key::Tab => {
                self.asked = true;
                return Step::Complete {
                    before: self.line.before().iter().collect(),
                    again: asked,
                };
            }
            Key::Ctrl('c') => {
                out.push_str("^C\r\n");
                self.line = Buffer::default();
                return Step::Interrupt;
            }
            Key::Ctrl('d') if self.line.is_empty() => {
                out.push_str("\r\n");
                return Step::End;
            }
            Key::Ctrl('l') => out.push_str("\x1b[H\x1b[2J"),
            Key::Ctrl('r') => {
                self.search = Some(Search {
                    what: String::new(),
                    at: None,
                    line: self.line.text(),
                });
            }
            Key::Up | Key::Ctrl('p') => self.recall_before(),
            Key::Down | Key::Ctrl('n') => self.recall_behind(),
            other => self.edit(other),
        }
        self.draw(out);
        Step::Edited
    }

    /// What only moves the cursor, or takes something out of the line.
    fn edit(&mut self, key: Key) {
        let line = &mut self.line;
        let (cursor, end) = (line.cursor(), line.end());
        match key {
            Key::Left | Key::Ctrl('b') => line.move_to(cursor.saturating_sub(1)),
            Key::Right | Key::Ctrl('f') => line.move_to(cursor + 1),
            Key::Home | Key::Ctrl('a') => line.move_to(0),
            Key::End | Key::Ctrl('e') => line.move_to(end),
            Key::WordLeft => line.move_to(line.word_before()),
            Key::WordRight => line.move_to(line.word_behind()),
            Key::Backspace => drop(line.cut(cursor.saturating_sub(1), cursor)),
            Key::Delete | Key::Ctrl('d') => drop(line.cut(cursor, cursor + 1)),
            Key::Ctrl('k') => self.cut = line.cut(cursor, end),
            Key::Ctrl('u') => self.cut = line.cut(0, cursor),
            Key::Ctrl('w') => self.cut = line.cut(line.word_before(), cursor),
            Key::DeleteWord => self.cut = line.cut(cursor, line.word_behind()),
            Key::Ctrl('y') => {
                for char in self.cut.chars() {
                    line.insert(char);
                }
            }
            _ => {}
        }
    }

    fn insert(&mut self, char: char, out: &mut String) -> Step {
        // As far as `draw` lets the cursor go: behind it there is room for a `^C`.
        let fits = self.used() + width_of(char) + 2 < self.width;
        if self.line.insert(char) {
            if self.line.is_at_end() && fits && !self.stale {
                out.push(char);
            } else {
                self.draw(out);
            }
        } else {
            // No room, or nothing to be shown.
            out.push('\x07');
        }
        Step::Edited
    }

    fn enter(&mut self, out: &mut String) -> Step {
        // The whole line is left on the screen as far as a row has room, from its begin.
        self.line.move_to(0);
        self.first = 0;
        self.draw(out);
        out.push_str("\r\n");
        let line = self.line.text();
        self.line = Buffer::default();
        self.recalled = None;
        self.history.add(&line);
        Step::Line(line)
    }

    // ---- History

    fn recall_before(&mut self) {
        let (at, kept) = match self.recalled.take() {
            Some((at, kept)) => (at, kept),
            None => (self.history.len(), self.line.text()),
        };
        match at.checked_sub(1).and_then(|at| self.history.get(at)) {
            Some(line) => {
                self.line.set(line);
                self.recalled = Some((at - 1, kept));
            }
            None => self.recalled = (at < self.history.len()).then_some((at, kept)),
        }
    }

    fn recall_behind(&mut self) {
        let Some((at, kept)) = self.recalled.take() else {
            return;
        };
        match self.history.get(at + 1) {
            Some(line) => {
                self.line.set(line);
                self.recalled = Some((at + 1, kept));
            }
            None => self.line.set(&kept),
        }
    }

    /// A key while something is searched. None: the search is over, and the key means what it does otherwise.
    fn search_key(&mut self, key: Key, out: &mut String) -> Option<Step> {
        let search = self.search.as_mut()?;
        let from = match key {
            Key::Char(char) if width_of(char) > 0 && search.what.chars().count() < self.width => {
                search.what.push(char);
                search.at.map_or(self.history.len(), |at| at + 1)
            }
            Key::Backspace => {
                search.what.pop();
                self.history.len()
            }
            Key::Ctrl('r') => search.at.unwrap_or(self.history.len()),
            Key::Ctrl('g') | Key::Ctrl('c') => {
                self.line.set(&search.line);
                self.search = None;
                self.draw(out);
                return Some(Step::Edited);
            }
            _ => {
                self.search = None;
                self.draw(out);
                return None;
            }
        };
        if search.what.is_empty() {
            search.at = None;
        } else if let Some(at) = self.history.find_before(from, &search.what) {
            search.at = Some(at);
        }
        if let Some(line) = search.at.and_then(|at| self.history.get(at)) {
            self.line.set(line);
        }
        self.draw(out);
        Some(Step::Edited)
    }

    // ---- Completion

    /// Completes what is before the cursor: its last `typed` characters are the begin of each of these candidates.
    /// What they have in common is put there. If that is nothing, and they are asked for `again`, they are shown;
    /// a single one is followed by a space unless it ends with a slash.
    pub fn complete(&mut self, typed: usize, candidates: &[String], again: bool, out: &mut String) {
        let common = common_begin(candidates);
        let added: Vec<char> = common.chars().skip(typed).collect();
        match candidates {
            [] => out.push('\x07'),
            [only] => {
                for char in added {
                    self.line.insert(char);
                }
                if !only.ends_with('/') {
                    self.line.insert(' ');
                }
                self.asked = false;
            }
            _ if !added.is_empty() => {
                for char in added {
                    self.line.insert(char);
                }
                self.asked = false;
            }
            several if again => self.show_candidates(several, out),
            _ => out.push('\x07'),
        }
        self.draw(out);
    }

    fn show_candidates(&self, candidates: &[String], out: &mut String) {
        out.push_str("\r\n");
        let columns = |text: &str| text.chars().map(width_of).sum::<usize>();
        let shown = candidates.get(..MAX_SHOWN).unwrap_or(candidates);
        let widest = shown.iter().map(|text| columns(text)).max().unwrap_or(0) + 2;
        let in_a_row = (self.width / widest.max(1)).max(1);
        for row in shown.chunks(in_a_row) {
            for (n, text) in row.iter().enumerate() {
                out.extend(text.chars().filter(|char| width_of(*char) > 0));
                if n + 1 < row.len() {
                    out.extend(core::iter::repeat_n(
                        ' ',
                        widest.saturating_sub(columns(text)),
                    ));
                }
            }
            out.push_str("\r\n");
        }
        if shown.len() < candidates.len() {
            let _ = write!(out, "and {} more\r\n", candidates.len() - shown.len());
        }
    }

    // ---- What is shown

    /// What stands before the line, no wider than half the row.
    fn shown_prompt(&self) -> String {
        let prompt = match &self.search {
            Some(search) => alloc::format!("(search) {}: ", search.what),
            None => self.prompt.clone(),
        };
        let mut room = self.width / 2;
        let chars = prompt.chars().rev().take_while(|char| {
            let width = width_of(*char);
            let fits = width <= room;
            room = room.saturating_sub(width);
            fits
        });
        let kept: Vec<char> = chars.collect();
        kept.into_iter().rev().collect()
    }

    /// Columns that are used up to the end of what is shown.
    fn used(&self) -> usize {
        let prompt: usize = self.shown_prompt().chars().map(width_of).sum();
        let line = self.line.chars().get(self.first..).unwrap_or_default();
        prompt + line.iter().copied().map(width_of).sum::<usize>()
    }

    /// Draws the row anew.
    pub fn draw(&mut self, out: &mut String) {
        self.stale = self.held;
        if self.stale {
            return;
        }
        let prompt = self.shown_prompt();
        let begin: usize = prompt.chars().map(width_of).sum();
        // The last column stays free: a terminal would go to the next row behind it.
        let room = self.width.saturating_sub(begin + 1).max(1);
        let (chars, cursor) = (self.line.chars(), self.line.cursor());
        let columns = |from: usize, to: usize| -> usize {
            let chars = chars.get(from..to).unwrap_or_default();
            chars.iter().copied().map(width_of).sum()
        };
        self.first = self.first.min(cursor);
        if columns(0, chars.len()) <= room {
            self.first = 0;
        }
        // With a column for what is at the cursor.
        while columns(self.first, cursor) > room.saturating_sub(2) && self.first < cursor {
            self.first += 1;
        }
        out.push('\r');
        out.push_str(&prompt);
        let mut used = 0;
        for char in chars.get(self.first..).unwrap_or_default() {
            used += width_of(*char);
            if used > room {
                break;
            }
            out.push(*char);
        }
        out.push_str("\x1b[K\r");
        let column = begin + columns(self.first, cursor);
        if column > 0 {
            // Writing to a string does not fail.
            let _ = write!(out, "\x1b[{column}C");
        }
    }
}

/// What all of these begin with.
fn common_begin(all: &[String]) -> &str {
    let Some((first, others)) = all.split_first() else {
        return "";
    };
    let mut len = first.len();
    for other in others {
        let same = first.char_indices().zip(other.chars());
        let differs = same.clone().find(|((_, a), b)| a != b);
        let end = match differs {
            Some(((at, _), _)) => at,
            None => other.len().min(first.len()),
        };
        len = len.min(end);
    }
    first.get(..len).unwrap_or_default()
}
