// SPDX-License-Identifier: BSD-2-Clause
//! Text to tokens.

use super::diagnostic::Diagnostic;
use super::span::Span;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A letter, then letters, digits and `-_@.`.
    Name(String),
    /// A number; decimal, `0x` or `0o`.
    Number(u64),
    /// A string, without its quotes and escapes.
    Text(String),
    /// One of `{}()[]<>:;,.=/-+`.
    Punctuation(char),
    /// `..`
    Range,
    /// Behind the last character.
    End,
}

/// A token and its place.
#[derive(Clone, Debug)]
pub struct Token {
    /// What.
    pub kind: TokenKind,
    /// Where.
    pub span: Span,
}

/// A comment; it is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Comment {
    /// Where; without the end of the line.
    pub span: Span,
    /// `/* … */`, not `-- …`.
    pub block: bool,
}

/// What a text is made of.
#[derive(Debug)]
pub struct Lexed {
    /// The tokens; the last is [`TokenKind::End`].
    pub tokens: Vec<Token>,
    /// The comments.
    pub comments: Vec<Comment>,
    /// Numbers that can be read in two ways.
    pub doubts: Vec<Diagnostic>,
}

/// Splits the text.
///
/// # Errors
/// The first place that is no token.
pub fn lex(text: &str) -> Result<Lexed, Diagnostic> {
    let mut lexer = Lexer {
        text,
        at: 0,
        comments: Vec::new(),
        doubts: Vec::new(),
    };
    let mut tokens = Vec::new();
    loop {
        let behind_last = lexer.at;
        lexer.skip_blanks()?;
        let start = lexer.at;
        let kind = lexer.token()?;
        // The end is shown right behind what is there, not behind the blanks that follow.
        let span = match kind {
            TokenKind::End => Span {
                start: behind_last,
                end: behind_last,
            },
            _ => lexer.since(start),
        };
        let end = kind == TokenKind::End;
        tokens.push(Token { kind, span });
        if end {
            let Lexer {
                comments, doubts, ..
            } = lexer;
            return Ok(Lexed {
                tokens,
                comments,
                doubts,
            });
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    comments: Vec<Comment>,
    doubts: Vec<Diagnostic>,
}

impl Lexer<'_> {
    fn rest(&self) -> &str {
        &self.text[self.at..]
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek()?;
        self.at += next.len_utf8();
        Some(next)
    }

    fn since(&self, start: usize) -> Span {
        Span {
            start,
            end: self.at,
        }
    }

    /// Takes characters as long as they are wanted.
    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &str {
        let start = self.at;
        let taken = self
            .rest()
            .find(|c| !wanted(c))
            .unwrap_or(self.rest().len());
        self.at += taken;
        &self.text[start..self.at]
    }

    /// Skips white space, `-- comments` and nested `/* comments */`.
    fn skip_blanks(&mut self) -> Result<(), Diagnostic> {
        loop {
            self.take_while(char::is_whitespace);
            let start = self.at;
            let block = self.rest().starts_with("/*");
            if block {
                self.skip_block_comment()?;
            } else if self.rest().starts_with("--") {
                self.take_while(|c| c != '\n');
            } else {
                return Ok(());
            }
            let span = self.since(start);
            self.comments.push(Comment { span, block });
        }
    }

    fn skip_block_comment(&mut self) -> Result<(), Diagnostic> {
        let start = self.at;
        let mut depth = 0usize;
        loop {
            if self.rest().starts_with("/*") {
                depth += 1;
                self.at += 2;
            } else if self.rest().starts_with("*/") {
                depth -= 1;
                self.at += 2;
                if depth == 0 {
                    return Ok(());
                }
            } else if self.next().is_none() {
                let span = Span {
                    start,
                    end: start + 2,
                };
                let help = "comments nest: each `/*` needs its own `*/`";
                return Err(
                    Diagnostic::new(span, "this comment does not end", help).label("opened here")
                );
            }
        }
    }

    fn token(&mut self) -> Result<TokenKind, Diagnostic> {
        let start = self.at;
        let Some(first) = self.peek() else {
            return Ok(TokenKind::End);
        };
        match first {
            '0'..='9' => self.number(),
            '"' => self.string(),
            _ if first.is_alphabetic() => {
                let name = self.take_while(|c| c.is_alphanumeric() || "-_@.".contains(c));
                Ok(TokenKind::Name(name.into()))
            }
            '.' if self.rest().starts_with("..") => {
                self.at += 2;
                Ok(TokenKind::Range)
            }
            '{' | '}' | '(' | ')' | '[' | ']' | '<' | '>' | ':' | ';' | ',' | '.' | '=' | '/'
            | '-' | '+' => {
                self.at += 1;
                Ok(TokenKind::Punctuation(first))
            }
            _ => {
                self.next();
                let message = format!("`{}` has no meaning here", first.escape_debug());
                let help = "remove it, or put it into a string or a comment (`-- …`)";
                Err(Diagnostic::new(self.since(start), message, help))
            }
        }
    }

    fn number(&mut self) -> Result<TokenKind, Diagnostic> {
        let start = self.at;
        let (radix, prefix) = match self.rest().get(..2) {
            Some("0x" | "0X") => (16, 2),
            Some("0o" | "0O") => (8, 2),
            _ => (10, 0),
        };
        self.at += prefix;
        let digits = self.take_while(|c| c.is_digit(radix)).to_owned();
        let span = self.since(start);
        if digits.is_empty() {
            let help = "write digits behind `0x` and `0o`, as in `0x1f` and `0o17`";
            return Err(Diagnostic::new(span, "this number has no digits", help));
        }
        if prefix == 0 && digits.len() > 1 && digits.starts_with('0') {
            self.check_leading_zero(&digits, span);
        }
        u64::from_str_radix(&digits, radix)
            .map(TokenKind::Number)
            .map_err(|_| {
                let help = format!("numbers go up to {:#x}", u64::MAX);
                Diagnostic::new(span, "this number does not fit in 64 bits", help)
            })
    }

    /// Upstream's parser reads such numbers as decimal, as this one does; its manual says that they
    /// are octal.
    fn check_leading_zero(&mut self, digits: &str, span: Span) {
        let decimal = digits.trim_start_matches('0');
        if decimal.len() <= 1 && decimal < "8" {
            return;
        }
        let help = if decimal.contains(['8', '9']) {
            format!("write `{decimal}`")
        } else {
            format!("write `{decimal}` for the decimal number or `0o{decimal}` for the octal one")
        };
        let message = "a number with a leading zero can be read in two ways";
        self.doubts.push(Diagnostic::new(span, message, help));
    }

    fn string(&mut self) -> Result<TokenKind, Diagnostic> {
        let start = self.at;
        self.next();
        let mut value = String::new();
        loop {
            let escape = self.at;
            match self.next() {
                Some('"') => return Ok(TokenKind::Text(value)),
                Some('\\') => match self.next() {
                    Some('n') => value.push('\n'),
                    Some('t') => value.push('\t'),
                    Some(c @ ('"' | '\\')) => value.push(c),
                    _ => {
                        let message = "this escape has no meaning";
                        let help = r#"in strings there are `\"`, `\\`, `\n` and `\t`"#;
                        return Err(Diagnostic::new(self.since(escape), message, help));
                    }
                },
                Some('\n') | None => {
                    let span = Span {
                        start,
                        end: start + 1,
                    };
                    let message = "this string does not end on its line";
                    let help = r#"end it with `"`; `\n` in it is the end of a line"#;
                    return Err(Diagnostic::new(span, message, help).label("opened here"));
                }
                Some(c) => value.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(text: &str) -> Vec<TokenKind> {
        let tokens = lex(text).unwrap().tokens;
        tokens.into_iter().map(|token| token.kind).collect()
    }

    fn error(text: &str) -> (String, &str) {
        let error = lex(text).unwrap_err();
        (error.message, &text[error.span.range()])
    }

    fn name(text: &str) -> TokenKind {
        TokenKind::Name(text.into())
    }

    #[test]
    fn names_numbers_and_punctuation() {
        use TokenKind::{End, Number, Punctuation as P, Range};
        assert_eq!(
            kinds("a-b_c.d@e1 x[0x1F..20]"),
            [
                name("a-b_c.d@e1"),
                name("x"),
                P('['),
                Number(31),
                Range,
                Number(20),
                P(']'),
                End
            ]
        );
        assert_eq!(
            kinds("4k 0o17 0"),
            [Number(4), name("k"), Number(15), Number(0), End]
        );
    }

    #[test]
    fn comments_are_skipped() {
        let text = "a -- b\n/* c /* d */ -- e */ f - g";
        let expected = [
            name("a"),
            name("f"),
            TokenKind::Punctuation('-'),
            name("g"),
            TokenKind::End,
        ];
        assert_eq!(kinds(text), expected);
        assert_eq!(
            error("a /* /* */"),
            ("this comment does not end".into(), "/*")
        );
    }

    #[test]
    fn leading_zeros_are_decimal_and_doubtful() {
        use TokenKind::{End, Number};
        assert_eq!(kinds("007 00 010"), [Number(7), Number(0), Number(10), End]);
        assert!(lex("007 00").unwrap().doubts.is_empty());
        for (number, help) in [
            (
                "010",
                "write `10` for the decimal number or `0o10` for the octal one",
            ),
            ("08", "write `8`"),
            (
                "0100",
                "write `100` for the decimal number or `0o100` for the octal one",
            ),
        ] {
            let doubts = lex(number).unwrap().doubts;
            assert_eq!((doubts.len(), &*doubts[0].help), (1, help));
        }
    }

    #[test]
    fn numbers_have_limits() {
        assert_eq!(
            kinds("18446744073709551615")[0],
            TokenKind::Number(u64::MAX)
        );
        assert_eq!(
            error("18446744073709551616").0,
            "this number does not fit in 64 bits"
        );
        assert_eq!(error("0x"), ("this number has no digits".into(), "0x"));
    }

    #[test]
    fn strings() {
        assert_eq!(
            kinds(r#""a\"b\\\n\t ü""#)[0],
            TokenKind::Text("a\"b\\\n\t ü".into())
        );
        assert_eq!(
            error("\"abc\ndef\""),
            ("this string does not end on its line".into(), "\"")
        );
        assert_eq!(
            error(r#""a\x""#),
            ("this escape has no meaning".into(), r"\x")
        );
    }

    #[test]
    fn every_other_character_is_an_error() {
        assert_eq!(error("a $"), ("`$` has no meaning here".into(), "$"));
        assert_eq!(error("\u{7}").0, "`\\u{7}` has no meaning here");
    }
}
