// SPDX-License-Identifier: BSD-2-Clause
//! What is in a `domains` section.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{DomainItem, Domains, Turn};
use crate::language::diagnostic::nearest;
use crate::language::lexer::TokenKind;
use crate::language::span::{Span, Spanned};

/// How the section is written.
const SECTION: &str = "the section is `domains { schedule: [(0, 10), …] }`";
/// What can be in it.
const ITEMS: [&str; 3] = ["schedule", "index_shift", "domain_set_start"];
/// How a schedule is written.
const SCHEDULE: &str = "a schedule is written `schedule: [(domain, duration), …]`";
/// How a turn is written.
const TURN: &str = "a turn of a domain is written `(0, 10)`, `(0, 10 ticks)` or `(0, 10 us)`";
/// How the shift is written.
const SHIFT: &str = "where the schedule goes is written `index_shift: 1`";
/// How the start is written.
const START: &str =
    "where it starts is written `domain_set_start: 0` or `domain_set_start: no_start`";

impl Parser {
    /// `{ items }`; `start` is where the section starts.
    pub(super) fn domains(&mut self, start: Span) -> Parsed<Domains> {
        let opened = self.expect('{', SECTION)?;
        let mut items = Vec::new();
        while let TokenKind::Name(keyword) = self.peek().clone() {
            if !ITEMS.contains(&&*keyword) {
                let help = "there are `schedule`, `index_shift` and `domain_set_start`";
                let error = self.expected("an entry of `domains`", help);
                return Err(error.suggest(nearest(&keyword, ITEMS)));
            }
            self.advance();
            items.push(match &*keyword {
                "schedule" => {
                    self.expect(':', SCHEDULE)?;
                    DomainItem::Schedule(self.schedule()?)
                }
                "index_shift" => {
                    self.expect(':', SHIFT)?;
                    DomainItem::IndexShift(self.number("a number", SHIFT)?)
                }
                _ => {
                    self.expect(':', START)?;
                    if self.is_word("no_start") {
                        self.advance();
                        DomainItem::SetStart(None)
                    } else {
                        let start = self.number("a number or `no_start`", START)?;
                        DomainItem::SetStart(Some(start))
                    }
                }
            });
        }
        let span = start.to(self.close('}', opened, "an entry of `domains`", SECTION)?);
        Ok(Domains { items, span })
    }

    /// `[turns]`
    fn schedule(&mut self) -> Parsed<Vec<Turn>> {
        let opened = self.expect('[', SCHEDULE)?;
        let mut turns = Vec::new();
        while self.is_punctuation(0, '(') {
            turns.push(self.turn()?);
            if !self.take(',') {
                break;
            }
        }
        let what = match (turns.is_empty(), self.is_behind(',')) {
            (true, _) | (_, true) => "a turn of a domain",
            _ => "`,`",
        };
        self.close(']', opened, what, SCHEDULE)?;
        Ok(turns)
    }

    /// `(domain, duration unit)`
    fn turn(&mut self) -> Parsed<Turn> {
        let opened = self.expect('(', TURN)?;
        let domain = self.number("the number of a domain", TURN)?;
        self.expect(',', TURN)?;
        let duration = self.number("a duration", TURN)?;
        let unit = match self.peek() {
            TokenKind::Name(name) if name == "ticks" || name == "us" => {
                let unit = Spanned::new(name.clone(), self.span());
                self.advance();
                Some(unit)
            }
            TokenKind::Name(_) => return Err(self.expected("`ticks`, `us` or `)`", TURN)),
            _ => None,
        };
        let span = opened.to(self.expect(')', TURN)?);
        Ok(Turn {
            domain,
            duration,
            unit,
            span,
        })
    }
}
