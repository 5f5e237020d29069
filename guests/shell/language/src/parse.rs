// SPDX-License-Identifier: BSD-2-Clause
//! The grammar.
//!
//! ```text
//! line     = pipeline { ( ";" | "&&" | "||" | "&" ) pipeline }
//! pipeline = call { "|" call }
//! call     = { word | "<" word | ">" word | ">>" word }
//! ```
//!
//! A word is made of plain characters, of text in single quotes, which is taken as it is, and of text in double quotes,
//! in which `\` and `$` mean what they do outside. `\` takes the next character as it is; `$name`, `${name}` and `$?`
//! stand for a variable. `#` at the begin of a word begins a comment.

mod lexer;
#[cfg(test)]
mod tests;

use alloc::{string::String, vec::Vec};
use core::fmt;

use lexer::{Lexer, Token};

/// Longest line, in bytes.
pub const MAX_LINE: usize = 4096;
/// Most pipelines of a line.
pub const MAX_PARTS: usize = 32;
/// Most calls of a pipeline.
pub const MAX_STAGES: usize = 8;
/// Most words of a call.
pub const MAX_WORDS: usize = 64;

/// A piece of a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// This text.
    Text(String),
    /// What a variable of this name holds.
    Variable(String),
}

/// A word.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Word {
    /// Its pieces.
    pub parts: Vec<Part>,
    /// Where it begins in the line.
    pub at: usize,
}

impl Word {
    /// The word, with what `variable` answers in the place of variables.
    pub fn expand(&self, variable: impl Fn(&str) -> String) -> String {
        self.parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Variable(name) => variable(name),
            })
            .collect()
    }

    /// Puts a character behind the last.
    fn push(&mut self, char: char) {
        match self.parts.last_mut() {
            Some(Part::Text(text)) => text.push(char),
            _ => self.parts.push(Part::Text(String::from(char))),
        }
    }
}

/// Where output goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirect {
    /// The file.
    pub to: Word,
    /// Behind what is in it.
    pub append: bool,
}

/// A command with what it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The command and its arguments: at least one word.
    pub words: Vec<Word>,
    /// Where its input comes from.
    pub input: Option<Word>,
    /// Where its output goes.
    pub output: Option<Redirect>,
}

/// When a pipeline runs, in the light of the one before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Join {
    /// Always.
    #[default]
    Then,
    /// If that succeeded.
    And,
    /// If that failed.
    Or,
}

/// Calls of which each reads what the one before writes.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pipeline {
    /// When it runs.
    pub join: Join,
    /// The calls: at least one.
    pub calls: Vec<Call>,
    /// Nobody waits for it.
    pub background: bool,
    /// Where it stands in the line, from and to.
    pub span: (usize, usize),
}

/// What is wrong with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Where: an offset in the line, at most its length.
    pub at: usize,
    /// What.
    pub what: &'static str,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.what)
    }
}

impl core::error::Error for Mistake {}

impl Mistake {
    /// The line, a caret below the place, and what is wrong there.
    pub fn explain(&self, line: &str) -> String {
        let before = line.get(..self.at).unwrap_or(line);
        let columns = unicode_width::UnicodeWidthStr::width(before);
        alloc::format!("  {line}\n  {}^ {}", " ".repeat(columns), self.what)
    }
}

