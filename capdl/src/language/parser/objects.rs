// SPDX-License-Identifier: BSD-2-Clause
//! What is in an `objects` section.

use super::Parsed;
use super::cursor::Parser;
use crate::language::ast::{Covered, Covers, NameRef, ObjectDecl};
use crate::language::lexer::TokenKind;

/// How an object is written.
const OBJECT: &str = "an object is written `name = type (parameters)`";
/// How the section is written.
const SECTION: &str = "the section is `objects { name = type (parameters) … }`";
/// How objects inside an untyped are written.
const COVERED: &str = "what an untyped covers is written `{ name = type (parameters) … }`";

impl Parser {
    /// `{ objects }`
    pub(super) fn objects(&mut self) -> Parsed<Vec<ObjectDecl>> {
        let opened = self.expect('{', SECTION)?;
        let mut objects = Vec::new();
        while let TokenKind::Name(_) = self.peek() {
            let path = self.path(OBJECT)?;
            objects.push(self.object(path)?);
            self.take(',');
        }
        if self.is_punctuation(0, ';') {
            let help = "between objects there are commas, or nothing";
            return Err(self.expected("an object or `}`", help));
        }
        self.close('}', opened, "an object", SECTION)?;
        Ok(objects)
    }

    /// What follows the name of an object.
    fn object(&mut self, path: Vec<NameRef>) -> Parsed<ObjectDecl> {
        self.expect('=', OBJECT)?;
        let kind = self.name("an object type", OBJECT)?;
        let params = self.params()?;
        let covers = if self.is_punctuation(0, '{') {
            Some(self.nested(Self::covers)?)
        } else {
            None
        };
        Ok(ObjectDecl {
            path,
            kind,
            params,
            covers,
        })
    }

    /// Objects declared in braces, and names of objects declared elsewhere.
    fn covers(&mut self) -> Parsed<Covers> {
        let opened = self.expect('{', COVERED)?;
        let mut objects = Vec::new();
        while let TokenKind::Name(_) = self.peek() {
            let mut path = self.path(OBJECT)?;
            let reference = !self.is_punctuation(0, '=') && path.len() == 1;
            objects.push(match path.pop() {
                Some(name) if reference => Covered::Ref(name),
                last => {
                    path.extend(last);
                    Covered::Decl(self.object(path)?)
                }
            });
            self.take(',');
        }
        let span = opened.to(self.close('}', opened, "an object", COVERED)?);
        Ok(Covers { objects, span })
    }
}
