// SPDX-License-Identifier: BSD-2-Clause
//! What stands behind a command.

use alloc::{format, string::String, vec::Vec};
use core::fmt;

/// What is wrong with the arguments of a command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Misuse(pub String);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl core::error::Error for Misuse {}

/// Options and the other arguments. An option is a letter behind a minus; several can stand behind one, and one that has
/// a value takes it from what is behind it, or from the next argument. `--` ends them.
#[derive(Clone, Debug, Default)]
pub struct Options {
    found: Vec<(char, Option<String>)>,
    /// The arguments that are no options.
    pub args: Vec<String>,
}

impl Options {
    /// Takes arguments apart: these letters are options, and behind a letter with a colon stands a value.
    ///
    /// # Errors
    /// An option that is none of these, or whose value is missing.
    pub fn parse(args: impl IntoIterator<Item = String>, known: &str) -> Result<Self, Misuse> {
        Self::take(args, known, false)
    }

    /// As [`Options::parse`]; the first argument that is no option ends them.
    ///
    /// # Errors
    /// As [`Options::parse`].
    pub fn parse_first(
        args: impl IntoIterator<Item = String>,
        known: &str,
    ) -> Result<Self, Misuse> {
        Self::take(args, known, true)
    }

    fn take(
        args: impl IntoIterator<Item = String>,
        known: &str,
        first: bool,
    ) -> Result<Self, Misuse> {
        let mut options = Self::default();
        let mut args = args.into_iter();
        while let Some(arg) = args.next() {
            let is_option = arg.len() > 1 && arg.starts_with('-');
            if arg == "--" || (first && !is_option) {
                options.args.extend((arg != "--").then_some(arg));
                options.args.extend(args);
                break;
            }
            if !is_option {
                options.args.push(arg);
                continue;
            }
            let mut letters = arg.chars().skip(1);
            while let Some(letter) = letters.next() {
                let place = known.find(letter).filter(|_| letter != ':');
                let place = place.ok_or_else(|| Misuse(format!("there is no option -{letter}")))?;
                let behind = known.get(place + letter.len_utf8()..).unwrap_or_default();
                let value = if behind.starts_with(':') {
                    let rest: String = letters.by_ref().collect();
                    let value = Some(rest).filter(|rest| !rest.is_empty());
                    let value = value.or_else(|| args.next());
                    Some(value.ok_or_else(|| Misuse(format!("option -{letter} needs a value")))?)
                } else {
                    None
                };
                options.found.push((letter, value));
            }
        }
        Ok(options)
    }

    /// Whether an option is there.
    pub fn has(&self, letter: char) -> bool {
        self.found.iter().any(|(found, _)| *found == letter)
    }

    /// The value of an option, the last if there are several.
    pub fn value(&self, letter: char) -> Option<&str> {
        self.values(letter).last()
    }

    /// All values of an option.
    pub fn values(&self, letter: char) -> impl Iterator<Item = &str> {
        self.found
            .iter()
            .filter(move |(found, _)| *found == letter)
            .filter_map(|(_, value)| value.as_deref())
    }

    /// The number that is the value of an option.
    ///
    /// # Errors
    /// It is none.
    pub fn number(&self, letter: char) -> Result<Option<u64>, Misuse> {
        let Some(value) = self.value(letter) else {
            return Ok(None);
        };
        let number = value.parse();
        number
            .map(Some)
            .map_err(|_| Misuse(format!("option -{letter} needs a number, not `{value}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString as _;

    fn options(text: &str, known: &str) -> Result<Options, Misuse> {
        Options::parse(text.split(' ').map(String::from), known)
    }

    #[test]
    fn options_come_in_any_order() {
        let found = options("-la x -n 5 -- -y", "lan:").unwrap();
        assert!(found.has('l') && found.has('a') && !found.has('x'));
        assert_eq!(found.number('n'), Ok(Some(5)));
        assert_eq!(found.args, ["x", "-y"]);
        assert_eq!(options("-n7 -", "n:").unwrap().value('n'), Some("7"));
        let several = options("-g a -g b", "g:").unwrap();
        assert!(several.values('g').eq(["a", "b"]));
        let args = ["-b", "20", "worker", "-x"].map(String::from);
        let first = Options::parse_first(args, "b:").unwrap();
        assert_eq!((first.value('b'), first.args.len()), (Some("20"), 2));
    }

    #[test]
    fn what_is_wrong_is_said() {
        let said = |text, known| options(text, known).unwrap_err().to_string();
        assert_eq!(said("-x", "l"), "there is no option -x");
        assert_eq!(said("-:", "l:"), "there is no option -:");
        assert_eq!(said("-n", "n:"), "option -n needs a value");
        let odd = options("-n x", "n:").unwrap().number('n').unwrap_err();
        assert_eq!(odd.to_string(), "option -n needs a number, not `x`");
    }
}
