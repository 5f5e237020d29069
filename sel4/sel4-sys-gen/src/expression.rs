// SPDX-License-Identifier: BSD-2-Clause
//! Integer constant expressions of C, as far as libsel4's headers and the XML files' conditions use them.

use std::collections::HashMap;

use crate::error::{Error, Result};

/// A `#define`.
#[derive(Clone, Debug)]
pub(crate) struct Macro {
    /// The parameter of a function-like macro.
    pub(crate) parameter: Option<String>,
    /// Replacement text.
    pub(crate) body: String,
}

/// What identifiers in an expression stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Scope {
    pub(crate) macros: HashMap<String, Macro>,
    pub(crate) constants: HashMap<String, i128>,
}

/// How deep macros may refer to each other; a cycle ends here.
const MAX_DEPTH: usize = 32;

impl Scope {
    /// The value of `text`, where every identifier must be known.
    pub(crate) fn evaluate(&self, text: &str) -> Result<i128> {
        self.run(text, false, 0)
    }

    /// The truth of a preprocessor condition, where an unknown identifier counts as 0.
    pub(crate) fn condition(&self, text: &str) -> Result<bool> {
        Ok(self.run(text, true, 0)? != 0)
    }

    fn run(&self, text: &str, unknown_is_zero: bool, depth: usize) -> Result<i128> {
        if depth > MAX_DEPTH {
            return Err(Error::new(format!("macros nest too deeply in `{text}`")));
        }
        let tokens = tokenize(text)?;
        let mut parser = Parser {
            scope: self,
            tokens: &tokens,
            position: 0,
            unknown_is_zero,
            depth,
        };
        let value = parser.binary(0)?;
        if parser.position < tokens.len() {
            return Err(Error::new(format!(
                "unexpected text after expression in `{text}`"
            )));
        }
        Ok(value)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Number(i128),
    Name(String),
    Symbol(&'static str),
}

/// Longer symbols first, so that the first match is the longest.
const SYMBOLS: [&str; 19] = [
    "<<", ">>", "<=", ">=", "==", "!=", "&&", "||", "(", ")", "+", "-", "*", "/", "<", ">", "!",
    "|", "&",
];

fn tokenize(text: &str) -> Result<Vec<Token>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        if first.is_ascii_digit() {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric())
                .unwrap_or(rest.len());
            tokens.push(Token::Number(number(&rest[..end])?));
            rest = &rest[end..];
        } else if first.is_ascii_alphabetic() || first == '_' {
            let end = rest
                .find(|c: char| !c.is_ascii_alphanumeric() && c != '_')
                .unwrap_or(rest.len());
            tokens.push(Token::Name(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if let Some(symbol) = SYMBOLS.iter().find(|s| rest.starts_with(**s)) {
            tokens.push(Token::Symbol(symbol));
            rest = &rest[symbol.len()..];
        } else {
            return Err(Error::new(format!("`{text}` is not an integer expression")));
        }
        rest = rest.trim_start();
    }
    Ok(tokens)
}

fn number(text: &str) -> Result<i128> {
    let digits = text.trim_end_matches(['u', 'U', 'l', 'L']);
    let parsed = match digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"))
    {
        Some(hex) => i128::from_str_radix(hex, 16),
        None => digits.parse(),
    };
    parsed.map_err(|_| Error::new(format!("`{text}` is not a number")))
}

struct Parser<'a> {
    scope: &'a Scope,
    tokens: &'a [Token],
    position: usize,
    unknown_is_zero: bool,
    depth: usize,
}

/// Binary operators by precedence, weakest first.
const LEVELS: [&[&str]; 9] = [
    &["||"],
    &["&&"],
    &["|"],
    &["&"],
    &["==", "!="],
    &["<", ">", "<=", ">="],
    &["<<", ">>"],
    &["+", "-"],
    &["*", "/"],
];

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.position)
    }

    fn accept(&mut self, symbol: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Symbol(s)) if *s == symbol);
        self.position += usize::from(found);
        found
    }

    fn expect(&mut self, symbol: &str) -> Result<()> {
        if self.accept(symbol) {
            Ok(())
        } else {
            Err(Error::new(format!("expected `{symbol}`")))
        }
    }

    fn binary(&mut self, level: usize) -> Result<i128> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.binary(level + 1)?;
        loop {
            let operator = match self.peek() {
                Some(Token::Symbol(s)) if operators.contains(s) => *s,
                _ => return Ok(left),
            };
            self.position += 1;
            let right = self.binary(level + 1)?;
            left = apply(operator, left, right)?;
        }
    }

    fn unary(&mut self) -> Result<i128> {
        if self.accept("!") {
            return Ok(i128::from(self.unary()? == 0));
        }
        if self.accept("-") {
            return Ok(-self.unary()?);
        }
        if self.accept("(") {
            let value = self.binary(0)?;
            self.expect(")")?;
            return Ok(value);
        }
        let token = self.peek().cloned();
        self.position += 1;
        match token {
            Some(Token::Number(value)) => Ok(value),
            Some(Token::Name(name)) if name == "defined" => self.defined(),
            Some(Token::Name(name)) => self.name(&name),
            _ => Err(Error::new("expected a value")),
        }
    }

    fn defined(&mut self) -> Result<i128> {
        let bracketed = self.accept("(");
        let Some(Token::Name(name)) = self.peek().cloned() else {
            return Err(Error::new("expected a name after `defined`"));
        };
        self.position += 1;
        if bracketed {
            self.expect(")")?;
        }
        Ok(i128::from(self.scope.macros.contains_key(&name)))
    }

    fn name(&mut self, name: &str) -> Result<i128> {
        if let Some(value) = self.scope.constants.get(name) {
            return Ok(*value);
        }
        let Some(definition) = self.scope.macros.get(name) else {
            if self.unknown_is_zero {
                return Ok(0);
            }
            return Err(Error::new(format!("`{name}` has no known value")));
        };
        let Some(parameter) = &definition.parameter else {
            return self
                .scope
                .run(&definition.body, self.unknown_is_zero, self.depth + 1);
        };
        self.expect("(")?;
        let argument = self.binary(0)?;
        self.expect(")")?;
        let mut scope = self.scope.clone();
        scope.constants.insert(parameter.clone(), argument);
        scope.run(&definition.body, self.unknown_is_zero, self.depth + 1)
    }
}

