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

    /// Replaces a text that occurs once.
    ///
    /// # Panics
    /// When it does not: then the test no longer fits the spec.
    #[track_caller]
    pub fn replace(self, from: &str, to: &str) -> Self {
        assert_eq!(self.0.matches(from).count(), 1, "`{from}` in the spec");
        Self(self.0.replacen(from, to, 1))
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
    fn lines_are_replaced_and_removed() {
        let text = SpecText("one\ntwo\nthree\n".into());
        assert_eq!(text.line_with("ree"), (3, "three"));
        let text = text.replace("two", "2").without_lines("on");
        assert_eq!(text, SpecText("2\nthree\n".into()));
    }

    #[test]
    #[should_panic(expected = "`o` in the spec")]
    fn replacing_what_occurs_twice_is_a_mistake() {
        let _ = SpecText("one\ntwo\n".into()).replace("o", "0");
    }
}
