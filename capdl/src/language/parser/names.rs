// SPDX-License-Identifier: BSD-2-Clause
//! Names of objects, arrays and their elements.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{NameRef, Range};
use crate::language::lexer::TokenKind;

/// How elements are written.
const ELEMENTS: &str = "elements of an array are written `a[2]`, `a[1..3]`, `a[0, 2]` or `a[]`";

impl Parser {
    /// `a/b[3]`
    pub(super) fn path(&mut self, form: &str) -> Parsed<Vec<NameRef>> {
        let mut path = vec![self.name_ref("a name", form)?];
        while self.take('/') {
            path.push(self.name_ref("a name", form)?);
        }
        Ok(path)
    }

    /// `name`, `name[]`, `name[1, 3..5, 7..]`
    pub(super) fn name_ref(&mut self, what: &str, form: &str) -> Parsed<NameRef> {
        let name = self.name(what, form)?;
        let mut span = name.span;
        let mut ranges = None;
        if self.is_punctuation(0, '[') {
            let opened = self.span();
            self.advance();
            let mut list = Vec::new();
            while !self.is_punctuation(0, ']') {
                list.push(self.range()?);
                if !self.take(',') {
                    break;
                }
            }
            span = span.to(self.close(']', opened, "`,`", ELEMENTS)?);
            ranges = Some(list);
        }
        Ok(NameRef { name, ranges, span })
    }

    /// `1`, `1..3`, `1..`, `..3`
    pub(super) fn range(&mut self) -> Parsed<Range> {
        let start = self.span();
        let number = |parser: &mut Self| match *parser.peek() {
            TokenKind::Number(number) => {
                parser.advance();
                Some(number)
            }
            _ => None,
        };
        let first = number(self);
        let last = if *self.peek() == TokenKind::Range {
            self.advance();
            number(self)
        } else if first.is_some() {
            first
        } else {
            return Err(self.expected("a number, a range or `]`", ELEMENTS));
        };
        let span = start.to(self.last_span());
        Ok(Range { first, last, span })
    }
}
