// SPDX-License-Identifier: BSD-2-Clause
//! Errors of invocations.

use core::fmt;

use crate::sys;

/// Result of an invocation.
pub type Result<T> = core::result::Result<T, Error>;

/// Why the kernel refused an invocation (seL4 manual, section 10.1, "Error Codes").
///
/// More detail is then in the first message registers of the IPC buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
pub enum Error {
    /// An argument is not acceptable; message register 0 has its number.
    InvalidArgument = sys::seL4_InvalidArgument as u32,
    /// A capability is missing or of the wrong kind; message register 0 has its number.
    InvalidCapability = sys::seL4_InvalidCapability as u32,
    /// The object does not have the invocation.
    IllegalOperation = sys::seL4_IllegalOperation as u32,
    /// An argument is out of range; message registers 0 and 1 have the limits.
    RangeError = sys::seL4_RangeError as u32,
    /// An address is not aligned.
    AlignmentError = sys::seL4_AlignmentError as u32,
    /// A capability address or a page table is missing.
    FailedLookup = sys::seL4_FailedLookup as u32,
    /// The message is shorter than the invocation needs.
    TruncatedMessage = sys::seL4_TruncatedMessage as u32,
    /// The destination is occupied.
    DeleteFirst = sys::seL4_DeleteFirst as u32,
    /// The object still has derived capabilities.
    RevokeFirst = sys::seL4_RevokeFirst as u32,
    /// The untyped memory is used up; message register 0 has the bytes that are left.
    NotEnoughMemory = sys::seL4_NotEnoughMemory as u32,
}

impl Error {
    const ALL: [Self; 10] = [
        Self::InvalidArgument,
        Self::InvalidCapability,
        Self::IllegalOperation,
        Self::RangeError,
        Self::AlignmentError,
        Self::FailedLookup,
        Self::TruncatedMessage,
        Self::DeleteFirst,
        Self::RevokeFirst,
        Self::NotEnoughMemory,
    ];

    /// The kernel's number.
    pub const fn into_sys(self) -> sys::seL4_Error {
        self as sys::seL4_Error
    }

    /// The error of a number; `None` for "no error" and for numbers that the kernel does not use.
    pub fn from_sys(error: sys::seL4_Error) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|known| known.into_sys() == error)
    }

    /// For numbers out of an `Err`. A number that is no kernel error can only be the label of a reply,
    /// which means that the capability was an endpoint and not the object that was meant.
    pub(crate) fn from_reply(error: sys::seL4_Error) -> Self {
        Self::from_sys(error).unwrap_or(Self::InvalidCapability)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::InvalidArgument => "invalid argument",
            Self::InvalidCapability => "invalid capability",
            Self::IllegalOperation => "illegal operation",
            Self::RangeError => "argument out of range",
            Self::AlignmentError => "address not aligned",
            Self::FailedLookup => "lookup failed",
            Self::TruncatedMessage => "message too short",
            Self::DeleteFirst => "destination not empty",
            Self::RevokeFirst => "object has derived capabilities",
            Self::NotEnoughMemory => "not enough untyped memory",
        })
    }
}

impl core::error::Error for Error {}
