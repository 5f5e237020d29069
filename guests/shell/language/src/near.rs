// SPDX-License-Identifier: BSD-2-Clause
//! What somebody may have meant.

use alloc::vec::Vec;

/// Longest word that is compared.
const MAX_CHARS: usize = 64;

/// The candidate that needs the fewest changes to become this word, if that is few: a character that is put in, left
/// out or replaced, or two that are exchanged.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let most = match word.chars().count() {
        0 | 1 => return None,
        2..=4 => 1,
        _ => 2,
    };
    let near = candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= most);
    near.min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// The distance of Damerau and Levenshtein, of neighbours.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(MAX_CHARS).collect();
    let mut before: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    let mut last = None;
    for (i, a) in one.chars().take(MAX_CHARS).enumerate() {
        let mut next = alloc::vec![i + 1];
        for (j, b) in other.iter().enumerate() {
            let at = |row: &[usize], n: usize| row.get(n).copied().unwrap_or(usize::MAX / 2);
            let replaced = at(&row, j) + usize::from(a != *b);
            let mut least = replaced.min(at(&row, j + 1) + 1).min(at(&next, j) + 1);
            if let Some(k) = j.checked_sub(1)
                && last == Some(*b)
                && other.get(k) == Some(&a)
            {
                least = least.min(at(&before, k) + 1);
            }
            next.push(least);
        }
        before = core::mem::replace(&mut row, next);
        last = Some(a);
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        for (one, other, far) in [
            ("", "", 0),
            ("", "abc", 3),
            ("abc", "", 3),
            ("grant", "gratn", 1),
            ("revoke", "revok", 1),
            ("kitten", "sitting", 3),
            ("ü", "u", 1),
        ] {
            assert_eq!(distance(one, other), far, "{one} {other}");
        }
    }

    #[test]
    fn only_what_is_near() {
        let all = ["grant", "revoke", "ls", "ps"];
        assert_eq!(nearest("gratn", all), Some("grant"));
        assert_eq!(nearest("revok", all), Some("revoke"));
        assert_eq!(nearest("sl", all), Some("ls"));
        assert_eq!(nearest("wombat", all), None);
        assert_eq!(nearest("x", all), None);
    }
}
