// SPDX-License-Identifier: BSD-2-Clause
//! Text without a heap: cut at a size, in pieces of a size, refused beyond a size.

use core::fmt;

use atoll_abi::Error;

/// As text of a bounded type.
pub(crate) fn bounded<'a, T: TryFrom<&'a str>>(text: &'a str) -> Result<T, Error> {
    T::try_from(text).map_err(|_| Error::InvalidArgument)
}

/// The text in pieces of at most `len` bytes, which is 4 or more, cut between characters.
pub(crate) fn pieces(text: &str, len: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    core::iter::from_fn(move || {
        let (piece, behind) = rest.split_at_checked(rest.floor_char_boundary(len))?;
        rest = behind;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Text of at most `N` bytes; what does not fit is dropped.
#[derive(Clone)]
pub(crate) struct Text<const N: usize> {
    bytes: [u8; N],
    len: usize,
    full: bool,
}

impl<const N: usize> Text<N> {
    /// No text.
    pub(crate) const fn new() -> Self {
        Self {
            bytes: [0; N],
            len: 0,
            full: false,
        }
    }

    /// The text so far.
    pub(crate) fn as_str(&self) -> &str {
        // All of it: only whole characters were taken.
        let valid = self.bytes.get(..self.len).unwrap_or_default().utf8_chunks();
        valid.into_iter().next().map_or("", |chunk| chunk.valid())
    }
}

impl<const N: usize> fmt::Write for Text<N> {
    /// Takes as many whole characters as fit. Once something did not fit, nothing does: text with a
    /// hole in the middle would mislead.
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.full { 0 } else { N - self.len };
        let cut = text.floor_char_boundary(room);
        self.full |= cut < text.len();
        let taken = text.as_bytes().get(..cut).unwrap_or_default();
        if let Some(place) = self.bytes.get_mut(self.len..self.len + cut) {
            place.copy_from_slice(taken);
            self.len += cut;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::fmt::Write as _;

    #[test]
    fn takes_what_fits() {
        let mut text = Text::<8>::new();
        let (number, truth) = (12, true);
        write!(text, "{number}-{truth}").unwrap();
        assert_eq!(text.as_str(), "12-true");
        write!(text, "cde").unwrap();
        assert_eq!(text.as_str(), "12-truec");
        write!(text, "f").unwrap();
        assert_eq!(text.as_str(), "12-truec");
    }

    #[test]
    fn pieces_are_whole_characters_and_the_whole_text() {
        let found: alloc::vec::Vec<_> = pieces("abcé€defg", 4).collect();
        assert_eq!(found, ["abc", "é", "€d", "efg"]);
        assert_eq!(pieces("", 4).next(), None);
    }

    #[test]
    fn cuts_between_characters_and_leaves_no_hole() {
        let mut text = Text::<4>::new();
        write!(text, "abc").unwrap();
        write!(text, "é").unwrap();
        write!(text, "d").unwrap();
        assert_eq!(text.as_str(), "abc");
    }
}
