// SPDX-License-Identifier: BSD-2-Clause
//! Refusals: what a hostcall answers when it will not do what was asked.

use core::fmt;

macro_rules! errors {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal;)+) => {
        /// Why a hostcall refused. The numbers are stable: they are part of the ABI.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
        #[repr(u32)]
        #[non_exhaustive]
        pub enum Error {
            $($(#[doc = $doc])+ $name = $number,)+
        }

        impl Error {
            /// Every error.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its number.
            pub const fn number(self) -> u32 {
                self as u32
            }

            /// The error with this number.
            pub const fn from_number(number: u32) -> Option<Self> {
                match number {
                    $($number => Some(Self::$name),)+
                    _ => None,
                }
            }
        }

        impl fmt::Display for Error {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                })
            }
        }
    };
}

errors! {
    /// The handle lacks a right that the call needs.
    Denied = 1, "the capability lacks this right";
    /// No such handle, or one whose entry was given to something else since.
    BadHandle = 2, "no such handle";
    /// The guest's memory budget is spent.
    NoMemory = 3, "the memory budget is spent";
    /// A table of the guest is full: handles, windows, listeners or tokens.
    TooMany = 4, "the table is full";
    /// An argument is outside what the call takes.
    InvalidArgument = 5, "invalid argument";
    /// Nothing has this name.
    NotFound = 6, "not found";
    /// What the handle designated was taken away.
    Revoked = 7, "revoked";
    /// The deadline passed.
    TimedOut = 8, "timed out";
    /// No such share token, or one that was used up.
    BadToken = 9, "no such token";
    /// It runs already.
    Busy = 10, "busy";
    /// The guest's linear memory cannot grow any further.
    NoAddressSpace = 11, "the linear memory cannot grow";
    /// The module was refused; the log says why.
    BadModule = 12, "the module was refused";
}

impl core::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::Error;

    #[test]
    fn numbers_round_trip_and_are_distinct() {
        for &error in Error::ALL {
            assert_eq!(Error::from_number(error.number()), Some(error));
        }
        assert_eq!(Error::from_number(0), None);
    }
}
