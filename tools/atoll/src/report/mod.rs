// SPDX-License-Identifier: BSD-2-Clause
//! `atoll report`: who holds what, as text, as JSON and as a picture.

mod collect;
mod content;
mod graph;
mod layout;
mod model;
mod reach;
mod scene;
mod svg;
mod tabs;
#[cfg(test)]
pub mod tests;
mod text;
mod words;

use std::io::Write as _;
use std::path::PathBuf;

use capdl::language::Module;
use thiserror::Error;

pub use model::{Facts, Guest, LinkKind};
pub use text::{count, summary as counts};
pub use words::bytes;

use crate::files::{self, FileError};
use crate::spec::{self, SpecError};

/// `atoll report`.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:
  atoll report capdl/specs/default.cdl                    the text, here
  atoll report my.cdl --svg my.svg                        and the picture
  atoll report my.cdl --json | jq '.guests[].reaches'     what programs can read")]
pub struct Report {
    /// The spec, capDL text
    spec: PathBuf,
    /// Write the text to this file [default: standard output]
    #[arg(long, value_name = "FILE")]
    text: Option<PathBuf>,
    /// Write a picture, SVG, to this file
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// Write JSON in place of the text
    #[arg(long)]
    json: bool,
    /// Directory of the .wasm files, to tell how much memory a guest starts with
    #[arg(long, value_name = "DIR")]
    modules: Option<PathBuf>,
}

/// Why there is no report.
#[derive(Debug, Error)]
pub enum ReportError {
    /// The spec was refused.
    #[error(transparent)]
    Spec(#[from] SpecError),
    /// A file cannot be written.
    #[error(transparent)]
    File(#[from] FileError),
    /// Standard output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] std::io::Error),
}

/// Writes what was asked for.
///
/// # Errors
/// See [`ReportError`].
pub fn run(args: &Report) -> Result<(), ReportError> {
    let source = spec::Source::read(&args.spec, args.modules.as_deref())?;
    let facts = source.facts()?;
    let mut text = if args.json {
        json(&facts)
    } else {
        text::text(&facts)
    };
    // Between the report's blocks is a line, behind the last there is none.
    text.truncate(text.trim_end().len());
    text.push('\n');
    if let Some(svg) = &args.svg {
        files::write(svg, svg::picture(&facts).as_bytes())?;
        eprintln!("{}: the picture, for any browser", svg.display());
    }
    match &args.text {
        Some(file) => {
            files::write(file, text.as_bytes())?;
            eprintln!("{}: the text", file.display());
        }
        None if args.svg.is_some() && !args.json => {}
        None => {
            let mut out = std::io::stdout().lock();
            out.write_all(text.as_bytes())
                .map_err(ReportError::Output)?;
        }
    }
    Ok(())
}

fn json(facts: &Facts) -> String {
    // Facts have strings for keys, so it does not fail.
    serde_json::to_string_pretty(facts).unwrap_or_default()
}

impl spec::Source {
    /// What the spec says about who holds what.
    ///
    /// # Errors
    /// The spec is wrong, in ways that have been shown.
    pub fn facts(&self) -> Result<Facts, SpecError> {
        let objects = self.objects()?;
        let linear = |name: &str| linear(self.modules(), name);
        Ok(Facts::new(self.name(), self.text(), &objects, linear))
    }
}

/// Bytes that a module starts with.
fn linear(modules: Option<&[Module]>, name: &str) -> Option<u64> {
    let mut modules = modules?.iter();
    modules.find(|module| module.name == name)?.memory
}
