// SPDX-License-Identifier: BSD-2-Clause
//! Why a command did not do what it was to do.

use alloc::string::{String, ToString as _};
use core::fmt;

use shell_language::Misuse;
use userland::channel::{Lost, OpenError, Taken};

/// What a command comes to.
pub type Done = Result<(), Failure>;

/// Why a command did not do what it was to do, for people.
#[derive(Debug)]
pub enum Failure {
    /// This.
    Said(String),
    /// It was used in the wrong way: its usage is shown, too.
    Misused(String),
    /// It failed, and nothing more is to be said: the process that it was has said it, or `false` was asked.
    Quiet,
    /// Nobody reads what it writes.
    Unread,
}

impl Failure {
    /// This.
    pub fn new(text: impl fmt::Display) -> Self {
        Self::Said(text.to_string())
    }

    /// The same, with what it is about in front.
    pub fn about(self, what: impl fmt::Display) -> Self {
        match self {
            Self::Said(text) => Self::Said(alloc::format!("{what}: {text}")),
            other => other,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Said(text) | Self::Misused(text) => f.write_str(text),
            Self::Quiet => f.write_str("failed"),
            Self::Unread => f.write_str("nobody reads what it writes"),
        }
    }
}

impl core::error::Error for Failure {}

impl From<Misuse> for Failure {
    fn from(misuse: Misuse) -> Self {
        Self::Misused(misuse.0)
    }
}

impl From<Lost> for Failure {
    fn from(lost: Lost) -> Self {
        match lost {
            Lost::Terminated | Lost::Gone => Self::Unread,
            Lost::Corrupt => Self::new(lost),
        }
    }
}

macro_rules! said {
    ($($error:ty),+ $(,)?) => {
        $(impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        })+
    };
}

said!(
    userland::Error,
    userland::console::Error,
    userland::fs::Error,
    userland::init::Error,
    userland::net::Error,
    userland::rpc::CallError,
    userland::rpc::ConnectError,
    userland::time::Elapsed,
    OpenError,
    Taken,
    http1::BadUrl,
);

/// Puts in front of a failure what it is about.
pub trait About<T> {
    /// The same, with this in front.
    fn about(self, what: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: Into<Failure>> About<T> for Result<T, E> {
    fn about(self, what: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| error.into().about(what))
    }
}
