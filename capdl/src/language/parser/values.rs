// SPDX-License-Identifier: BSD-2-Clause
//! Parameters of objects and capabilities.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{NameRef, Param, ParamKind, Quantity, Value, ValueKind};
use crate::language::lexer::TokenKind;
use crate::language::span::Spanned;

/// How parameters are written.
const PARAMS: &str =
    "parameters are written `(64k, prio: 100)`: commas between, parentheses around";
/// What values there are.
const VALUE: &str =
    "values are numbers (`100`, `64k`), strings (`\"…\"`), names, and lists of them (`[a, b]`)";
/// How a record is written.
const RECORD: &str =
    "in braces are numbers, strings and names: `{0 4096 CDL_FrameFill_FileData \"file\" 0}`";
/// How a device on PCI is written.
const PCI: &str = "a device on PCI is written `bus:device.function`, as in `0:3.1`";
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
            if !self.take(',') {
                break;
            }
        }
        self.close(')', opened, "`,`", PARAMS)?;
        Ok(params)
    }

    fn param(&mut self) -> Parsed<Param> {
        let start = self.span();
        let kind = match self.peek().clone() {
            TokenKind::Number(number) => {
                self.advance();
                if self.is_punctuation(0, ':') {
                    self.pci(number)?
                } else {
                    let unit = match self.peek() {
                        TokenKind::Name(_) => Some(self.name("a unit", VALUE)?),
                        _ => None,
                    };
                    match unit {
                        Some(unit) if unit.value == "bits" => ParamKind::Bits(number),
                        unit => ParamKind::Quantity(Quantity { number, unit }),
                    }
                }
            }
            TokenKind::Name(_) if self.is_punctuation(1, ':') => {
                let name = self.name("a parameter", PARAMS)?;
                self.advance();
                let masked = (name.value == "masked").then(|| self.rights()).flatten();
                let value = match masked {
                    Some(name) => {
                        let (span, ranges) = (name.span, None);
                        let kind = ValueKind::Name(NameRef { name, ranges, span });
                        Value { kind, span }
                    }
                    None => self.value()?,
                };
                ParamKind::Named(name, value)
            }
            TokenKind::Name(flag) => match self.rights() {
                Some(rights) => ParamKind::Flag(rights.value),
                None => {
                    self.advance();
                    ParamKind::Flag(flag)
                }
            },
            _ => return Err(self.expected("a parameter", PARAMS)),
        };
        let span = start.to(self.last_span());
        Ok(Param { kind, span })
    }

    /// Letters for rights, written together or apart: to upstream's parser, `(R W)` is `(RW)`.
    fn rights(&mut self) -> Option<Spanned<String>> {
        let start = self.span();
        let mut rights = String::new();
        while let TokenKind::Name(name) = self.peek()
            && name.chars().all(|c| "RWGXP".contains(c))
        {
            rights.push_str(name);
            self.advance();
        }
        let span = start.to(self.last_span());
        (!rights.is_empty()).then(|| Spanned::new(rights, span))
    }

    /// What follows the bus in `0:3.1`.
    fn pci(&mut self, bus: u64) -> Parsed<ParamKind> {
        self.expect(':', PCI)?;
        let device = self.number("the number of a device", PCI)?.value;
        self.expect('.', PCI)?;
        let function = self.number("the number of a function", PCI)?.value;
        Ok(ParamKind::Pci([bus, device, function]))
    }

    fn value(&mut self) -> Parsed<Value> {
        let start = self.span();
        let kind = match self.peek().clone() {
            TokenKind::Number(_) if self.is_range() => ValueKind::Range(self.range()?),
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
                    ValueKind::Sum(name, self.number("a number", SUM)?)
                } else {
                    ValueKind::Name(name)
                }
            }
            TokenKind::Punctuation('[') => ValueKind::List(self.nested(|p| p.values(']', "`,`"))?),
            TokenKind::Punctuation('(') => ValueKind::Tuple(self.nested(|p| p.values(')', "`,`"))?),
            TokenKind::Punctuation('{') => ValueKind::Record(self.nested(Self::record)?),
            TokenKind::Range => ValueKind::Range(self.range()?),
            _ => return Err(self.expected("a value", VALUE)),
        };
        let span = start.to(self.last_span());
        Ok(Value { kind, span })
    }

    /// Values with commas between them.
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
            if !self.take(',') {
                break;
            }
        }
        self.close(end, opened, what, VALUE)?;
        Ok(values)
    }

    /// `{numbers strings names}`, with commas or without.
    fn record(&mut self) -> Parsed<Vec<Value>> {
        let opened = self.expect('{', RECORD)?;
        let mut values = Vec::new();
        loop {
            let start = self.span();
            let value = match self.peek() {
                TokenKind::Number(_) if self.is_range() => {
                    self.advance();
                    break;
                }
                TokenKind::Number(_) | TokenKind::Text(_) => self.value()?,
                TokenKind::Name(_) => {
                    let name = self.name("a name", RECORD)?;
                    let (span, ranges) = (start, None);
                    let kind = ValueKind::Name(NameRef { name, ranges, span });
                    Value { kind, span }
                }
                _ => break,
            };
            values.push(value);
            self.take(',');
        }
        self.close('}', opened, "a number, a string, a name", RECORD)?;
        Ok(values)
    }
}
