// SPDX-License-Identifier: BSD-2-Clause
//! Paths as a user writes them.

use alloc::{string::String, vec::Vec};

/// The path from the root that this one means in a directory: `.` and `..` are taken as they are written, and there
/// is nothing above the root. Begins with a slash, and ends with none unless it is the root.
pub fn resolve(directory: &str, path: &str) -> String {
    let from = if path.starts_with('/') { "" } else { directory };
    let mut names: Vec<&str> = Vec::new();
    for name in from.split('/').chain(path.split('/')) {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()),
            name => names.push(name),
        }
    }
    let mut path = String::from("/");
    for (n, name) in names.iter().enumerate() {
        if n > 0 {
            path.push('/');
        }
        path.push_str(name);
    }
    path
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_resolved() {
        for (directory, path, meant) in [
            ("/", "", "/"),
            ("/", "a", "/a"),
            ("/a/b", "c//d/", "/a/b/c/d"),
            ("/a/b", "../c", "/a/c"),
            ("/a", "../../../x", "/x"),
            ("/a", "/b/./c/..", "/b"),
        ] {
            assert_eq!(resolve(directory, path), meant, "{directory} {path}");
        }
    }
}
