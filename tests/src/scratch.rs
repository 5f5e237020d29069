// SPDX-License-Identifier: BSD-2-Clause
//! Directories for what a test makes.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process, thread};

/// An empty directory, which is removed unless the test fails.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    /// Makes one.
    ///
    /// # Panics
    /// When the system's directory for temporary files cannot be written.
    #[expect(
        clippy::new_without_default,
        reason = "it makes something outside the program"
    )]
    pub fn new() -> Self {
        static MADE: AtomicUsize = AtomicUsize::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let path = env::temp_dir().join(format!("atoll-system-tests-{}-{number}", process::id()));
        // Left over by a process that had the same id.
        let _ = fs::remove_dir_all(&path);
        fs::create_dir(&path).unwrap_or_else(|e| panic!("cannot make {}: {e}", path.display()));
        Self(path)
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    /// Writes a file; answers its path.
    ///
    /// # Panics
    /// When it cannot be written.
    #[track_caller]
    pub fn write(&self, name: &str, contents: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        write(&path, contents.as_ref());
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("The test's files are in {}", self.0.display());
        } else {
            // What stays is in the system's directory for temporary files.
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

#[track_caller]
fn write(path: &Path, contents: &[u8]) {
    if let Err(error) = fs::write(path, contents) {
        panic!("cannot write {}: {error}", path.display());
    }
}
