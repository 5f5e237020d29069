// SPDX-License-Identifier: BSD-2-Clause
//! Something that goes on one line, or on several where it is too long.

use std::borrow::Cow;

use super::source::Note;

/// How many columns a line has.
pub(super) const WIDTH: usize = 100;
/// The last column that lines of something that was opened start at.
const LAST_HANGING: usize = 60;
/// How much further lines start that cannot hang.
const CONTINUED: usize = 4;

#[derive(Clone, Debug)]
enum Piece<'a> {
    Text(Cow<'a, str>),
    Space,
    /// So many spaces, or the end of a line.
    Soft {
        width: usize,
        /// Whether it ends the line as soon as what it is in does not fit on one.
        eager: bool,
    },
    /// Lines start at this column until the end.
    Open,
    Close,
    /// A comment behind which the line ends.
    Hard(Note<'a>),
}

/// What is between two texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Between {
    Nothing,
    Space,
    /// A space behind a comment.
    Glue,
    Soft {
        width: usize,
        eager: bool,
    },
}

/// Something that goes on one line, or on several where it is too long.
#[derive(Clone, Debug)]
pub(super) struct Inline<'a> {
    pieces: Vec<Piece<'a>>,
    between: Between,
}

impl<'a> Inline<'a> {
    pub(super) fn new() -> Self {
        Self {
            pieces: Vec::new(),
            between: Between::Nothing,
        }
    }

    /// Text.
    pub(super) fn text(&mut self, text: impl Into<Cow<'a, str>>) {
        self.flush();
        self.pieces.push(Piece::Text(text.into()));
    }

    /// A space before what follows.
    pub(super) fn space(&mut self) {
        self.between(Between::Space);
    }

    /// Spaces, or the end of a line, before what follows.
    pub(super) fn soft(&mut self, width: usize, eager: bool) {
        self.between(Between::Soft { width, eager });
    }

    /// Nothing before what follows.
    pub(super) fn tight(&mut self) {
        self.between = Between::Nothing;
    }

    fn between(&mut self, between: Between) {
        let behind_note = self.between == Between::Glue;
        if !behind_note && !matches!(self.pieces.last(), None | Some(Piece::Hard(_))) {
            self.between = between;
        }
    }

    fn flush(&mut self) {
        match self.between {
            Between::Nothing => {}
            Between::Space | Between::Glue => self.pieces.push(Piece::Space),
            Between::Soft { width, eager } => self.pieces.push(Piece::Soft { width, eager }),
        }
        self.between = Between::Nothing;
    }

    /// Lines start here from now on.
    pub(super) fn open(&mut self) {
        self.flush();
        self.pieces.push(Piece::Open);
    }

    /// Lines start where they did before.
    pub(super) fn close(&mut self) {
        self.pieces.push(Piece::Close);
    }

    /// A comment.
    pub(super) fn note(&mut self, note: Note<'a>) {
        if note.hard {
            self.between = Between::Nothing;
            self.pieces.push(Piece::Hard(note));
            return;
        }
        if self.between == Between::Nothing
            && matches!(self.pieces.last(), Some(Piece::Text(_) | Piece::Close))
        {
            self.between = Between::Space;
        }
        self.text(note.text);
        self.between = Between::Glue;
    }

    /// Whether something in it ends the line.
    pub(super) fn is_hard(&self) -> bool {
        self.pieces
            .iter()
            .any(|piece| matches!(piece, Piece::Hard(_)))
    }

    /// How many columns it has on one line; up to the first soft space that is not in something opened behind
    /// `from`. No more than is of interest is counted.
    fn reach(&self, from: usize) -> usize {
        let (mut columns, mut depth) = (0, 0isize);
        for piece in &self.pieces[from..] {
            match piece {
                Piece::Text(text) => columns += text.chars().count(),
                Piece::Space => columns += 1,
                Piece::Soft { .. } if depth <= 0 => break,
                Piece::Soft { width, .. } => columns += width,
                Piece::Open => depth += 1,
                Piece::Close => depth -= 1,
                Piece::Hard(_) => break,
            }
            if columns > WIDTH {
                break;
            }
        }
        columns
    }

