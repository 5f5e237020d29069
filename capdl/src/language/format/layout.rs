// SPDX-License-Identifier: BSD-2-Clause
//! Things below each other: which start at the same columns, and the comments between them.

use super::inline::{Inline, Lines};
use super::source::Note;

/// How much further what is in braces starts.
const INDENT: usize = 2;

/// How many columns something has at most that what is beside it is moved for.
const LONGEST_HEAD: usize = 32;

/// Comments on one line.
#[derive(Debug)]
pub(super) struct NoteLine<'a> {
    pub(super) notes: Vec<Note<'a>>,
    /// Whether a blank line is before it.
    pub(super) blank: bool,
}

/// Something on lines of its own.
#[derive(Debug)]
pub(super) struct Item<'a> {
    /// The comments above it.
    pub(super) above: Vec<NoteLine<'a>>,
    /// Whether a blank line is between those, or the item above, and it.
    pub(super) blank: bool,
    /// What is before the column that it has in common with its neighbours.
    pub(super) head: Option<Inline<'a>>,
    /// The rest of it.
    pub(super) rest: Inline<'a>,
    /// What is in braces at its end, if that is on lines of its own.
    pub(super) block: Option<Block<'a>>,
    /// Comments on its last line.
    pub(super) behind: Vec<Note<'a>>,
}

/// What is in braces, on lines of its own.
#[derive(Debug)]
pub(super) struct Block<'a> {
    /// Comments on the line of the opening brace.
    pub(super) behind: Vec<Note<'a>>,
    pub(super) items: Vec<Item<'a>>,
    /// Comments between the last item and the closing brace.
    pub(super) below: Vec<NoteLine<'a>>,
}

impl<'a> Item<'a> {
    pub(super) fn new() -> Self {
        Self {
            above: Vec::new(),
            blank: false,
            head: None,
            rest: Inline::new(),
            block: None,
            behind: Vec::new(),
        }
    }

    /// Whether a blank line is between what is above, and it or its comments.
    pub(super) fn blank_above(&mut self) -> &mut bool {
        match self.above.first_mut() {
            Some(line) => &mut line.blank,
            None => &mut self.blank,
        }
    }

    /// Whether a blank line is above it and its comments.
    fn starts_run(&self) -> bool {
        self.above.first().map_or(self.blank, |line| line.blank) || self.blank
    }
}

/// Prints items.
pub(super) fn print(items: &[Item<'_>], out: &mut Lines, indent: usize) {
    let mut first = 0;
    while first < items.len() {
        // Items that are no blank line apart have columns in common, but none with those that go on in braces.
        let alone = items[first].block.is_some();
        let more = items[first + 1..].iter();
        let more = more.take_while(|item| !alone && !item.starts_run() && item.block.is_none());
        let behind = first + 1 + more.count();
        run(&items[first..behind], out, indent);
        first = behind;
    }
}

/// Prints items that have columns in common.
fn run(items: &[Item<'_>], out: &mut Lines, indent: usize) {
    let heads = items.iter().filter_map(|item| item.head.as_ref());
    let columns = heads.map(Inline::columns);
    let head_columns = columns.filter(|&c| c <= LONGEST_HEAD).max().unwrap_or(0);
    // Where comments behind items start is known when all of them are there.
    let bodies: Vec<_> = items
        .iter()
        .map(|item| {
            let mut body = Lines::default();
            body.spaces(indent);
            if let Some(head) = &item.head {
                head.print(&mut body, indent);
                body.spaces(1 + head_columns.saturating_sub(head.columns()));
            }
            item.rest.print(&mut body, indent);
            body
        })
        .collect();
    let noted = items.iter().zip(&bodies).filter(|(item, body)| {
        !item.behind.is_empty() && item.block.is_none() && !body.are_several()
    });
    let note_column = noted.map(|(_, body)| body.column() + 2).max();
    for (item, body) in items.iter().zip(bodies) {
        note_lines(&item.above, out, indent);
        if item.blank {
            out.blank_line();
        }
        let several_lines = body.are_several();
        let columns = body.column();
        out.append(body);
        if let Some(block) = &item.block {
            notes_behind(&block.behind, out, None);
            out.end_line();
            print(&block.items, out, indent + INDENT);
            note_lines(&block.below, out, indent + INDENT);
            out.spaces(indent);
            out.text("}");
            notes_behind(&item.behind, out, None);
        } else {
            let column = note_column.filter(|_| !several_lines);
            notes_behind(&item.behind, out, column.map(|column| column - columns));
        }
        out.end_line();
    }
}

/// Prints comments that are on lines of their own.
pub(super) fn note_lines(lines: &[NoteLine<'_>], out: &mut Lines, indent: usize) {
    for line in lines {
        if line.blank {
            out.blank_line();
        }
        out.spaces(indent);
        for note in &line.notes {
            out.note(note.text);
            out.spaces(1);
        }
        out.end_line();
    }
}

/// Prints comments behind something, so many columns behind.
fn notes_behind(notes: &[Note<'_>], out: &mut Lines, columns: Option<usize>) {
    let mut columns = columns.unwrap_or(2);
    for note in notes {
        out.spaces(columns);
        out.note(note.text);
        columns = 1;
    }
}
