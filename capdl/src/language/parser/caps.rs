// SPDX-License-Identifier: BSD-2-Clause
//! What is in the `caps` and `irq maps` sections.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{CapDecl, CapEntry, CapName, CapRef, IrqMapping, Parent, Place, Slot};
use crate::language::lexer::TokenKind;
use crate::language::span::Spanned;

/// How the `caps` section is written.
const SECTION: &str = "the section is `caps { holder { slot: object (rights) … } … }`";
/// How a holder's capabilities are written.
const HOLDER: &str = "what an object holds is written `holder { slot: object (rights) … }`";
/// How a capability is written.
const CAP: &str = "a capability is written `slot: object (rights)`, a group of hostcalls `time`";
/// How a capability is named.
const NAME: &str =
    "one capability is named `name = (object, slot)`, several `slot: name[] = objects[]`";
/// How the parent of a capability is written.
const PARENT: &str = "the parent of a capability is written `- child_of (object, slot)`";
/// How a slot of an object is written.
const SLOT: &str = "a slot of an object is written `(object, slot)`";
/// How the `irq maps` section is written.
const IRQ_MAPS: &str = "the section is `irq maps { 30: interrupt … }`";

impl Parser {
    /// `{ holders }`
    pub(super) fn caps(&mut self) -> Parsed<Vec<CapDecl>> {
        let opened = self.expect('{', SECTION)?;
        let mut decls = Vec::new();
        while let TokenKind::Name(_) = self.peek() {
            let holder = self.name_ref("a name", SECTION)?;
            if holder.ranges.is_none() && self.take('=') {
                let place = self.place()?;
                let span = holder.span.to(place.span);
                let name = holder.name;
                decls.push(CapDecl::Name(CapName { name, place, span }));
                continue;
            }
            if self.is_punctuation(0, '=') {
                return Err(self.expected("`{`", NAME));
            }
            let opened = self.span();
            if !self.take('{') {
                let error = self.expected("`{`", HOLDER);
                return Err(error.other(holder.span, "its capabilities go in braces"));
            }
            let mut entries = Vec::new();
            while matches!(
                self.peek(),
                TokenKind::Name(_) | TokenKind::Number(_) | TokenKind::Punctuation('<')
            ) {
                entries.push(self.cap()?);
                self.take(';');
            }
            self.close('}', opened, "a capability", HOLDER)?;
            decls.push(CapDecl::Holder(holder, entries));
        }
        self.close('}', opened, "the name of an object", SECTION)?;
        Ok(decls)
    }

    fn cap(&mut self) -> Parsed<CapEntry> {
        let start = self.span();
        let slot = match (self.peek().clone(), self.is_punctuation(1, ':')) {
            (TokenKind::Number(number), _) => Some(Slot::Number(number)),
            (TokenKind::Name(name), true) => Some(Slot::Name(name)),
            _ => None,
        };
        let slot = match slot {
            Some(slot) => {
                self.advance();
                self.expect(':', CAP)?;
                Some(Spanned::new(slot, start))
            }
            None => None,
        };

        let mut name = None;
        let mut copy = self.take('<');
        let mut target = self.name_ref("the name of an object", CAP)?;
        if !copy && self.take('=') {
            name = Some(target);
            copy = self.take('<');
            target = self.name_ref("the name of an object", CAP)?;
        }
        if copy {
            self.expect(
                '>',
                "a copy of a capability is written `slot: <name> (masked: R)`",
            )?;
        }
        let params = self.params()?;
        let parent = self.parent()?;
        Ok(CapEntry {
            slot,
            name,
            target,
            copy,
            params,
            parent,
            span: start.to(self.last_span()),
        })
    }

    /// `- child_of parent`, or nothing.
    fn parent(&mut self) -> Parsed<Option<Parent>> {
        let start = self.span();
        if !self.take('-') {
            return Ok(None);
        }
        if !self.is_word("child_of") {
            return Err(self.expected("`child_of`", PARENT));
        }
        self.advance();
        let of = self.cap_ref(PARENT)?;
        let span = start.to(of.span());
        Ok(Some(Parent { of, span }))
    }

    /// `(object, slot)` or `name`
    pub(super) fn cap_ref(&mut self, form: &str) -> Parsed<CapRef> {
        if self.is_punctuation(0, '(') {
            self.place().map(CapRef::Place)
        } else {
            self.name_ref("the name of a capability", form)
                .map(CapRef::Name)
        }
    }

    /// `(object, slot)`
    fn place(&mut self) -> Parsed<Place> {
        let opened = self.expect('(', SLOT)?;
        let owner = self.name_ref("the name of an object", SLOT)?;
        self.expect(',', SLOT)?;
        let slot = match self.peek().clone() {
            TokenKind::Name(name) => Slot::Name(name),
            TokenKind::Number(number) => Slot::Number(number),
            _ => return Err(self.expected("a slot", SLOT)),
        };
        let slot = Spanned::new(slot, self.span());
        self.advance();
        let span = opened.to(self.expect(')', SLOT)?);
        Ok(Place { owner, slot, span })
    }

    /// `{ numbers and interrupts }`
    pub(super) fn irq_maps(&mut self) -> Parsed<Vec<IrqMapping>> {
        let opened = self.expect('{', IRQ_MAPS)?;
        let mut mappings = Vec::new();
        while let TokenKind::Name(_) | TokenKind::Number(_) = self.peek() {
            let number = match *self.peek() {
                TokenKind::Number(_) => {
                    let number = self.number("a number", IRQ_MAPS)?;
                    self.expect(':', IRQ_MAPS)?;
                    Some(number)
                }
                _ => None,
            };
            let irq = self.name_ref("the name of an interrupt", IRQ_MAPS)?;
            mappings.push(IrqMapping { number, irq });
            self.take(';');
        }
        self.close('}', opened, "an interrupt", IRQ_MAPS)?;
        Ok(mappings)
    }
}
