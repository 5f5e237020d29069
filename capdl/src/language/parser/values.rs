// SPDX-License-Identifier: BSD-2-Clause
//! Parameters of objects and capabilities.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{Param, ParamKind, Quantity, Value, ValueKind};
use crate::language::lexer::TokenKind;
use crate::language::span::Spanned;

/// How parameters are written.
const PARAMS: &str =
    "parameters are written `(64k, prio: 100)`: commas between, parentheses around";
/// What values there are.
const VALUE: &str =
    "values are numbers (`100`, `64k`), strings (`\"…\"`), names, and lists of them (`[a, b]`)";
/// How a place in an object is written.
const SUM: &str = "a place in an object is written `name + 0x200`";

impl Parser {
    /// `(a, b: c)`, or nothing.
    pub(super) fn params(&mut self) -> Parsed<Vec<Param>> {
        let opened = self.span();
        let mut params = Vec::new();
        if !self.take('(') {
            return Ok(params);
        }
        while !self.is_punctuation(0, ')') {
            params.push(self.param()?);
            // Rights are single words to capDL's own parser: `(R W)` is `(RW)`.
            while self.is_rights() {
                params.push(self.param()?);
            }
            if !self.take(',') {
                break;
            }
        }
        self.close(')', opened, "`,`", PARAMS)?;
        Ok(params)
    }

    fn is_rights(&self) -> bool {
        matches!(self.peek(), TokenKind::Name(name) if name.chars().all(|c| "RWGXP".contains(c)))
    }

    fn param(&mut self) -> Parsed<Param> {
        let start = self.span();
        let kind = match self.peek().clone() {
            TokenKind::Number(number) => {
                self.advance();
                let unit = match self.peek() {
                    TokenKind::Name(_) => Some(self.name("a unit", VALUE)?),
                    _ => None,
                };
                match unit {
                    Some(unit) if unit.value == "bits" => ParamKind::Bits(number),
                    unit => ParamKind::Quantity(Quantity { number, unit }),
                }
            }
            TokenKind::Name(name) => {
                let name = Spanned::new(name, start);
                self.advance();
                if self.take(':') {
                    ParamKind::Named(name, self.value()?)
                } else {
                    ParamKind::Flag(name.value)
                }
            }
            _ => return Err(self.expected("a parameter", PARAMS)),
        };
        let span = start.to(self.last_span());
        Ok(Param { kind, span })
    }

    fn value(&mut self) -> Parsed<Value> {
        let start = self.span();
        let kind = match self.peek().clone() {
            TokenKind::Number(number) => {
                self.advance();
                // A unit follows its number at once; in a record, words follow numbers.
                let touches = self.span().start == start.end;
                let unit = match self.peek() {
                    TokenKind::Name(_) if touches => Some(self.name("a unit", VALUE)?),
                    _ => None,
                };
                ValueKind::Quantity(Quantity { number, unit })
            }
            TokenKind::Text(text) => {
                self.advance();
                ValueKind::Text(text)
            }
            TokenKind::Name(_) => {
                let name = self.name_ref("a value", VALUE)?;
                if self.take('+') {
                    ValueKind::Sum(name, self.summand()?)
                } else {
                    ValueKind::Name(name)
                }
            }
            TokenKind::Punctuation('[') => ValueKind::List(self.nested(|p| p.values(']', "`,`"))?),
            TokenKind::Punctuation('(') => {
                self.nested(|p| p.values(')', "`,`"))?;
                ValueKind::Tuple
            }
            TokenKind::Punctuation('{') => {
                self.nested(|p| p.values('}', "a value"))?;
                ValueKind::Record
            }
            _ => return Err(self.expected("a value", VALUE)),
        };
        let span = start.to(self.last_span());
        Ok(Value { kind, span })
    }

    /// The number in `name + number`.
    fn summand(&mut self) -> Parsed<Spanned<u64>> {
        match *self.peek() {
            TokenKind::Number(number) => {
                let number = Spanned::new(number, self.span());
                self.advance();
                Ok(number)
            }
            _ => Err(self.expected("a number", SUM)),
        }
    }

    /// Values with commas between them, in a record also without.
    fn values(&mut self, end: char, what: &str) -> Parsed<Vec<Value>> {
        let opened = self.span();
        self.advance();
        let mut values = Vec::new();
        while !self.is_punctuation(0, end) {
            let stuck = matches!(
                self.peek(),
                TokenKind::End | TokenKind::Punctuation(')' | ']' | '}')
            );
            if stuck {
                break;
            }
            values.push(self.value()?);
            if !self.take(',') && end != '}' {
                break;
            }
        }
        self.close(end, opened, what, VALUE)?;
        Ok(values)
    }
}
