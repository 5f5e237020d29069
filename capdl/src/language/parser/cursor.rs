// SPDX-License-Identifier: BSD-2-Clause
//! The place in the text, and what is said when it is not as it should be.

use super::Parsed;
use crate::language::diagnostic::Diagnostic;
use crate::language::lexer::{Token, TokenKind};
use crate::language::span::{Span, Spanned};

/// Deepest nesting of braces, brackets and parentheses.
const MAX_DEPTH: usize = 32;

/// Tokens, and how far they are parsed.
pub(super) struct Parser {
    /// Ends with [`TokenKind::End`], which is never passed.
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    /// At the first of these tokens; the last is [`TokenKind::End`].
    pub(super) fn new(tokens: Vec<Token>) -> Self {
        Self {
            tokens,
            at: 0,
            depth: 0,
        }
    }

    fn look(&self, ahead: usize) -> &Token {
        &self.tokens[(self.at + ahead).min(self.tokens.len() - 1)]
    }

    /// The next token.
    pub(super) fn peek(&self) -> &TokenKind {
        &self.look(0).kind
    }

    /// Place of the next token.
    pub(super) fn span(&self) -> Span {
        self.look(0).span
    }

    /// Place of the token before.
    pub(super) fn last_span(&self) -> Span {
        self.tokens[self.at.saturating_sub(1)].span
    }

    /// Passes a token.
    pub(super) fn advance(&mut self) {
        self.at = (self.at + 1).min(self.tokens.len() - 1);
    }

    /// Whether the token that is so many behind the next one is this punctuation.
    pub(super) fn is_punctuation(&self, ahead: usize, wanted: char) -> bool {
        self.look(ahead).kind == TokenKind::Punctuation(wanted)
    }

    /// Whether the next token is this name.
    pub(super) fn is_word(&self, wanted: &str) -> bool {
        matches!(self.peek(), TokenKind::Name(name) if name == wanted)
    }

    /// Whether a number is next that starts a range.
    pub(super) fn is_range(&self) -> bool {
        self.look(1).kind == TokenKind::Range
    }

    /// Takes the punctuation if it is next.
    pub(super) fn take(&mut self, wanted: char) -> bool {
        let found = self.is_punctuation(0, wanted);
        if found {
            self.advance();
        }
        found
    }

    /// What is next is not what should be; `form` says how the part is written that it is in.
    pub(super) fn expected(&self, wanted: &str, form: &str) -> Diagnostic {
        let found = match self.peek() {
            TokenKind::Name(name) => format!("`{name}`"),
            TokenKind::Number(_) => "a number".into(),
            TokenKind::Text(_) => "a string".into(),
            TokenKind::Punctuation(c) => format!("`{c}`"),
            TokenKind::Range => "`..`".into(),
            TokenKind::End => "the end of the file".into(),
        };
        let message = format!("expected {wanted}, found {found}");
        Diagnostic::new(self.span(), message, form)
    }

    /// Takes punctuation that must be next.
    pub(super) fn expect(&mut self, wanted: char, form: &str) -> Parsed<Span> {
        let span = self.span();
        if self.take(wanted) {
            Ok(span)
        } else {
            Err(self.expected(&format!("`{wanted}`"), form))
        }
    }

    /// The end of something that was opened; the message for a missing end names the start.
    pub(super) fn close(
        &mut self,
        wanted: char,
        opened: Span,
        what: &str,
        form: &str,
    ) -> Parsed<Span> {
        let span = self.span();
        if self.take(wanted) {
            return Ok(span);
        }
        // Where braces end is seen by their indentation; parentheses and brackets are short.
        let show = wanted != '}' || *self.peek() == TokenKind::End;
        let error = self.expected(&format!("{what} or `{wanted}`"), form);
        Err(if show {
            error.other(opened, "opened here")
        } else {
            error
        })
    }

    /// Runs a parser one level deeper.
    pub(super) fn nested<T>(&mut self, parser: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        if self.depth == MAX_DEPTH {
            let message = format!("this is nested more than {MAX_DEPTH} levels deep");
            let help = "close some of the brackets before this one";
            return Err(Diagnostic::new(self.span(), message, help));
        }
        self.depth += 1;
        let parsed = parser(self);
        self.depth -= 1;
        parsed
    }

    /// Whether the token before the next one is this punctuation.
    pub(super) fn is_behind(&self, wanted: char) -> bool {
        self.tokens[self.at.saturating_sub(1)].kind == TokenKind::Punctuation(wanted)
    }

    /// A number that must be next; `what` it is.
    pub(super) fn number(&mut self, what: &str, form: &str) -> Parsed<Spanned<u64>> {
        let TokenKind::Number(number) = *self.peek() else {
            return Err(self.expected(what, form));
        };
        let number = Spanned::new(number, self.span());
        self.advance();
        Ok(number)
    }

    /// A name that must be next; `what` it is the name of.
    pub(super) fn name(&mut self, what: &str, form: &str) -> Parsed<Spanned<String>> {
        let TokenKind::Name(name) = self.peek() else {
            return Err(self.expected(what, form));
        };
        let name = Spanned::new(name.clone(), self.span());
        self.advance();
        Ok(name)
    }
}
