// SPDX-License-Identifier: BSD-2-Clause
//! The grammar of the book, read as one: texts that it makes, and the words that it has.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use super::generate::Choices;

/// The page with the grammar.
const BOOK: &str = include_str!("../../../../docs/capdl.md");

/// How many parts of a repetition there are at most, and how deep rules go.
const MOST: usize = 4;
const DEEPEST: usize = 24;

/// What a rule says.
#[derive(Debug)]
enum Expression {
    /// `"text"`
    Terminal(String),
    /// Another rule, or a class of tokens in capitals.
    Rule(String),
    /// One behind the other.
    All(Vec<Expression>),
    /// `a | b`
    One(Vec<Expression>),
    /// `[ a ]`
    Perhaps(Box<Expression>),
    /// `{ a }`
    Several(Box<Expression>),
}

type Words<'t> = std::iter::Peekable<std::vec::IntoIter<&'t str>>;

/// The rules by name.
static GRAMMAR: LazyLock<BTreeMap<String, Expression>> = LazyLock::new(|| {
    let (_, behind) = BOOK.split_once("```ebnf\n").expect("a grammar");
    let (grammar, _) = behind.split_once("```").expect("its end");
    let mut words = grammar
        .split_whitespace()
        .collect::<Vec<_>>()
        .into_iter()
        .peekable();
    let mut rules = BTreeMap::new();
    while let Some(name) = words.next() {
        assert_eq!(words.next(), Some("="), "{name}");
        let rule = one(&mut words);
        assert_eq!(words.next(), Some(";"), "{name}");
        assert!(rules.insert(name.to_owned(), rule).is_none(), "{name}");
    }
    rules
});

fn one(words: &mut Words<'_>) -> Expression {
    let mut choices = vec![all(words)];
    while words.next_if_eq(&"|").is_some() {
        choices.push(all(words));
    }
    Expression::One(choices)
}

fn all(words: &mut Words<'_>) -> Expression {
    let mut parts = Vec::new();
    while let Some(word) = words.next_if(|word| !["|", ")", "]", "}", ";"].contains(word)) {
        let (close, part) = match word {
            "(" => (")", one(words)),
            "[" => ("]", Expression::Perhaps(Box::new(one(words)))),
            "{" => ("}", Expression::Several(Box::new(one(words)))),
            _ => {
                let quoted = word
                    .strip_prefix('"')
                    .and_then(|word| word.strip_suffix('"'));
                parts.push(match quoted {
                    Some(text) => Expression::Terminal(text.to_owned()),
                    None => Expression::Rule(word.to_owned()),
                });
                continue;
            }
        };
        assert_eq!(words.next(), Some(close), "{part:?}");
        parts.push(part);
    }
    Expression::All(parts)
}

/// A text that the grammar makes.
pub(super) fn sentence(choices: &mut Choices<'_>) -> String {
    let mut text = String::new();
    make(&GRAMMAR["spec"], choices, 0, &mut text);
    text
}

fn make(expression: &Expression, choices: &mut Choices<'_>, depth: usize, text: &mut String) {
    match expression {
        Expression::Terminal(terminal) => {
            *text += terminal;
            *text += choices.pick(&[" ", " ", " ", "\n", " /* c */ ", " -- c\n"]);
        }
        Expression::Rule(rule) => {
            let token = match &**rule {
                "NAME" => choices.pick(&["a", "aarch64", "some-name", "R2", "x.y@z_1"]),
                "NUMBER" => choices.pick(&["0", "3", "0x1F", "0o17", "007"]),
                "STRING" => choices.pick(&["\"\"", "\"a b\"", "\"\\\"\\n\""]),
                "UNIT" => choices.pick(&["k", "M", "G", "ms", "s"]),
                "RIGHTS" => choices.pick(&["R", "RW", "GXP"]),
                rule => return make(&GRAMMAR[rule], choices, depth + 1, text),
            };
            if rule == "UNIT" {
                // It touches its number.
                text.truncate(text.trim_end().len());
            }
            *text += token;
            *text += choices.pick(&[" ", " ", "\n", " "]);
        }
        Expression::All(parts) => parts
            .iter()
            .for_each(|part| make(part, choices, depth, text)),
        Expression::One(parts) => {
            // The first of several ends soonest.
            let which = if depth > DEEPEST {
                0
            } else {
                choices.one_of(parts.len())
            };
            make(&parts[which], choices, depth, text);
        }
        Expression::Perhaps(part) => {
            if depth <= DEEPEST && choices.one_of(2) == 1 {
                make(part, choices, depth + 1, text);
            }
        }
        Expression::Several(part) => {
            for _ in 0..MOST {
                if depth > DEEPEST || choices.is_over() || choices.one_of(3) == 0 {
                    break;
                }
                make(part, choices, depth + 1, text);
            }
        }
    }
}

/// All words and signs that the grammar names, and all rules that it uses.
fn names<'g>(
    expression: &'g Expression,
    terminals: &mut BTreeSet<&'g str>,
    rules: &mut BTreeSet<&'g str>,
) {
    match expression {
        Expression::Terminal(terminal) => {
            terminals.insert(terminal);
        }
        Expression::Rule(rule) => {
            rules.insert(rule);
        }
        Expression::All(parts) | Expression::One(parts) => {
            parts.iter().for_each(|part| names(part, terminals, rules));
        }
        Expression::Perhaps(part) | Expression::Several(part) => names(part, terminals, rules),
    }
}

#[test]
fn the_grammar_of_the_book_has_the_words_of_the_parser() {
    let (mut terminals, mut rules) = (BTreeSet::new(), BTreeSet::from(["spec"]));
    GRAMMAR
        .values()
        .for_each(|rule| names(rule, &mut terminals, &mut rules));
    let defined: BTreeSet<_> = GRAMMAR.keys().map(String::as_str).collect();
    let classes = BTreeSet::from(["NAME", "NUMBER", "RIGHTS", "STRING", "UNIT"]);
    assert_eq!(rules, &defined | &classes);

    // What the parser compares tokens with: the literals in its source that are words or signs.
    let parser = [
        include_str!("../parser/caps.rs"),
        include_str!("../parser/cdt.rs"),
        include_str!("../parser/domains.rs"),
        include_str!("../parser/mod.rs"),
        include_str!("../parser/names.rs"),
        include_str!("../parser/objects.rs"),
        include_str!("../parser/values.rs"),
    ]
    .concat();
    for terminal in &terminals {
        let literals = [format!("\"{terminal}\""), format!("'{terminal}'")];
        let range = *terminal == ".." && parser.contains("TokenKind::Range");
        assert!(
            range || literals.iter().any(|l| parser.contains(l)),
            "{terminal}"
        );
    }
    let words = parser.lines().filter(|line| {
        let line = line.trim();
        line.contains("is_word(")
            || line.contains("] = [")
            || line.contains("name == ")
            || line.contains("value == ")
    });
    for line in words {
        for word in line.split('"').skip(1).step_by(2) {
            assert!(terminals.contains(word), "{word} in {line}");
        }
    }
}
