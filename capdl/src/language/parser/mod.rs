// SPDX-License-Identifier: BSD-2-Clause
//! Tokens to syntax tree, for all of capDL's grammar and what is added to it.
//!
//! Recursive descent, one file for each part of the grammar: this one has the sections of a spec,
//! [`objects`], [`caps`], [`cdt`] and [`domains`] what is in them, [`values`] parameters, [`names`] references. Each
//! method of [`Parser`] starts at its part's first token and ends behind the last.

mod caps;
mod cdt;
mod cursor;
mod domains;
mod names;
mod objects;
#[cfg(test)]
mod tests;
mod values;

use super::ast::{File, Section};
use super::diagnostic::{Diagnostic, nearest};
use super::lexer::{Lexed, TokenKind, lex};
use cursor::Parser;

type Parsed<T> = Result<T, Diagnostic>;

const SECTIONS: [&str; 5] = ["objects", "caps", "irq", "cdt", "domains"];

/// Parses a spec.
///
/// # Errors
/// The first place that does not fit the grammar.
pub fn parse(text: &str) -> Parsed<File> {
    let Lexed { tokens, doubts, .. } = lex(text)?;
    let mut file = Parser::new(tokens).file()?;
    file.doubts = doubts;
    Ok(file)
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
        Ok(File {
            arch,
            sections,
            doubts: Vec::new(),
        })
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
            "cdt" => {
                self.advance();
                self.cdt(start).map(Section::Cdt)
            }
            "domains" => {
                self.advance();
                self.domains(start).map(Section::Domains)
            }
            _ => {
                let help = "the sections are `objects`, `caps`, `irq maps`, `cdt` and `domains`";
                let error = self.expected("a section", help);
                Err(error.suggest(nearest(&keyword, SECTIONS)))
            }
        }
    }
}
