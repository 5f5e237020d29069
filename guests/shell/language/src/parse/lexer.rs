// SPDX-License-Identifier: BSD-2-Clause
//! From characters to words and what stands between them.

use alloc::{string::String, vec::Vec};

use super::{Mistake, Part, Word};

/// A token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    Word(Word),
    Pipe,
    Semicolon,
    And,
    Or,
    Background,
    Input,
    Output,
    Append,
}

/// A line that is taken apart.
pub struct Lexer<'a> {
    line: &'a str,
    at: usize,
}

const fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

impl<'a> Lexer<'a> {
    /// At the begin of a line.
    pub const fn new(line: &'a str) -> Self {
        Self { line, at: 0 }
    }

    /// Where the next token is looked for.
    pub const fn at(&self) -> usize {
        self.at
    }

    fn rest(&self) -> &str {
        self.line.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn take(&mut self) -> Option<char> {
        let char = self.peek()?;
        self.at += char.len_utf8();
        Some(char)
    }

    fn takes(&mut self, what: &str) -> bool {
        let found = self.rest().starts_with(what);
        if found {
            self.at += what.len();
        }
        found
    }

    /// The next token, with its place.
    pub fn next(&mut self) -> Result<Option<(usize, Token)>, Mistake> {
        while self.peek().is_some_and(char::is_whitespace) {
            self.take();
        }
        let at = self.at;
        let Some(char) = self.peek().filter(|char| *char != '#') else {
            return Ok(None);
        };
        let token = match char {
            '|' if self.takes("||") => Token::Or,
            '|' if self.takes("|") => Token::Pipe,
            '&' if self.takes("&&") => Token::And,
            '&' if self.takes("&") => Token::Background,
            ';' if self.takes(";") => Token::Semicolon,
            '<' if self.takes("<") => Token::Input,
            '>' if self.takes(">>") => Token::Append,
            '>' if self.takes(">") => Token::Output,
            _ => Token::Word(self.word()?),
        };
        Ok(Some((at, token)))
    }

    fn word(&mut self) -> Result<Word, Mistake> {
        let mut word = Word {
            parts: Vec::new(),
            at: self.at,
        };
        while let Some(char) = self.peek() {
            if char.is_whitespace() || "|&;<>".contains(char) {
                break;
            }
            let at = self.at;
            self.take();
            match char {
                '\'' => {
                    // An empty text is a word, too.
                    word.parts.push(Part::Text(String::new()));
                    loop {
                        match self.take() {
                            Some('\'') => break,
                            Some(char) => word.push(char),
                            None => return Err(unclosed(at)),
                        }
                    }
                }
                '"' => {
                    word.parts.push(Part::Text(String::new()));
                    loop {
                        match self.take() {
                            Some('"') => break,
                            Some('\\') => match self.take() {
                                Some(char) => word.push(char),
                                None => return Err(unclosed(at)),
                            },
                            Some('$') => self.variable(&mut word)?,
                            Some(char) => word.push(char),
                            None => return Err(unclosed(at)),
                        }
                    }
                }
                '\\' => match self.take() {
                    Some(char) => word.push(char),
                    None => {
                        return Err(Mistake {
                            at,
                            what: "a character is missing behind this",
                        });
                    }
                },
                '$' => self.variable(&mut word)?,
                char => word.push(char),
            }
        }
        Ok(word)
    }

    /// What stands behind a `$`.
    fn variable(&mut self, word: &mut Word) -> Result<(), Mistake> {
        let at = self.at.saturating_sub(1);
        if self.takes("?") {
            word.parts.push(Part::Variable("?".into()));
            return Ok(());
        }
        let braces = self.takes("{");
        let rest = self.rest();
        let end = rest.find(|char| !is_name(char)).unwrap_or(rest.len());
        let name = String::from(rest.get(..end).unwrap_or_default());
        self.at += end;
        if name.is_empty() && !braces {
            word.push('$');
            return Ok(());
        }
        if name.is_empty() || braces && !self.takes("}") {
            return Err(Mistake {
                at,
                what: "a name in braces belongs here, as in ${name}",
            });
        }
        word.parts.push(Part::Variable(name));
        Ok(())
    }
}

const fn unclosed(at: usize) -> Mistake {
    Mistake {
        at,
        what: "this quote is not closed",
    }
}
