// SPDX-License-Identifier: BSD-2-Clause
//! Text that steers no terminal: what those in the background write, and the log.

use alloc::vec::Vec;

const ESCAPE: char = '\u{1b}';

/// Adds the text, without what would steer a terminal: sequences are left out, other control characters are
/// replaced, and so is what is no UTF-8 or changes the direction of what follows.
pub fn push(out: &mut Vec<u8>, text: &[u8]) {
    let mut sequence = Sequence::No;
    let mut buffer = [0; 4];
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            sequence = sequence.next(c);
            let shown = match c {
                _ if sequence != Sequence::No => continue,
                '\r' => continue,
                '\t' => ' ',
                c if c.is_control() || turns(c) => char::REPLACEMENT_CHARACTER,
                c => c,
            };
            out.extend_from_slice(shown.encode_utf8(&mut buffer).as_bytes());
        }
        if !chunk.invalid().is_empty() && sequence == Sequence::No {
            let shown = char::REPLACEMENT_CHARACTER.encode_utf8(&mut buffer);
            out.extend_from_slice(shown.as_bytes());
        }
    }
}

/// Whether a character changes the direction of text.
const fn turns(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Where in a sequence of a VT100 a text is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sequence {
    /// Nowhere.
    #[default]
    No,
    /// Behind the escape.
    Begun,
    /// Among the parameters.
    Parameters,
    /// At its end: this character is its last.
    Last,
}

impl Sequence {
    /// With one more character.
    pub const fn next(self, c: char) -> Self {
        match (self, c) {
            (_, ESCAPE) => Self::Begun,
            (Self::Begun, '[' | 'O') => Self::Parameters,
            // Those that select a character set have one more.
            (Self::Begun, '(' | ')' | '#') | (Self::Begun | Self::Parameters, ' '..='?') => {
                Self::Parameters
            }
            (Self::Begun | Self::Parameters, '@'..='~') => Self::Last,
            // A control character within: it is none.
            _ => Self::No,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::string::String;

    fn plain(text: &[u8]) -> String {
        let mut out = Vec::new();
        push(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn what_steers_is_left_out_or_replaced() {
        for (text, shown) in [
            (&b"hello"[..], "hello"),
            ("gr\u{fc}n \u{2192}".as_bytes(), "gr\u{fc}n \u{2192}"),
            (b"\x1b[31mred\x1b[0m", "red"),
            (b"\x1b[2J\x1b[Hgone", "gone"),
            (b"\x1bcreset", "reset"),
            (b"\x1b]0;title\x07x", "0;title\u{fffd}x"),
            (b"a\tb\rc", "a bc"),
            (b"bell\x07", "bell\u{fffd}"),
            ("\u{9b}31m".as_bytes(), "\u{fffd}31m"),
            ("a\u{202e}b".as_bytes(), "a\u{fffd}b"),
            (b"\xffx", "\u{fffd}x"),
            (b"cut \x1b[3", "cut "),
        ] {
            assert_eq!(plain(text), shown, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_steers(text in prop::collection::vec(any::<u8>(), 0..100)) {
            let shown = plain(&text);
            prop_assert!(shown.chars().all(|c| !c.is_control() && !turns(c)), "{shown:?}");
        }
    }
}
