// SPDX-License-Identifier: BSD-2-Clause
//! What can go wrong.

use core::fmt;

use super::wire;
use crate::{
    Error,
    channel::{OpenError, Taken},
};

/// Why a call has no reply.
///
/// ```
/// use userland::rpc::{CallError, Refusal};
///
/// /// Whether the service has not begun with it, so that it can be asked again.
/// fn is_untouched(error: CallError) -> bool {
///     error == CallError::Refused(Refusal::Busy)
/// }
/// # assert!(!is_untouched(CallError::TimedOut));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CallError {
    /// The service has ended or has closed the connection. Whether it had begun with the call is not known.
    /// See [`Client::reconnect`](super::Client::reconnect).
    Disconnected,
    /// The service says no.
    Refused(Refusal),
    /// There was no reply in time. The call is cancelled.
    TimedOut,
    /// The request is longer than the connection allows: see [`Options::longest`](super::Options::longest).
    TooLong,
    /// Requests of this type cannot be serialized.
    Unsupported,
    /// The reply is of another type.
    Undecodable,
}

/// Why a service did not answer.
///
/// ```
/// assert_eq!(userland::rpc::Refusal::Late.to_string(), "it came too late");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// There are as many calls, or connections, as the service allows this client or all of them.
    Busy,
    /// The request is of another type.
    Undecodable,
    /// The deadline was past: a client knows that as [`CallError::TimedOut`].
    Late,
    /// The service has dropped the request.
    Dropped,
    /// The reply is longer than the connection allows, or cannot be serialized.
    ReplyTooLong,
    /// The connection is not as this service can use it.
    Unsuitable,
    /// Something else: the service is of another version.
    Other(u32),
}

/// Why there is no connection.
///
/// ```
/// use userland::rpc::{ConnectError, Refusal};
///
/// /// Whether to try again later.
/// fn is_passing(error: ConnectError) -> bool {
///     matches!(error, ConnectError::TimedOut | ConnectError::Refused(Refusal::Busy))
/// }
/// # assert!(is_passing(ConnectError::TimedOut));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// The door is no channel of a service.
    Door(OpenError),
    /// The connection's own region cannot be made.
    Region(Error),
    /// There is no service, or it did not answer in time.
    TimedOut,
    /// The service says no.
    Refused(Refusal),
    /// The service is of another version.
    OtherVersion(u32),
}

/// Why a service cannot serve.
///
/// ```
/// assert_eq!(userland::rpc::ServeError::Taken.to_string(), "the door: another service has it");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServeError {
    /// The door is no channel of a service.
    Channel(OpenError),
    /// Another service has this door.
    Taken,
    /// The door was lost.
    Door(Error),
}

impl Refusal {
    pub(super) const fn number(self) -> u32 {
        match self {
            Self::Busy => 1,
            Self::Undecodable => 2,
            Self::Late => 3,
            Self::Dropped => 4,
            Self::ReplyTooLong => 5,
            Self::Unsuitable => 6,
            Self::Other(number) => number,
        }
    }

    pub(super) const fn from_number(number: u32) -> Self {
        match number {
            1 => Self::Busy,
            2 => Self::Undecodable,
            3 => Self::Late,
            4 => Self::Dropped,
            5 => Self::ReplyTooLong,
            6 => Self::Unsuitable,
            other => Self::Other(other),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Busy => "it is busy",
            Self::Undecodable => "the request is of another type",
            Self::Late => "it came too late",
            Self::Dropped => "the service has dropped it",
            Self::ReplyTooLong => "the reply does not fit",
            Self::Unsuitable => "the connection is too large, or of another make",
            Self::Other(number) => return write!(f, "reason {number}"),
        })
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Refused(why) => return write!(f, "the service refused the call: {why}"),
            Self::Disconnected => "the service has ended or closed the connection",
            Self::TimedOut => "there was no reply in time",
            Self::TooLong => "the request is longer than the connection allows",
            Self::Unsupported => "requests of this type cannot be serialized",
            Self::Undecodable => "the reply is of another type",
        })
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Door(error) => write!(f, "the service's door: {error}"),
            Self::Region(error) => write!(f, "a region for the connection: {error}"),
            Self::TimedOut => f.write_str("no service has answered in time"),
            Self::Refused(why) => write!(f, "the service refused the connection: {why}"),
            Self::OtherVersion(theirs) => write!(
                f,
                "the service speaks version {theirs}, and this guest {}",
                wire::VERSION
            ),
        }
    }
}

impl fmt::Display for ServeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => write!(f, "the door: {error}"),
            Self::Taken => f.write_str("the door: another service has it"),
            Self::Door(error) => write!(f, "the door: {error}"),
        }
    }
}

impl core::error::Error for Refusal {}
impl core::error::Error for CallError {}
impl core::error::Error for ConnectError {}
impl core::error::Error for ServeError {}

impl From<OpenError> for ServeError {
    fn from(error: OpenError) -> Self {
        Self::Channel(error)
    }
}

impl From<Taken> for ServeError {
    fn from(_: Taken) -> Self {
        Self::Taken
    }
}

impl From<OpenError> for ConnectError {
    fn from(error: OpenError) -> Self {
        Self::Door(error)
    }
}

impl From<crate::port::codec::EncodeError> for CallError {
    fn from(error: crate::port::codec::EncodeError) -> Self {
        use crate::port::codec::EncodeError;
        match error {
            EncodeError::TooLong => Self::TooLong,
            EncodeError::Unsupported => Self::Unsupported,
        }
    }
}
