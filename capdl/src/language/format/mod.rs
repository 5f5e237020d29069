// SPDX-License-Identifier: BSD-2-Clause
//! The canonical layout of a spec.
//!
//! All tokens are printed in their order, as they are written; commas and semicolons that say nothing are
//! left out. `source` has them, with the comments between; `print` and `parts` make lines of them along the
//! syntax tree, `layout` puts those below each other, `inline` breaks those that are too long.
//! `docs/capdl.md` has the rules.

mod inline;
mod layout;
mod parts;
mod print;
mod source;

use super::diagnostic::{Diagnostic, Report};
use super::lexer::lex;
use super::parser::parse;
use inline::Lines;
use print::Printer;
use source::Source;

/// Lays a spec out. What it means stays the same, and all comments are kept; a spec that is laid out stays
/// as it is.
///
/// `file` is its name in the report, if there is one. The spec need not make sense.
///
/// # Errors
/// What does not fit the grammar.
pub fn format(file: &str, text: &str) -> Result<String, Report> {
    layout(text).map_err(|wrong| Report::new(file, text, vec![wrong]))
}

fn layout(text: &str) -> Result<String, Diagnostic> {
    let file = parse(text)?;
    let mut printer = Printer::new(Source::new(text, lex(text)?));
    let (items, below) = printer.file(&file);
    let mut out = Lines::default();
    layout::print(&items, &mut out, 0);
    layout::note_lines(&below, &mut out, 0);
    Ok(out.into_text())
}
