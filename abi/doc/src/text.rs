// SPDX-License-Identifier: BSD-2-Clause
//! Names and lines.

/// `NoMemory` as `NO_MEMORY`.
pub(crate) fn upper(camel: &str) -> String {
    lower(camel).to_ascii_uppercase()
}

/// `NoMemory` as `no_memory`.
pub(crate) fn lower(camel: &str) -> String {
    let mut name = String::new();
    for letter in camel.chars() {
        if letter.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(letter.to_ascii_lowercase());
    }
    name
}

/// The text in lines of at most `width` characters, if its words allow.
pub(crate) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.into()),
        }
    }
    lines
}

/// A type as people write it: the compiler puts spaces where it likes.
pub(crate) fn tidy(ty: &str) -> String {
    let dense: String = ty.split_whitespace().collect();
    dense.replace(',', ", ").replace(';', "; ")
}

/// A number for people: those with many bits in hexadecimal.
pub(crate) fn number(value: u64) -> String {
    if value < 1 << 31 {
        value.to_string()
    } else {
        format!("{value:#x}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_c() {
        assert_eq!(upper("NoMemory"), "NO_MEMORY");
        assert_eq!(lower("Denied"), "denied");
    }

    #[test]
    fn lines_are_cut_between_words() {
        assert_eq!(wrapped(" a bc  def g", 4), ["a bc", "def", "g"]);
        assert_eq!(wrapped("abcdef g", 4), ["abcdef", "g"]);
        assert_eq!(wrapped("", 4), [""; 0]);
    }

    #[test]
    fn spaces_of_types() {
        assert_eq!(tidy("Option < Vec < Name , N > >"), "Option<Vec<Name, N>>");
        assert_eq!(tidy("[u8 ; 16]"), "[u8; 16]");
    }

    #[test]
    fn numbers() {
        assert_eq!(number(65536), "65536");
        assert_eq!(number(u64::MAX), "0xffffffffffffffff");
    }
}
