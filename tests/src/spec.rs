// SPDX-License-Identifier: BSD-2-Clause
//! The text of a spec, to change it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::devices::{Devices, Forward, Net};
use crate::disks::make_file_system;
use crate::scratch::Scratch;

/// The text of a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SpecText(String);

impl SpecText {
    /// The default system's.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn default_system() -> Self {
        let path = default_path();
        match fs::read_to_string(&path) {
            Ok(text) => Self(text),
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        }
    }

    /// A demo's.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn of_demo(demo: &str) -> Self {
        let path = demo_path(demo);
        match fs::read_to_string(&path) {
            Ok(text) => Self(text),
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        }
    }

    /// One of the system tests'.
    ///
    /// # Panics
    /// When it cannot be read.
    pub fn of_tests(name: &str) -> Self {
        let path = test_path(name);
        match fs::read_to_string(&path) {
            Ok(text) => Self(text),
            Err(error) => panic!("cannot read {}: {error}", path.display()),
        }
    }

    /// Replaces a text that occurs once, whatever blanks are between its words.
    ///
    /// # Panics
    /// When it does not: then the test no longer fits the spec.
    #[track_caller]
    pub fn replace(mut self, from: &str, to: &str) -> Self {
        let starts = self.0.char_indices().map(|(start, _)| start);
        let places: Vec<_> = starts
            .filter_map(|start| Some(start..start + matching(&self.0[start..], from)?))
            .collect();
        let [place] = &places[..] else {
            panic!("`{from}` is in the spec {} times", places.len());
        };
        self.0.replace_range(place.clone(), to);
        self
    }

    /// Removes the lines with this text, of which there is at least one.
    ///
    /// # Panics
    /// When there is none: then the test no longer fits the spec.
    #[track_caller]
    pub fn without_lines(self, with: &str) -> Self {
        assert!(self.0.contains(with), "`{with}` is not in the spec");
        let kept = self.0.lines().filter(|line| !line.contains(with));
        Self(kept.flat_map(|line| [line, "\n"]).collect())
    }

    /// Number and text of the first line with this text.
    ///
    /// # Panics
    /// When there is none.
    #[track_caller]
    pub fn line_with(&self, text: &str) -> (usize, &str) {
        let mut lines = self.0.lines().enumerate();
        match lines.find(|(_, line)| line.contains(text)) {
            Some((index, line)) => (index + 1, line),
            None => panic!("`{text}` is not in the spec"),
        }
    }
}

impl AsRef<[u8]> for SpecText {
    fn as_ref(&self) -> &[u8] {
        self.0.as_bytes()
    }
}

/// How many bytes at the start of a text are this pattern, where any blanks are like any others.
fn matching(text: &str, pattern: &str) -> Option<usize> {
    let mut rest = text;
    let mut blanks = false;
    for part in pattern.split_inclusive(char::is_whitespace) {
        let word = part.trim_end();
        if !word.is_empty() {
            if blanks {
                let behind = rest.strip_prefix(char::is_whitespace)?;
                // All that it can be, at the start, is one of them.
                let between = rest.len() < text.len();
                rest = if between { behind.trim_start() } else { behind };
            }
            rest = rest.strip_prefix(word)?;
            blanks = false;
        }
        blanks |= part.len() > word.len();
    }
    // And so it is at the end.
    let end = if blanks {
        rest.strip_prefix(char::is_whitespace)?
    } else {
        rest
    };
    Some(text.len() - end.len())
}

/// Where the default system's spec is.
pub fn default_path() -> PathBuf {
    PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../capdl/specs/default.cdl"
    ))
}

/// The devices that the default system drives: those of `make run`, with a disk of their own.
pub fn default_devices(scratch: &Scratch) -> Devices {
    Devices {
        net: Some(Net::User(&[Forward::Tcp(80)])),
        disk: Some(default_disk(scratch).into()),
        rng: true,
        ..Devices::default()
    }
}

/// A disk as `make run` makes one.
///
/// # Panics
/// It cannot be made.
pub fn default_disk(scratch: &Scratch) -> PathBuf {
    let tree = scratch.path("default-disk");
    let site = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../guests/demos/http-server/files"
    );
    fs::create_dir_all(tree.join("files/docs")).expect("a directory");
    for file in ["index.html", "docs/files.txt"] {
        let to = tree.join("files").join(file);
        fs::copy(Path::new(site).join(file), to).expect("a file of the demo");
    }
    let disk = scratch.path("default-disk.img");
    make_file_system(
        &disk,
        "64M",
        &["-b", "4096", "-d", &tree.display().to_string()],
    );
    disk
}

/// Where the spec of a demo is.
pub fn demo_path(demo: &str) -> PathBuf {
    let specs = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../capdl/specs"));
    specs.join(format!("demo-{demo}.cdl"))
}

/// Where a spec of the system tests is.
pub fn test_path(name: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/specs")).join(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blanks_are_like_any_others() {
        let text = SpecText("  a   = ut (1\n bits)\n  b = ut\n".into());
        let text = text.replace("a = ut (1 bits)", "c").replace(" b  = ", "d ");
        assert_eq!(text.0, "  c\n d ut\n");
        assert_eq!(matching("ab", "a b"), None);
        assert_eq!(matching("a", "a "), None);
    }

    #[test]
    fn lines_are_replaced_and_removed() {
        let text = SpecText("one\ntwo\nthree\n".into());
        assert_eq!(text.line_with("ree"), (3, "three"));
        let text = text.replace("two", "2").without_lines("on");
        assert_eq!(text, SpecText("2\nthree\n".into()));
    }

    #[test]
    #[should_panic(expected = "`o` is in the spec 2 times")]
    fn replacing_what_occurs_twice_is_a_mistake() {
        let _ = SpecText("one\ntwo\n".into()).replace("o", "0");
    }
}
