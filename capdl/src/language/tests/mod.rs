// SPDX-License-Identifier: BSD-2-Clause
//! What holds for any text: nothing panics or hangs, messages point into the text, and what is laid out
//! means the same and stays as it is.

mod fuzz;
mod generate;
mod grammar;
mod limits;

use std::fs;
use std::path::{Path, PathBuf};

use super::lexer::lex;
use super::{Options, compile, format, parse};

/// All specs of the repository that these tests know of, fixtures among them.
pub(super) fn specs() -> Vec<PathBuf> {
    let home = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directories = [
        "fixtures/accepted",
        "fixtures/rejected",
        "fixtures/parsed",
        "fixtures/format",
        "specs",
        "../tests/specs",
    ];
    let mut specs: Vec<_> = directories
        .iter()
        .flat_map(|directory| fs::read_dir(home.join(directory)).unwrap())
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "cdl"))
        .collect();
    specs.sort();
    assert!(specs.len() > 200);
    specs
}

/// What a text means, whatever places its parts have.
fn meaning(text: &str) -> String {
    let shown = format!("{:?}", parse(text).unwrap());
    let mut parts = shown.split("Span { ");
    let mut meaning = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        meaning += part.split_once('}').unwrap_or_default().1;
    }
    meaning
}

/// The comments of a text, whatever blanks are in them.
fn comments(text: &str) -> Vec<String> {
    let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let comments = lex(text).unwrap().comments.into_iter();
    comments.map(|c| words(&text[c.span.range()])).collect()
}

/// Tries all there is with a text; whether it fits the grammar.
pub(super) fn try_text(text: &str) -> bool {
    let compiled = compile("spec.cdl", text, &Options::default(), &[7; 32]);
    if let Err(report) = &compiled {
        assert!(!report.diagnostics().is_empty());
        for diagnostic in report.diagnostics() {
            let others = diagnostic.others.iter().map(|(span, _)| span);
            for span in others.chain([&diagnostic.span]) {
                assert!(text.get(span.range()).is_some(), "{diagnostic:?}");
            }
            assert!(!diagnostic.message.is_empty() && !diagnostic.help.is_empty());
        }
        assert!(report.render(false).contains("spec.cdl:"));
    }
    let laid_out = match format("spec.cdl", text) {
        Ok(laid_out) => laid_out,
        Err(report) => {
            assert!(compiled.is_err());
            assert_eq!(report.diagnostics().len(), 1);
            return false;
        }
    };
    let again = format("spec.cdl", &laid_out).unwrap_or_else(|report| {
        panic!(
            "{text}\nis laid out as\n{laid_out}\n{}",
            report.render(false)
        )
    });
    assert_eq!(laid_out, again, "{text}");
    assert_eq!(meaning(text), meaning(&laid_out), "{text}\n{laid_out}");
    assert_eq!(comments(text), comments(&laid_out), "{text}\n{laid_out}");
    let lines = || laid_out.lines();
    assert!(lines().all(|line| line.trim_end() == line), "{laid_out}");
    assert!(
        laid_out.ends_with('\n') && !laid_out.contains("\n\n\n\n"),
        "{laid_out}"
    );
    true
}

#[test]
fn all_specs_and_fixtures() {
    let texts = specs();
    let texts = texts.iter().map(|path| fs::read_to_string(path).unwrap());
    let fitting = texts.filter(|text| try_text(text)).count();
    assert!(fitting > 100);
}
