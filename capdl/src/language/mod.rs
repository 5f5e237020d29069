// SPDX-License-Identifier: BSD-2-Clause
//! The language: text to [`blob`](crate::blob).
//!
//! It is seL4's capDL, with object types for process servers and guests. `docs/capdl.md` has its grammar,
//! `capdl/README.md` its meaning; `capdl/fixtures/` shows what is accepted and what is said about what is not.

pub mod ast;
mod check;
mod diagnostic;
mod emit;
mod format;
mod lexer;
pub mod model;
mod parser;
mod span;
#[cfg(test)]
mod tests;

pub use diagnostic::{Diagnostic, Report, nearest};
pub use format::format;
pub use parser::parse;
pub use span::{Span, Spanned, line};

/// What a spec is compared with.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options<'a> {
    /// The modules there are; none: guests may name any.
    pub modules: Option<&'a [Module]>,
    /// Bytes of the machine's memory; none: enough.
    pub memory: Option<u64>,
}

/// A module that guests can run.
#[derive(Clone, Debug, Default)]
pub struct Module {
    /// Its name.
    pub name: String,
    /// What it imports; none: not known.
    pub imports: Option<Vec<Import>>,
    /// Bytes of linear memory that it starts with; none: not known.
    pub memory: Option<u64>,
}

/// An import of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Import {
    /// Import module, such as `atoll::shm`.
    pub module: String,
    /// Import name.
    pub name: String,
}

/// What a spec describes, checked: its objects in the order of the text.
///
/// `file` is its name in the report, if there is one.
///
/// # Errors
/// Everything that is wrong with it.
pub fn check(file: &str, text: &str, options: &Options<'_>) -> Result<Vec<model::Object>, Report> {
    let report = |diagnostics| Report::new(file, text, diagnostics);
    let parsed = parse(text).map_err(|diagnostic| report(vec![diagnostic]))?;
    check::check(&parsed, options).map_err(report)
}

/// Compiles a spec.
///
/// `file` is its name in messages of the target, and in the report if there is one; `archive_key` the ed25519 public key that
/// the module archive must be signed with.
///
/// # Errors
/// Everything that is wrong with it.
pub fn compile(
    file: &str,
    text: &str,
    options: &Options<'_>,
    archive_key: &[u8; 32],
) -> Result<Vec<u8>, Report> {
    let report = |diagnostics| Report::new(file, text, diagnostics);
    let parsed = parse(text).map_err(|diagnostic| report(vec![diagnostic]))?;
    let objects = check::check(&parsed, options).map_err(report)?;
    emit::emit(file, text, archive_key, &objects).ok_or_else(|| {
        let message = "this system is too large for the compiled form";
        let help = "describe it with fewer objects";
        report(vec![Diagnostic::new(parsed.arch.span, message, help)])
    })
}
