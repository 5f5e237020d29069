// SPDX-License-Identifier: BSD-2-Clause
//! Why the interface files could not be turned into Rust.

use std::fmt;

/// What was wrong, ready to be shown to the person who runs the build.
#[derive(Debug)]
pub struct Error(String);

/// Shorthand for results of this crate.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(message: impl Into<String>) -> Self {
        Error(message.into())
    }

    /// The same error with the place where it was found put in front.
    pub(crate) fn at(self, place: impl fmt::Display) -> Self {
        Error(format!("{place}: {}", self.0))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Error {}
