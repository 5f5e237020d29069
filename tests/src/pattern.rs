// SPDX-License-Identifier: BSD-2-Clause
//! What tests look for in a line.

/// Whether a line contains the pattern, in which `*` stands for any text.
pub fn matches(line: &str, pattern: &str) -> bool {
    let mut rest = line;
    // The leftmost place of each part leaves most room for those behind it.
    pattern.split('*').all(|part| match rest.find(part) {
        Some(at) => {
            rest = &rest[at + part.len()..];
            true
        }
        None => false,
    })
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn parts_are_found_in_order_and_without_overlap() {
        assert!(matches(
            "[ 0.1] ping: 7 rounds, checksum ok",
            "ping: * checksum ok"
        ));
        assert!(matches("abc", "b"));
        assert!(matches("abc", ""));
        assert!(!matches("abc", "c*b"));
        assert!(!matches("aba", "ab*ba"));
        assert!(!matches("abc", "abcd"));
    }
}
