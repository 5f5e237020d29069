// SPDX-License-Identifier: BSD-2-Clause
//! What the guests `ping` and `pong` agree on.
//!
//! They meet in the **link**, a channel that the spec gives both. Ping makes an **exchange**, a region
//! of its own, puts a token for it into the link as a numbered offer, and rings; pong takes the newest
//! offer up, says so and rings back. Either may come first, and either may come again: each listens
//! before it looks, and offers are told apart by their numbers. Messages then go through the exchange.
#![no_std]
#![forbid(unsafe_code)]

pub mod exchange;
pub mod link;

use core::fmt;

use userland::Error;

/// Why one of the two gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The spec does not give this.
    Missing(&'static str),
    /// The server refused something.
    Refused(Error),
    /// The link is of a peer of this other version.
    OtherVersion(u32),
    /// A message carries another number than the one whose turn it is.
    OutOfOrder {
        /// Whose turn it is.
        expected: u32,
        /// What it carries.
        found: u32,
    },
    /// The peer's sum of all messages is another than ours after this message.
    WrongChecksum(u32),
    /// No answer to this message for too long.
    NoAnswer(u32),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(what) => write!(f, "the spec gives me no {what}"),
            Self::Refused(error) => write!(f, "the server refused: {error}"),
            Self::OtherVersion(version) => {
                write!(
                    f,
                    "the link is of version {version}, I know {}",
                    link::VERSION
                )
            }
            Self::OutOfOrder { expected, found } => {
                write!(f, "message {found} came when it was the turn of {expected}")
            }
            Self::WrongChecksum(number) => write!(f, "wrong checksum after message {number}"),
            Self::NoAnswer(number) => write!(f, "no answer to message {number}"),
        }
    }
}
