// SPDX-License-Identifier: BSD-2-Clause
//! The tokens of a text one by one, each with the comments before it.

use crate::language::lexer::{Lexed, Token, TokenKind};
use crate::language::span::Span;

/// A comment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Note<'a> {
    /// What is written, without blanks at its end.
    pub(super) text: &'a str,
    /// How many lines end between what is before it and the comment.
    pub(super) newlines: usize,
    /// Whether nothing can follow it on its line: `-- …`, or a comment of several lines.
    pub(super) hard: bool,
}

/// What is before a token.
#[derive(Debug)]
struct Gap<'a> {
    notes: Vec<Note<'a>>,
    /// How many lines end between the last comment, or the token before, and the token.
    newlines: usize,
}

/// The tokens, and how far they are printed.
pub(super) struct Source<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    /// What is before each.
    gaps: Vec<Gap<'a>>,
    /// For each token, how many bytes all tokens before it have.
    bytes: Vec<usize>,
    /// For each token, how many comments before it are hard.
    hard: Vec<usize>,
    place: Place<'a>,
}

/// How far the tokens are printed.
#[derive(Clone, Debug, Default)]
pub(super) struct Place<'a> {
    at: usize,
    /// Comments before tokens that were left out.
    carried: Vec<Note<'a>>,
    /// How many of the comments before the next token are printed.
    printed: usize,
}

impl<'a> Source<'a> {
    pub(super) fn new(text: &'a str, lexed: Lexed) -> Self {
        let Lexed {
            mut tokens,
            comments,
            ..
        } = lexed;
        // The end is behind what is last, which can be a comment.
        if let Some(end) = tokens.last_mut() {
            let start = text.len();
            end.span = Span { start, end: start };
        }
        let mut comments = comments.into_iter().peekable();
        let (mut gaps, mut bytes, mut hard) = (Vec::new(), Vec::new(), Vec::new());
        let (mut behind, mut all_bytes, mut all_hard) = (0, 0, 0);
        for token in &tokens {
            let mut notes = Vec::new();
            while let Some(comment) = comments.next_if(|c| c.span.start < token.span.start) {
                let start_of_text = behind == 0;
                let text_of_it = text[comment.span.range()].trim_end();
                let note = Note {
                    text: text_of_it,
                    newlines: newlines(&text[behind..comment.span.start])
                        + usize::from(start_of_text),
                    hard: !comment.block || text_of_it.contains('\n'),
                };
                behind = comment.span.end;
                all_hard += usize::from(note.hard);
                notes.push(note);
            }
            let newlines = newlines(&text[behind..token.span.start]);
            behind = token.span.end;
            gaps.push(Gap { notes, newlines });
            bytes.push(all_bytes);
            hard.push(all_hard);
            all_bytes += token.span.end - token.span.start;
        }
        Self {
            text,
            tokens,
            gaps,
            bytes,
            hard,
            place: Place::default(),
        }
    }

    /// How far the tokens are printed.
    pub(super) fn place(&self) -> Place<'a> {
        self.place.clone()
    }

    /// Prints again from there.
    pub(super) fn go_back(&mut self, place: Place<'a>) {
        self.place = place;
    }

    /// The next token.
    pub(super) fn peek(&self) -> &TokenKind {
        &self.tokens[self.place.at].kind
    }

    /// Whether the next token is this punctuation.
    pub(super) fn is(&self, wanted: char) -> bool {
        *self.peek() == TokenKind::Punctuation(wanted)
    }

    /// Whether nothing is between the token before and the next one.
    pub(super) fn touches(&self) -> bool {
        let before = self.tokens[self.place.at.saturating_sub(1)].span;
        before.end == self.tokens[self.place.at].span.start
    }

    /// The text of the next token.
    pub(super) fn peek_text(&self) -> &'a str {
        &self.text[self.tokens[self.place.at].span.range()]
    }

    /// Comments before the next token that are not printed yet.
    pub(super) fn notes(&self) -> impl Iterator<Item = Note<'a>> {
        let notes = &self.gaps[self.place.at].notes[self.place.printed..];
        self.place.carried.iter().chain(notes).copied()
    }

    /// How many lines end right before the next token.
    pub(super) fn newlines(&self) -> usize {
        self.gaps[self.place.at].newlines
    }

    /// Takes the first comments before the next token.
    pub(super) fn take_notes(&mut self, count: usize) -> Vec<Note<'a>> {
        let taken: Vec<_> = self.notes().take(count).collect();
        let carried = self.place.carried.len().min(taken.len());
        self.place.carried.drain(..carried);
        self.place.printed += taken.len() - carried;
        taken
    }

    /// Takes the comments that are on the line of the token before.
    pub(super) fn take_trailing(&mut self) -> Vec<Note<'a>> {
        let count = self.notes().take_while(|note| note.newlines == 0).count();
        self.take_notes(count)
    }

    /// Passes the next token, of which the comments have been taken.
    pub(super) fn advance(&mut self) -> &'a str {
        let text = self.peek_text();
        let at = (self.place.at + 1).min(self.tokens.len() - 1);
        self.place = Place {
            at,
            ..Place::default()
        };
        text
    }

    /// Leaves out the next token if it is this punctuation; its comments go to the token behind.
    pub(super) fn leave_out(&mut self, unwanted: char) {
        if self.is(unwanted) {
            let mut carried: Vec<_> = self.notes().collect();
            self.advance();
            // What follows a comment up to the end of its line is on another one.
            if carried.last().is_some_and(|note| note.hard)
                && let Some(mut next) = self.take_notes(1).pop()
            {
                next.newlines = next.newlines.max(1);
                carried.push(next);
            }
            self.place.carried = carried;
        }
    }

    /// How many tokens there are up to the punctuation that closes what the next token opens, and whether
    /// something before it can only be printed on several lines, or is too long for one of so many bytes.
    pub(super) fn must_break(&self, most_bytes: usize) -> bool {
        let mut depth = 0usize;
        let first = self.place.at;
        for (at, token) in self.tokens.iter().enumerate().skip(first) {
            match token.kind {
                TokenKind::Punctuation('{' | '(' | '[') => depth += 1,
                TokenKind::Punctuation('}' | ')' | ']') => depth = depth.saturating_sub(1),
                _ => {}
            }
            if self.hard[at] > self.hard[first] || self.bytes[at] - self.bytes[first] > most_bytes {
                return true;
            }
            if depth == 0 {
                break;
            }
        }
        false
    }

    /// Whether what the next token opens goes on in the next line; it is not when there is nothing in it.
    pub(super) fn opens_lines(&self) -> bool {
        let Some(gap) = self.gaps.get(self.place.at + 1) else {
            return false;
        };
        match gap.notes.first() {
            Some(note) => note.newlines > 0,
            None => {
                let closes = self.tokens[self.place.at + 1].kind == TokenKind::Punctuation('}');
                gap.newlines > 0 && !closes
            }
        }
    }
}

/// How many lines end in a text.
fn newlines(text: &str) -> usize {
    text.matches('\n').count()
}
