// SPDX-License-Identifier: BSD-2-Clause
//! What is in the `caps` and `irq maps` sections.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{CapDecl, CapEntry, IrqMapping, Slot};
use crate::language::lexer::TokenKind;
use crate::language::span::Spanned;

/// How the `caps` section is written.
const SECTION: &str = "the section is `caps { holder { slot: object (rights) … } … }`";
/// How a holder's capabilities are written.
const HOLDER: &str = "what an object holds is written `holder { slot: object (rights) … }`";
/// How a capability is written.
const CAP: &str = "a capability is written `slot: object (rights)`, a group of hostcalls `time`";
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
            if self.take('=') {
                self.slot_ref()?;
                decls.push(CapDecl::Name(holder.span.to(self.last_span())));
                continue;
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
        let parent = self.span();
        let parent = if self.take('-') {
            if !self.is_word("child_of") {
                return Err(self.expected("`child_of`", PARENT));
            }
            self.advance();
            if self.is_punctuation(0, '(') {
                self.slot_ref()?;
            } else {
                self.name_ref("the name of a capability", PARENT)?;
            }
            Some(parent.to(self.last_span()))
        } else {
            None
        };
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

    /// `(object, slot)`
    fn slot_ref(&mut self) -> Parsed<()> {
        self.expect('(', SLOT)?;
        self.name_ref("the name of an object", SLOT)?;
        self.expect(',', SLOT)?;
        match self.peek() {
            TokenKind::Name(_) | TokenKind::Number(_) => self.advance(),
            _ => return Err(self.expected("a slot", SLOT)),
        }
        self.expect(')', SLOT)?;
        Ok(())
    }

    /// `{ numbers and interrupts }`
    pub(super) fn irq_maps(&mut self) -> Parsed<Vec<IrqMapping>> {
        let opened = self.expect('{', IRQ_MAPS)?;
        let mut mappings = Vec::new();
        while let TokenKind::Name(_) | TokenKind::Number(_) = self.peek() {
            let number = match *self.peek() {
                TokenKind::Number(number) => {
                    let number = Spanned::new(number, self.span());
                    self.advance();
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
