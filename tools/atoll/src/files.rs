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

/// The files of a directory with this ending, sorted.
///
/// # Errors
/// The directory cannot be read.
pub fn list(directory: &Path, ending: &str) -> Result<Vec<PathBuf>, FileError> {
    let failed = |source| FileError::new("read", directory, source);
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if path
            .extension()
            .is_some_and(|extension| extension == ending)
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// A directory for one test, removed behind it.
    pub struct Scratch(PathBuf);

    impl Scratch {
        /// Makes it. `name` tells it from those of other tests.
        pub fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("atoll-{}-{name}", std::process::id()));
            fs::create_dir_all(&path).unwrap();
            Self(path)
        }

        /// A path in it.
        pub fn path(&self, name: &str) -> PathBuf {
            self.0.join(name)
        }
    }

    impl Drop for Scratch {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn files_are_written_whole_and_listed_in_order() {
        let scratch = Scratch::new("files");
        for name in ["d/b.x", "d/a.x", "d/c.y"] {
            write(&scratch.path(name), name.as_bytes()).unwrap();
        }
        write(&scratch.path("d/a.x"), b"again").unwrap();
        assert_eq!(read(&scratch.path("d/a.x")).unwrap(), b"again");
        let listed = list(&scratch.path("d"), "x").unwrap();
        assert_eq!(listed, [scratch.path("d/a.x"), scratch.path("d/b.x")]);
        assert_eq!(fs::read_dir(scratch.path("d")).unwrap().count(), 3);
    }

    #[test]
    fn errors_name_the_file() {
        let error = read(Path::new("no/such/file")).unwrap_err();
        assert_eq!(error.to_string(), "cannot read no/such/file");
    }
}
