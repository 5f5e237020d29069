// SPDX-License-Identifier: BSD-2-Clause
//! The code in the tutorial is that of the guests that are built: a block whose first line is
//! ` ```LANGUAGE file=PATH ` is the file, or lines of it, word for word.
#![forbid(unsafe_code)]

use std::{fs, path::PathBuf};

const PAGES: &[&str] = &[
    "README.md",
    "docs/channels.md",
    "docs/demos.md",
    "docs/guests.md",
    "docs/supervision.md",
    "docs/tutorial.md",
];

fn read(path: &str) -> String {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The blocks of a page that name a file: the file, and the text.
fn blocks(page: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        let Some(info) = line.strip_prefix("```") else {
            continue;
        };
        let text: Vec<_> = lines.by_ref().take_while(|line| *line != "```").collect();
        if let Some(file) = info.split(' ').find_map(|word| word.strip_prefix("file=")) {
            found.push((file.to_owned(), text.join("\n") + "\n"));
        }
    }
    found
}

#[test]
fn pages_show_what_is_built() {
    for page in PAGES {
        let blocks = blocks(&read(page));
        assert!(!blocks.is_empty(), "{page} shows no file");
        for (file, text) in blocks {
            let whole = read(&file);
            let begins_a_line = |at| at == 0 || whole[..at].ends_with('\n');
            assert!(
                whole.find(&text).is_some_and(begins_a_line),
                "{page}: this is not in {file}:\n{text}"
            );
        }
    }
}

/// The first page keeps its word.
#[test]
fn the_first_guest_is_of_ten_lines() {
    let guest = read("guests/demos/hello/src/main.rs");
    assert_eq!(guest.lines().count(), 10);
    let shown = blocks(&read("docs/tutorial.md"));
    assert!(shown.iter().any(|(_, text)| *text == guest));
}
