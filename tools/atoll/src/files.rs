// SPDX-License-Identifier: BSD-2-Clause
//! Reading and writing files, with errors that name them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// Why a file could not be used.
#[derive(Debug, Error)]
#[error("cannot {doing} {}", path.display())]
pub struct FileError {
    doing: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FileError {
    /// What was tried with which file, and what came of it.
    pub fn new(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.into();
        Self {
            doing,
            path,
            source,
        }
    }
}

/// All of a file.
///
/// # Errors
/// It is not there, or not ours to read.
pub fn read(path: &Path) -> Result<Vec<u8>, FileError> {
    fs::read(path).map_err(|source| FileError::new("read", path, source))
}

/// Makes or replaces a file, and the directories above it. Whoever reads it sees the old contents
/// or the new ones, also when we are interrupted.
///
/// # Errors
/// No space, no permission, and so on.
pub fn write(path: &Path, bytes: &[u8]) -> Result<(), FileError> {
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent).map_err(|source| FileError::new("create", parent, source))?;
    }
    let mut name = path.as_os_str().to_owned();
    name.push(format!(".{}.new", std::process::id()));
    let temporary = PathBuf::from(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|source| {
        // Best effort: the error that matters is the one above.
        let _ = fs::remove_file(&temporary);
        FileError::new("write", path, source)
    })
}