fn apply(operator: &str, left: i128, right: i128) -> Result<i128> {
    let shift = || u32::try_from(right).ok().filter(|bits| *bits < 64);
    let value = match operator {
        "||" => Some(i128::from(left != 0 || right != 0)),
        "&&" => Some(i128::from(left != 0 && right != 0)),
        "|" => Some(left | right),
        "&" => Some(left & right),
        "==" => Some(i128::from(left == right)),
        "!=" => Some(i128::from(left != right)),
        "<" => Some(i128::from(left < right)),
        ">" => Some(i128::from(left > right)),
        "<=" => Some(i128::from(left <= right)),
        ">=" => Some(i128::from(left >= right)),
        "<<" => shift().and_then(|bits| left.checked_shl(bits)),
        ">>" => shift().and_then(|bits| left.checked_shr(bits)),
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        _ => None,
    };
    value.ok_or_else(|| Error::new(format!("cannot compute {left} {operator} {right}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope() -> Scope {
        let mut scope = Scope::default();
        let define = |name: &str, parameter: Option<&str>, body: &str| {
            (
                name.to_owned(),
                Macro {
                    parameter: parameter.map(str::to_owned),
                    body: body.to_owned(),
                },
            )
        };
        scope.macros.extend([
            define("CONFIG_MAX_NUM_NODES", None, "1"),
            define("LIBSEL4_BIT", Some("n"), "(1ul<<(n))"),
            define("LOOP", None, "LOOP"),
        ]);
        scope.constants.insert("bits".to_owned(), 2);
        scope
    }

    #[test]
    fn precedence_and_macros() {
        assert_eq!(scope().evaluate("LIBSEL4_BIT(bits) - 1").unwrap(), 3);
        assert_eq!(scope().evaluate("1 + 2 * 3 << 1").unwrap(), 14);
        assert_eq!(scope().evaluate("-1").unwrap(), -1);
        assert_eq!(scope().evaluate("0x10u").unwrap(), 16);
    }

    #[test]
    fn conditions() {
        assert!(!scope().condition("CONFIG_MAX_NUM_NODES > 1").unwrap());
        assert!(
            scope()
                .condition("defined(CONFIG_MAX_NUM_NODES) && !defined CONFIG_X")
                .unwrap()
        );
        assert!(!scope().condition("CONFIG_UNKNOWN").unwrap());
    }

    #[test]
    fn refuses_what_it_cannot_know() {
        assert!(scope().evaluate("unknown").is_err());
        assert!(scope().evaluate("LOOP").is_err());
        assert!(scope().evaluate("1 / 0").is_err());
        assert!(scope().evaluate("sizeof(int)").is_err());
        assert!(scope().evaluate("1 2").is_err());
    }
}
