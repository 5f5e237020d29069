// SPDX-License-Identifier: BSD-2-Clause
//! Tokens to syntax tree, for all of capDL's grammar and what is added to it.
//!
//! Recursive descent, one file for each part of the grammar: this one has the sections of a spec,
//! [`objects`] and [`caps`] what is in them, [`values`] parameters, [`names`] references. Each
//! method of [`Parser`] starts at its part's first token and ends behind the last.

mod caps;
mod cursor;
mod names;
mod objects;
#[cfg(test)]
mod tests;
mod values;

use super::ast::{File, Section};
use super::diagnostic::{Diagnostic, nearest};
use super::lexer::{TokenKind, tokens};
use cursor::Parser;

type Parsed<T> = Result<T, Diagnostic>;

const SECTIONS: [&str; 5] = ["objects", "caps", "irq", "cdt", "domains"];

/// Parses a spec.
///
/// # Errors
/// The first place that does not fit the grammar.
pub fn parse(text: &str) -> Parsed<File> {
    Parser::new(tokens(text)?).file()
}

impl Parser {
    fn file(mut self) -> Parsed<File> {
        const FORM: &str = "a spec starts with `arch aarch64`";
        if !self.is_word("arch") {
            return Err(self.expected("`arch`", FORM));
        }
        self.advance();
        let arch = self.name("the name of an architecture", FORM)?;
        let mut sections = Vec::new();
        while *self.peek() != TokenKind::End {
            sections.push(self.section()?);
        }
        Ok(File { arch, sections })
    }

    fn section(&mut self) -> Parsed<Section> {
        let keyword = match self.peek() {
            TokenKind::Name(name) => name.clone(),
            _ => String::new(),
        };
        let start = self.span();
        match &*keyword {
            "objects" => {
                self.advance();
                self.objects().map(Section::Objects)
            }
            "caps" => {
                self.advance();
                self.caps().map(Section::Caps)
            }
            "irq" => {
                self.advance();
                if !self.is_word("maps") {
                    return Err(self.expected("`maps`", "the section is `irq maps { … }`"));
                }
                self.advance();
                self.irq_maps().map(Section::IrqMaps)
            }
            "cdt" | "domains" => {
                self.advance();
                self.skip_braces()?;
                let span = start.to(self.last_span());
                Ok(if keyword == "cdt" {
                    Section::Cdt(span)
                } else {
                    Section::Domains(span)
                })
            }
            _ => {
                let help = "the sections are `objects`, `caps`, `irq maps`, `cdt` and `domains`";
                let error = self.expected("a section", help);
                Err(error.suggest(nearest(&keyword, SECTIONS)))
            }
        }
    }

    /// Everything up to the brace that closes the next one.
    fn skip_braces(&mut self) -> Parsed<()> {
        let opened = self.expect('{', "what is in a section stands in braces")?;
        let mut depth = 1usize;
        while depth > 0 {
            match self.peek() {
                TokenKind::Punctuation('{') => depth += 1,
                TokenKind::Punctuation('}') => depth -= 1,
                TokenKind::End => {
                    let error = self.expected("`}`", "each `{` needs its own `}`");
                    return Err(error.other(opened, "opened here"));
                }
                _ => {}
            }
            self.advance();
        }
        Ok(())
    }
}