    /// How many columns it has on one line.
    pub(super) fn columns(&self) -> usize {
        let columns = self.pieces.iter().map(|piece| match piece {
            Piece::Text(text) => text.chars().count(),
            Piece::Space => 1,
            Piece::Soft { width, .. } => *width,
            _ => 0,
        });
        columns.sum()
    }

    /// Puts another behind it.
    pub(super) fn append(&mut self, other: Self) {
        self.flush();
        self.pieces.extend(other.pieces);
        self.between = other.between;
    }

    /// Prints it behind what is on the last line; lines that do not hang start at `indent` and a bit.
    pub(super) fn print(&self, out: &mut Lines, indent: usize) {
        let mut groups = vec![(indent + CONTINUED, false)];
        for (at, piece) in self.pieces.iter().enumerate() {
            let &(hanging, broken) = groups.last().unwrap_or(&(indent, false));
            match piece {
                Piece::Text(text) => out.text(text),
                Piece::Space => out.spaces(1),
                Piece::Soft { width, eager } => {
                    let too_long = out.column + width + self.reach(at + 1) > WIDTH;
                    if (broken && *eager) || (too_long && out.column > hanging) {
                        out.end_line();
                        out.spaces(hanging);
                    } else {
                        out.spaces(*width);
                    }
                }
                Piece::Open => {
                    let column = out.column + out.spaces;
                    let broken = column + self.reach(at) > WIDTH;
                    let hanging = if column > LAST_HANGING {
                        indent + CONTINUED
                    } else {
                        column
                    };
                    groups.push((hanging, broken));
                }
                Piece::Close => {
                    if groups.len() > 1 {
                        groups.pop();
                    }
                }
                Piece::Hard(note) => {
                    if note.newlines > 0 {
                        out.end_line();
                        out.spaces(hanging);
                    } else {
                        out.behind();
                    }
                    out.note(note.text);
                    out.end_line();
                    out.spaces(hanging);
                }
            }
        }
    }
}

/// Lines while they are printed.
#[derive(Debug, Default)]
pub(super) struct Lines {
    text: String,
    /// How many characters are on the last line.
    column: usize,
    /// Spaces that come before what follows on the line.
    spaces: usize,
}

impl Lines {
    /// What is printed.
    pub(super) fn into_text(self) -> String {
        self.text
    }

    /// How many characters are on the last line.
    pub(super) fn column(&self) -> usize {
        self.column
    }

    /// Whether there are several lines.
    pub(super) fn are_several(&self) -> bool {
        self.text.contains('\n')
    }

    /// Lines that were printed for themselves.
    pub(super) fn append(&mut self, lines: Self) {
        self.text.push_str(&lines.text);
        (self.column, self.spaces) = (lines.column, lines.spaces);
    }

    /// Text without the end of a line.
    pub(super) fn text(&mut self, text: &str) {
        for _ in 0..self.spaces {
            self.text.push(' ');
        }
        self.text.push_str(text);
        self.column += self.spaces + text.chars().count();
        self.spaces = 0;
    }

    /// Spaces before what follows, if something does on this line.
    pub(super) fn spaces(&mut self, count: usize) {
        self.spaces += count;
    }

    /// Ends the line, if something is on it.
    pub(super) fn end_line(&mut self) {
        if self.column > 0 {
            self.text.push('\n');
        }
        self.column = 0;
        self.spaces = 0;
    }

    /// A line with nothing on it, unless it were the first.
    pub(super) fn blank_line(&mut self) {
        self.end_line();
        if !self.text.is_empty() {
            self.text.push('\n');
        }
    }

    /// Room before a comment behind something.
    pub(super) fn behind(&mut self) {
        if self.column > 0 {
            self.spaces = 2;
        }
    }

    /// A comment. Lines of it that start with a `*` are set below the first one's.
    pub(super) fn note(&mut self, text: &str) {
        let mut lines = text.lines().map(str::trim_end);
        let start = self.column + self.spaces;
        self.text(lines.next().unwrap_or_default());
        let starred = text
            .lines()
            .skip(1)
            .all(|line| line.trim_start().starts_with('*'));
        for line in lines {
            self.text.push('\n');
            self.column = 0;
            if starred {
                self.spaces(start + 1);
                self.text(line.trim_start());
            } else {
                self.text(line);
            }
        }
    }
}