/// The pipelines of a line; none if there is nothing in it.
///
/// # Errors
/// What is wrong with it, and where.
pub fn parse(line: &str) -> Result<Vec<Pipeline>, Mistake> {
    if line.len() > MAX_LINE {
        return Err(Mistake {
            at: 0,
            what: "the line is too long",
        });
    }
    let mut lexer = Lexer::new(line);
    let mut all = Vec::new();
    let mut pipeline = Pipeline::default();
    let mut call = Call::default();
    // Of the last token that wants something behind it.
    let mut wants: Option<usize> = None;
    loop {
        let next = lexer.next()?;
        let (at, token) = match next {
            Some((at, token)) => (at, Some(token)),
            None => (line.len(), None),
        };
        match token {
            Some(Token::Word(word)) => {
                if call.words.len() == MAX_WORDS {
                    return Err(Mistake {
                        at,
                        what: "too many words",
                    });
                }
                if call == Call::default() && pipeline.calls.is_empty() {
                    pipeline.span.0 = at;
                }
                pipeline.span.1 = lexer.at();
                call.words.push(word);
                wants = None;
            }
            Some(token @ (Token::Input | Token::Output | Token::Append)) => {
                let is_input = token == Token::Input;
                let file = match lexer.next()? {
                    Some((_, Token::Word(word))) => word,
                    Some((at, _)) => {
                        return Err(Mistake {
                            at,
                            what: "the name of a file belongs here",
                        });
                    }
                    None => {
                        return Err(Mistake {
                            at: line.len(),
                            what: "the name of a file is missing",
                        });
                    }
                };
                pipeline.span.1 = lexer.at();
                let is_taken = if is_input {
                    call.input.replace(file).is_some()
                } else {
                    let append = token == Token::Append;
                    call.output.replace(Redirect { to: file, append }).is_some()
                };
                if is_taken {
                    return Err(Mistake {
                        at,
                        what: "there is one of these already",
                    });
                }
            }
            Some(Token::Pipe) => {
                end_call(&mut call, &mut pipeline, at)?;
                if pipeline.calls.len() == MAX_STAGES {
                    return Err(Mistake {
                        at,
                        what: "too many commands in a pipe",
                    });
                }
                wants = Some(at);
            }
            other => {
                if call != Call::default() || wants.is_some() || other.is_some() {
                    let missing = if other.is_none() { wants } else { None };
                    let nothing = call == Call::default() && pipeline.calls.is_empty();
                    // A semicolon at the end needs nothing behind it.
                    if !(other.is_none() && nothing && wants.is_none()) {
                        end_call(&mut call, &mut pipeline, missing.unwrap_or(at))?;
                        if all.len() == MAX_PARTS {
                            return Err(Mistake {
                                at,
                                what: "too many commands in a line",
                            });
                        }
                        pipeline.background = other == Some(Token::Background);
                        all.push(core::mem::take(&mut pipeline));
                    }
                }
                wants = None;
                match other {
                    None => return Ok(all),
                    Some(Token::And) => {
                        pipeline.join = Join::And;
                        wants = Some(at);
                    }
                    Some(Token::Or) => {
                        pipeline.join = Join::Or;
                        wants = Some(at);
                    }
                    Some(_) => {}
                }
            }
        }
    }
}

fn end_call(call: &mut Call, pipeline: &mut Pipeline, at: usize) -> Result<(), Mistake> {
    if call.words.is_empty() {
        return Err(Mistake {
            at,
            what: "a command is missing here",
        });
    }
    pipeline.calls.push(core::mem::take(call));
    Ok(())
}

/// Where the last word of an unfinished line begins, whether it is the name of a command, and what it says so far.
pub fn word_begin(line: &str) -> (usize, bool, String) {
    let mut lexer = Lexer::new(line);
    let mut is_command = true;
    loop {
        let before = lexer.at();
        match lexer.next() {
            Ok(Some((at, Token::Word(word)))) => {
                if lexer.at() == line.len() {
                    return (at, is_command, word.expand(|_| String::new()));
                }
                is_command = false;
            }
            Ok(Some((_, Token::Input | Token::Output | Token::Append))) => is_command = false,
            Ok(Some(_)) => is_command = true,
            Ok(None) => return (line.len(), is_command, String::new()),
            Err(_) => {
                // An open quote: the word without it.
                let rest = line.get(before..).unwrap_or_default();
                let begin = before + (rest.len() - rest.trim_start().len());
                let text = line.get(begin..).unwrap_or_default();
                let text = text.trim_start_matches(['"', '\'']);
                return (begin, is_command, text.into());
            }
        }
    }
}
