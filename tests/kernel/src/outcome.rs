// SPDX-License-Identifier: BSD-2-Clause
//! How a test ends.

use alloc::string::String;
use core::{fmt, panic::Location};

/// Nothing, or why the test failed.
pub type Outcome<T = ()> = Result<T, Failure>;

/// Why and where a test failed.
#[derive(Debug)]
pub struct Failure {
    reason: String,
    place: &'static Location<'static>,
}

impl Failure {
    #[track_caller]
    pub fn new(reason: String) -> Self {
        Self {
            reason,
            place: Location::caller(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} ({}:{})",
            self.reason,
            self.place.file(),
            self.place.line()
        )
    }
}

impl From<sel4::Error> for Failure {
    #[track_caller]
    fn from(error: sel4::Error) -> Self {
        Self::new(alloc::format!("{error}"))
    }
}

/// Fails the test unless the result is this error.
#[track_caller]
pub fn expect_error<T>(result: sel4::Result<T>, expected: sel4::Error) -> Outcome {
    match result {
        Err(error) if error == expected => Ok(()),
        Err(error) => Err(Failure::new(alloc::format!(
            "error is `{error}`, expected `{expected}`"
        ))),
        Ok(_) => Err(Failure::new(alloc::format!(
            "succeeded, expected `{expected}`"
        ))),
    }
}

/// Fails the test unless the condition holds.
macro_rules! check {
    ($condition:expr) => {
        if !$condition {
            return Err($crate::outcome::Failure::new(alloc::format!(
                "not true: {}",
                stringify!($condition)
            )));
        }
    };
}

/// Fails the test unless both values are equal.
macro_rules! check_eq {
    ($left:expr, $right:expr) => {{
        let (left, right) = ($left, $right);
        if left != right {
            return Err($crate::outcome::Failure::new(alloc::format!(
                "{} is {left:?}, expected {right:?}",
                stringify!($left)
            )));
        }
    }};
}

pub(crate) use {check, check_eq};
