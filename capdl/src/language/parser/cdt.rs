// SPDX-License-Identifier: BSD-2-Clause
//! What is in a `cdt` section.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{Cdt, Derivation};
use crate::language::lexer::TokenKind;
use crate::language::span::Span;

/// How the section is written.
const SECTION: &str = "the section is `cdt { (object, slot) { (object, slot) … } … }`";
/// How a tree is written.
const TREE: &str =
    "what derives from a capability is written `(object, slot) { (object, slot) … }`";

impl Parser {
    /// `{ trees }`; `start` is where the section starts.
    pub(super) fn cdt(&mut self, start: Span) -> Parsed<Cdt> {
        let opened = self.expect('{', SECTION)?;
        let mut trees = Vec::new();
        while self.is_cap_ref() {
            let cap = self.cap_ref(TREE)?;
            if !self.is_punctuation(0, '{') {
                return Err(self.expected("`{`", TREE));
            }
            let children = Some(self.nested(Self::children)?);
            trees.push(Derivation { cap, children });
            self.take(';');
        }
        let span = start.to(self.close('}', opened, "a capability", SECTION)?);
        Ok(Cdt { trees, span })
    }

    /// `{ capabilities, each perhaps with what derives from it }`
    fn children(&mut self) -> Parsed<Vec<Derivation>> {
        let opened = self.expect('{', TREE)?;
        let mut children = Vec::new();
        while self.is_cap_ref() {
            let cap = self.cap_ref(TREE)?;
            let children_of_it = if self.is_punctuation(0, '{') {
                Some(self.nested(Self::children)?)
            } else {
                None
            };
            children.push(Derivation {
                cap,
                children: children_of_it,
            });
            self.take(';');
        }
        self.close('}', opened, "a capability", TREE)?;
        Ok(children)
    }

    fn is_cap_ref(&self) -> bool {
        matches!(
            self.peek(),
            TokenKind::Name(_) | TokenKind::Punctuation('(')
        )
    }
}
