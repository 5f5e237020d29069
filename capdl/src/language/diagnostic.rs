// SPDX-License-Identifier: BSD-2-Clause
//! What is wrong with a spec, and how it is shown.

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::span::Span;

/// One thing that is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// What, in one line.
    pub message: String,
    /// Where.
    pub span: Span,
    /// What to say beside the caret.
    pub label: String,
    /// Other places that matter, with what to say there.
    pub others: Vec<(Span, String)>,
    /// What to do about it.
    pub help: String,
}

impl Diagnostic {
    /// Something wrong at one place, and what to do about it.
    pub fn new(span: Span, message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            span,
            label: String::new(),
            others: Vec::new(),
            help: help.into(),
        }
    }

    /// Says more beside the caret.
    pub fn label(mut self, label: impl Into<String>) -> Self {
        self.label = label.into();
        self
    }

    /// Points to another place as well.
    pub fn other(mut self, span: Span, label: impl Into<String>) -> Self {
        self.others.push((span, label.into()));
        self
    }

    /// Asks for what was probably meant instead, if anything is near.
    pub fn suggest(mut self, suggestion: Option<&str>) -> Self {
        if let Some(name) = suggestion {
            self.help = format!("did you mean `{name}`?");
        }
        self
    }
}

/// How many diagnostics are shown.
const SHOWN: usize = 50;

/// Everything that is wrong with one spec.
#[derive(Clone, Debug)]
pub struct Report {
    file: String,
    text: String,
    diagnostics: Vec<Diagnostic>,
}

impl Report {
    /// Puts the diagnostics in the order of the text.
    pub fn new(file: &str, text: &str, mut diagnostics: Vec<Diagnostic>) -> Self {
        diagnostics.sort_by_key(|diagnostic| diagnostic.span);
        // One cause can be met on several ways, through the elements of an array for instance.
        diagnostics.dedup();
        Self {
            file: file.into(),
            text: text.into(),
            diagnostics,
        }
    }

    /// The same under another name for the file.
    pub fn in_file(self, file: &str) -> Self {
        let file = file.into();
        Self { file, ..self }
    }

    /// What is wrong, in the order of the text.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.diagnostics
    }

    /// For people: each with file, line, column, the line itself, a caret and a hint. When there are very
    /// many, the first ones and how many more there are.
    pub fn render(&self, colors: bool) -> String {
        let renderer = if colors {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        let rendered = self.diagnostics.iter().take(SHOWN).map(|diagnostic| {
            let mut snippet = Snippet::source(&self.text).path(&self.file);
            let label = (!diagnostic.label.is_empty()).then_some(&*diagnostic.label);
            let primary = AnnotationKind::Primary.span(diagnostic.span.range());
            snippet = snippet.annotation(primary.label(label));
            for (span, label) in &diagnostic.others {
                let other = AnnotationKind::Context.span(span.range());
                snippet = snippet.annotation(other.label(&**label));
            }
            let group = Level::ERROR
                .primary_title(&*diagnostic.message)
                .element(snippet)
                .element(Level::HELP.message(&*diagnostic.help));
            renderer.render(&[group])
        });
        let mut text = rendered.collect::<Vec<_>>().join("\n\n") + "\n";
        let more = self.diagnostics.len().saturating_sub(SHOWN);
        if more > 0 {
            text += &format!("\n{more} more like these are not shown\n");
        }
        text
    }
}

/// How many characters a name has at most that is compared with others.
const LONGEST: usize = 64;

/// The candidate that is nearest to a name, if one is near enough to be what was meant.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let length = name.chars().count();
    if length > LONGEST {
        return None;
    }
    let limit = (length / 3).max(1);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= 4 * LONGEST)
        .filter(|candidate| candidate.chars().count().abs_diff(length) <= limit)
        .map(|candidate| (distance(name, candidate), candidate))
        .filter(|&(distance, _)| distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// How many characters must be inserted, removed, replaced or swapped with their neighbour
/// (optimal string alignment distance).
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut before_last = Vec::new();
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                let swapped: usize = before_last[j - 2];
                best = best.min(swapped + 1);
            }
            row.push(best);
        }
        before_last = last;
        last = row;
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (a, b, expected) in [
            ("", "", 0),
            ("", "abc", 3),
            ("pool", "pool", 0),
            ("poool", "pool", 1),
            ("tiemr", "timer", 1),
            ("frame", "flame", 1),
            ("kitten", "sitting", 3),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["memory", "console", "timer"];
        assert_eq!(nearest("memroy", names), Some("memory"));
        assert_eq!(nearest("consoles", names), Some("console"));
        assert_eq!(nearest("disk", names), None);
    }
}
