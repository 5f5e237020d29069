// SPDX-License-Identifier: BSD-2-Clause
//! What can go wrong.

use core::fmt;

use super::Reason;
use crate::rpc::{CallError, ConnectError};

/// Why something did not work.
///
/// ```
/// use userland::fs::{Error, Reason};
///
/// /// Whether to make it.
/// fn is_missing(error: Error) -> bool {
///     error == Reason::NotFound.into()
/// }
/// # assert!(!is_missing(Error::Gone));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The fs guest does not do it.
    Fs(Reason),
    /// This guest has no region under the name of the door.
    NoDoor,
    /// The spec gives this guest no directory of this name.
    NoRoot,
    /// There is no connection with the fs guest.
    Connect(ConnectError),
    /// The fs guest did not answer.
    Call(CallError),
    /// A buffer cannot be made or used.
    Buffer(crate::Error),
    /// The fs guest was started again, and what was open is not there any more.
    Gone,
    /// The fs guest has said or done what it cannot: it is of another version.
    Unexpected,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fs(reason) => return reason.fmt(f),
            Self::Connect(error) => return write!(f, "the fs guest: {error}"),
            Self::Call(error) => return write!(f, "the fs guest: {error}"),
            Self::Buffer(error) => return write!(f, "a buffer: {error}"),
            Self::NoDoor => {
                "there is no such slot; let the spec give this guest a channel with the fs guest"
            }
            Self::NoRoot => "the fs guest's arguments give this guest no directory of this name",
            Self::Gone => "what was open is not there any more",
            Self::Unexpected => "the fs guest is of another version",
        })
    }
}

impl core::error::Error for Error {}

impl From<Reason> for Error {
    fn from(reason: Reason) -> Self {
        Self::Fs(reason)
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
