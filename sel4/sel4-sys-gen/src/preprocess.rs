// SPDX-License-Identifier: BSD-2-Clause
//! The part of the C preprocessor that libsel4's headers and bitfield files need: comments,
//! conditionals and object-like or one-parameter `#define`s. `#include` is ignored: every file is
//! named by the caller.

use crate::{
    error::{Error, Result},
    expression::{Macro, Scope},
};

/// Which comments a language has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Comments {
    /// `/* */` and `//`.
    C,
    /// `--` to the end of the line.
    Bitfield,
}

/// The lines of `source` that hold under the definitions in `scope`, which grows by what they define.
pub(crate) fn preprocess(source: &str, comments: Comments, scope: &mut Scope) -> Result<String> {
    let source = strip(source, comments).replace("\\\n", " ");
    let mut output = String::new();
    // For each open conditional: is its current branch taken, has any branch been taken.
    let mut open: Vec<(bool, bool)> = Vec::new();
    for line in source.lines() {
        let active = open.iter().all(|(taken, _)| *taken);
        let Some(directive) = line.trim_start().strip_prefix('#') else {
            if active {
                output.push_str(line);
                output.push('\n');
            }
            continue;
        };
        let directive = directive.trim();
        let (word, rest) = directive
            .split_once(char::is_whitespace)
            .unwrap_or((directive, ""));
        let rest = rest.trim();
        match word {
            "if" | "ifdef" | "ifndef" => {
                let holds = active
                    && match word {
                        "if" => scope.condition(rest)?,
                        "ifdef" => scope.macros.contains_key(rest),
                        _ => !scope.macros.contains_key(rest),
                    };
                open.push((holds, holds));
            }
            "elif" | "else" => {
                let (_, any) = open
                    .pop()
                    .ok_or_else(|| Error::new(format!("#{word} without #if")))?;
                let outer = open.iter().all(|(taken, _)| *taken);
                let holds = outer && !any && (word == "else" || scope.condition(rest)?);
                open.push((holds, any || holds));
            }
            "endif" => {
                open.pop().ok_or_else(|| Error::new("#endif without #if"))?;
            }
            "define" if active => define(rest, scope),
            _ => {}
        }
    }
    if open.is_empty() {
        Ok(output)
    } else {
        Err(Error::new("#if without #endif"))
    }
}

/// Macros of several parameters are left out: no constant depends on one.
fn define(text: &str, scope: &mut Scope) {
    let end = text
        .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let (parameter, body) = match rest.strip_prefix('(').and_then(|r| r.split_once(')')) {
        Some((parameters, _)) if parameters.contains(',') => return,
        Some((parameter, body)) => (Some(parameter.trim().to_owned()), body),
        None => (None, rest),
    };
    scope.macros.insert(
        name.to_owned(),
        Macro {
            parameter,
            body: body.trim().to_owned(),
        },
    );
}

/// Comments become one space; the line structure stays.
fn strip(source: &str, comments: Comments) -> String {
    let mut output = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(next) = rest.chars().next() {
        let line_comment = match comments {
            Comments::C => rest.starts_with("//"),
            Comments::Bitfield => rest.starts_with("--"),
        };
        if line_comment {
            rest = &rest[rest.find('\n').unwrap_or(rest.len())..];
        } else if comments == Comments::C && rest.starts_with("/*") {
            let end = rest.find("*/").map_or(rest.len(), |at| at + 2);
            output.push(' ');
            output.extend(rest[..end].chars().filter(|c| *c == '\n'));
            rest = &rest[end..];
        } else {
            output.push(next);
            rest = &rest[next.len_utf8()..];
        }
    }
    output
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: &str, comments: Comments) -> Result<(String, Scope)> {
        let mut scope = Scope::default();
        scope.macros.insert(
            "YES".to_owned(),
            Macro {
                parameter: None,
                body: "1".to_owned(),
            },
        );
        preprocess(source, comments, &mut scope).map(|text| (text, scope))
    }

    #[test]
    fn takes_the_branch_that_holds() {
        let source = "#ifdef YES\na\n#else\nb\n#endif\n#if 0\nc\n#elif YES\nd\n#else\ne\n#endif\n";
        assert_eq!(run(source, Comments::C).unwrap().0, "a\nd\n");
    }

    #[test]
    fn defines_only_where_active() {
        let (_, scope) = run(
            "#ifndef YES\n#define A 1\n#endif\n#define B (2) /* two */\n",
            Comments::C,
        )
        .unwrap();
        assert!(!scope.macros.contains_key("A"));
        assert_eq!(scope.evaluate("B").unwrap(), 2);
    }

    #[test]
    fn strips_both_kinds_of_comment() {
        assert_eq!(
            run("a /* x\ny */ b // c\nd", Comments::C).unwrap().0,
            "a  \n b \nd\n"
        );
        assert_eq!(
            run("a -- b\nc - d", Comments::Bitfield).unwrap().0,
            "a \nc - d\n"
        );
    }

    #[test]
    fn unbalanced_conditionals_are_errors() {
        assert!(run("#if 1\n", Comments::C).is_err());
        assert!(run("#endif\n", Comments::C).is_err());
        assert!(run("#else\n", Comments::C).is_err());
    }
}
