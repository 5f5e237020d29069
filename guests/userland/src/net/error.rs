// SPDX-License-Identifier: BSD-2-Clause
//! What can go wrong.

use core::fmt;

use super::Reason;
use crate::{
    channel::{DuplexError, OpenError},
    rpc::{CallError, ConnectError},
};

/// Why something did not work.
///
/// ```
/// use userland::net::{Error, Reason};
///
/// /// Whether to try again later.
/// fn is_passing(error: Error) -> bool {
///     matches!(error, Error::Net(Reason::TimedOut | Reason::NotConfigured | Reason::TooManySockets))
/// }
/// # assert!(!is_passing(Error::Net(Reason::NotAllowed)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The net guest does not do it, or the connection has ended.
    Net(Reason),
    /// This guest has no region under the name of the door.
    NoDoor,
    /// There is no connection with the net guest.
    Connect(ConnectError),
    /// The net guest did not answer.
    Call(CallError),
    /// A buffer cannot be made.
    Buffer(crate::Error),
    /// The net guest is gone.
    Gone,
    /// This guest has ended its direction of the connection already.
    Ended,
    /// The datagram is longer than one can be.
    TooLong,
    /// The net guest has said or done what it cannot: it is of another version.
    Unexpected,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Net(reason) => return reason.fmt(f),
            Self::Connect(error) => return write!(f, "the net guest: {error}"),
            Self::Call(error) => return write!(f, "the net guest: {error}"),
            Self::Buffer(error) => return write!(f, "a buffer for the connection: {error}"),
            Self::NoDoor => {
                "there is no such slot; let the spec give this guest a channel with the net guest"
            }
            Self::Gone => "the net guest is gone",
            Self::Ended => "this direction of the connection has been ended",
            Self::TooLong => "the datagram is too long",
            Self::Unexpected => "the net guest is of another version",
        })
    }
}

impl core::error::Error for Error {}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::Net(reason)
    }
}

impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Connect(error)
    }
}

impl From<CallError> for Error {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl From<crate::Error> for Error {
    fn from(error: crate::Error) -> Self {
        Self::Buffer(error)
    }
}

impl From<OpenError> for Error {
    fn from(error: OpenError) -> Self {
        match error {
            OpenError::Region(error) => Self::Buffer(error),
            // What this guest has made cannot be otherwise, unless somebody else writes there.
            _ => Self::Unexpected,
        }
    }
}

impl From<DuplexError> for Error {
    fn from(error: DuplexError) -> Self {
        match error {
            DuplexError::Open(error) => error.into(),
            DuplexError::Taken => Self::Unexpected,
        }
    }
}
