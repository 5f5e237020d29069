// SPDX-License-Identifier: BSD-2-Clause
//! Whether a promise holds, and if not, where that was seen.

use alloc::string::{String, ToString};
use core::{fmt, panic::Location};

use userland::Error;

/// A promise that does not hold, or something that had to be and was not.
#[derive(Clone, Debug)]
pub struct Fault {
    text: String,
    place: &'static Location<'static>,
}

/// What looks at a promise answers.
pub type Verdict<T = ()> = Result<T, Fault>;

impl Fault {
    /// With this text, seen where this is called.
    #[track_caller]
    pub fn new(text: impl fmt::Display) -> Self {
        Self {
            text: text.to_string(),
            place: Location::caller(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, at {}", self.text, self.place)
    }
}

impl From<Error> for Fault {
    #[track_caller]
    fn from(error: Error) -> Self {
        Self::new(error)
    }
}

/// A refusal with this error, and no other.
///
/// # Errors
/// It was none.
#[cfg(target_family = "wasm")]
#[track_caller]
pub fn refused<T>(result: Result<T, Error>, wanted: Error) -> Verdict {
    match result {
        Err(error) if error == wanted => Ok(()),
        Err(error) => Err(Fault::new(alloc::format!(
            "{}, where {} was due",
            error.name(),
            wanted.name()
        ))),
        Ok(_) => Err(Fault::new(alloc::format!(
            "no refusal, where {} was due",
            wanted.name()
        ))),
    }
}

/// Returns with a [`Fault`] unless the condition holds.
#[macro_export]
macro_rules! ensure {
    ($condition:expr, $($text:tt)+) => {
        if !$condition {
            return Err($crate::Fault::new(format_args!($($text)+)));
        }
    };
}
