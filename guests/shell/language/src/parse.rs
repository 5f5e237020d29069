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

use alloc::{string::String, vec::Vec};
use core::fmt;

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

#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
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

struct Lexer<'a> {
    line: &'a str,
    at: usize,
}

const fn is_name(char: char) -> bool {
    char.is_ascii_alphanumeric() || char == '_'
}

impl Lexer<'_> {
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
    fn next(&mut self) -> Result<Option<(usize, Token)>, Mistake> {
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
    let mut lexer = Lexer { line, at: 0 };
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
                pipeline.span.1 = lexer.at;
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
                pipeline.span.1 = lexer.at;
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
    let mut lexer = Lexer { line, at: 0 };
    let mut is_command = true;
    loop {
        let before = lexer.at;
        match lexer.next() {
            Ok(Some((at, Token::Word(word)))) => {
                if lexer.at == line.len() {
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

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, string::ToString as _};
    use proptest::prelude::*;

    /// A line as it was understood.
    fn shown(line: &str) -> String {
        let mut out = String::new();
        let value = |name: &str| format!("<{name}>");
        for pipeline in parse(line).unwrap() {
            out += match pipeline.join {
                Join::Then => "; ",
                Join::And => "&& ",
                Join::Or => "|| ",
            };
            for call in &pipeline.calls {
                out += "[";
                for word in &call.words {
                    out += &format!("({})", word.expand(value));
                }
                if let Some(input) = &call.input {
                    out += &format!("<{}", input.expand(value));
                }
                if let Some(output) = &call.output {
                    out += if output.append { ">>" } else { ">" };
                    out += &output.to.expand(value);
                }
                out += "]";
            }
            if pipeline.background {
                out += "&";
            }
        }
        out
    }

    #[test]
    fn lines_are_understood() {
        for (line, understood) in [
            ("", ""),
            ("   # nothing", ""),
            ("ls -l", "; [(ls)(-l)]"),
            ("cat a|wc -l", "; [(cat)(a)][(wc)(-l)]"),
            ("a; b ;", "; [(a)]; [(b)]"),
            ("a && b || c", "; [(a)]&& [(b)]|| [(c)]"),
            ("sleep 5 & ps", "; [(sleep)(5)]&; [(ps)]"),
            ("a &", "; [(a)]&"),
            ("cat <in >out", "; [(cat)<in>out]"),
            ("echo x >> 'a b'", "; [(echo)(x)>>a b]"),
            ("> out echo x", "; [(echo)(x)>out]"),
            (
                "echo 'it''s' \"a \\\"b\\\" $x\"",
                "; [(echo)(its)(a \"b\" <x>)]",
            ),
            ("echo $a${b}c $? $ \\$a", "; [(echo)(<a><b>c)(<?>)($)($a)]"),
            ("echo '' \"\"", "; [(echo)()()]"),
            ("echo a#b # c", "; [(echo)(a#b)]"),
            ("echo ü\\ ö", "; [(echo)(ü ö)]"),
        ] {
            assert_eq!(shown(line), understood, "{line}");
        }
    }

    #[test]
    fn mistakes_are_shown_at_their_place() {
        for (line, at, what) in [
            ("echo 'x", 5, "this quote is not closed"),
            ("echo \"x\\", 5, "this quote is not closed"),
            ("echo \\", 5, "a character is missing behind this"),
            ("| wc", 0, "a command is missing here"),
            ("ls | | wc", 5, "a command is missing here"),
            ("ls |", 3, "a command is missing here"),
            ("ls &&", 3, "a command is missing here"),
            ("&& ls", 0, "a command is missing here"),
            (";; ls", 0, "a command is missing here"),
            ("ls >", 4, "the name of a file is missing"),
            ("ls > | x", 5, "the name of a file belongs here"),
            ("ls > a > b", 7, "there is one of these already"),
            ("> x", 3, "a command is missing here"),
            (
                "echo ${x",
                5,
                "a name in braces belongs here, as in ${name}",
            ),
            (
                "echo ${}",
                5,
                "a name in braces belongs here, as in ${name}",
            ),
        ] {
            assert_eq!(parse(line), Err(Mistake { at, what }), "{line}");
        }
        let mistake = parse("echo ü 'x").unwrap_err();
        let explained = "  echo ü 'x\n         ^ this quote is not closed";
        assert_eq!(mistake.explain("echo ü 'x"), explained);
    }

    #[test]
    fn there_are_bounds() {
        assert!(parse(&"x".repeat(MAX_LINE)).is_ok());
        assert!(parse(&"x".repeat(MAX_LINE + 1)).is_err());
        assert!(parse(&"x ".repeat(MAX_WORDS)).is_ok());
        assert!(parse(&"x ".repeat(MAX_WORDS + 1)).is_err());
        assert!(parse(&["x"; MAX_STAGES].join("|")).is_ok());
        assert!(parse(&["x"; MAX_STAGES + 1].join("|")).is_err());
        assert!(parse(&"x;".repeat(MAX_PARTS)).is_ok());
        assert!(parse(&"x;".repeat(MAX_PARTS + 1)).is_err());
    }

    #[test]
    fn the_last_word_is_found() {
        for (line, found) in [
            ("", (0, true, "")),
            ("ca", (0, true, "ca")),
            ("cat ", (4, false, "")),
            ("cat a/b", (4, false, "a/b")),
            ("cat x | gr", (8, true, "gr")),
            ("cat x > o", (8, false, "o")),
            ("cat 'a b", (4, false, "a b")),
            ("a && ", (5, true, "")),
        ] {
            let (at, is_command, word) = found;
            assert_eq!(
                word_begin(line),
                (at, is_command, word.to_string()),
                "{line}"
            );
        }
    }

    #[test]
    fn pipelines_know_where_they_stand() {
        let line = "a b | c ; d > e &";
        let spans = parse(line).unwrap().into_iter();
        let texts: Vec<_> = spans.map(|p| &line[p.span.0..p.span.1]).collect();
        assert_eq!(texts, ["a b | c", "d > e"]);
    }

    proptest! {
        #[test]
        fn no_line_is_too_odd(line in "([a-c]|[ |&;<>'\"$\\\\#{}?ü]){0,40}") {
            match parse(&line) {
                Ok(pipelines) => for pipeline in pipelines {
                    prop_assert!(!pipeline.calls.is_empty());
                    prop_assert!(pipeline.calls.iter().all(|call| !call.words.is_empty()));
                    prop_assert!(line.get(pipeline.span.0..pipeline.span.1).is_some());
                },
                Err(mistake) => {
                    prop_assert!(line.get(mistake.at..).is_some(), "{mistake:?}");
                    mistake.explain(&line);
                }
            }
            let (at, _, _) = word_begin(&line);
            prop_assert!(line.get(at..).is_some());
        }

        /// What is in quotes comes out as it was.
        #[test]
        fn quotes_keep_what_is_in_them(text in "[^']{0,20}") {
            let all = parse(&format!("echo '{text}'")).unwrap();
            prop_assert_eq!(all[0].calls[0].words[1].expand(|_| String::new()), text);
        }
    }
}
