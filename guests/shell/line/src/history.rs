// SPDX-License-Identifier: BSD-2-Clause
//! The lines that were typed before.

use alloc::{collections::VecDeque, string::String};

/// Most lines that are kept.
pub const MAX_HISTORY: usize = 128;

/// Lines, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct History {
    lines: VecDeque<String>,
}

impl History {
    /// Without lines.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a line, unless it is blank or the last one again. The oldest goes when there are too many.
    pub fn add(&mut self, line: &str) {
        if line.trim().is_empty() || self.lines.back().is_some_and(|last| last == line) {
            return;
        }
        if self.lines.len() == MAX_HISTORY {
            self.lines.pop_front();
        }
        self.lines.push_back(line.into());
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.lines.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// The n-th.
    pub fn get(&self, n: usize) -> Option<&str> {
        self.lines.get(n).map(String::as_str)
    }

    /// The last line in front of the n-th that has this in it.
    pub fn find_before(&self, n: usize, what: &str) -> Option<usize> {
        (0..n.min(self.lines.len()))
            .rev()
            .find(|n| self.get(*n).is_some_and(|line| line.contains(what)))
    }

    /// All of them, the oldest first.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.lines.iter().map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn keeps_the_last_lines_and_no_line_twice_in_a_row() {
        let mut history = History::new();
        for line in ["ls", "ls", "  ", "", "ps", "ls"] {
            history.add(line);
        }
        assert!(history.iter().eq(["ls", "ps", "ls"]));
        for n in 0..2 * MAX_HISTORY {
            history.add(&format!("echo {n}"));
        }
        assert_eq!(history.len(), MAX_HISTORY);
        assert_eq!(history.get(0), Some(&*format!("echo {MAX_HISTORY}")));
    }

    #[test]
    fn searches_backwards() {
        let mut history = History::new();
        for line in ["cat one", "ls", "cat two"] {
            history.add(line);
        }
        assert_eq!(history.find_before(3, "cat"), Some(2));
        assert_eq!(history.find_before(2, "cat"), Some(0));
        assert_eq!(history.find_before(0, "cat"), None);
        assert_eq!(history.find_before(3, "mv"), None);
    }
}
