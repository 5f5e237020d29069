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

            /// Its name, as in this documentation.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name),)+
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
    /// A table of the server, which all guests share, is full.
    TooMany = 4, "a table of the server is full";
    /// An argument is outside what the call takes.
    InvalidArgument = 5, "invalid argument";
    /// Nothing has this name.
    NotFound = 6, "not found";
    /// What the handle designated was taken away.
    Revoked = 7, "revoked";
    /// The deadline passed.
    TimedOut = 8, "timed out";
    /// No such share token, or one that was used up or withdrawn.
    BadToken = 9, "no such token";
    /// Somebody else has it, or it runs already.
    Busy = 10, "busy";
    /// The guest's linear memory cannot grow any further.
    NoAddressSpace = 11, "the linear memory cannot grow";
    /// The module was refused; the log says why.
    BadModule = 12, "the module was refused";
    /// The guest has as many handles as its limits allow.
    TooManyHandles = 13, "the limit of handles is reached";
    /// The guest has as many timers as its limits allow.
    TooManyTimers = 14, "the limit of timers is reached";
    /// The guest has made as many regions as its limits allow.
    TooManyRegions = 15, "the limit of regions is reached";
    /// The guest has as many windows as its limits allow.
    TooManyWindows = 16, "the limit of windows is reached";
    /// The guest has as many children as its limits allow.
    TooManyChildren = 17, "the limit of children is reached";
    /// The guest has as many share tokens out as its limits allow.
    TooManyTokens = 18, "the limit of share tokens is reached";
    /// As many guests listen, watch or stand by as one object can have.
    TooManyListeners = 19, "the limit of listeners is reached";
    /// The handle designates something that this call is not for.
    WrongKind = 20, "the capability is for something else";
    /// The guest has, or has any more, no grant of this hostcall group.
    NotGranted = 21, "the hostcall group is not granted";
    /// The guest's session does not entitle it to this.
    NotEntitled = 22, "the session does not entitle to this";
    /// The process has ended.
    Ended = 23, "the process has ended";
    /// The range is not inside the region.
    OutOfRange = 24, "the range is not inside the region";
    /// A child would have more of something than its parent may give.
    TooLarge = 25, "more than the caller may give";
    /// What the guest wrote into a virtqueue breaks the rules of virtio, or names memory that it may not use so. The device was reset, and its status says that it needs one.
    BadQueue = 26, "the virtqueue is broken";
    /// The device broke the rules of virtio. It was reset, and its status says that it needs one.
    DeviceFailed = 27, "the device failed";
    /// What was to be loaded is no signed module at all.
    NotAModule = 28, "not a signed module";
    /// The module is not as it was signed: something in it was altered.
    Altered = 29, "the module is not as it was signed";
    /// The module is signed with a key that the image does not trust.
    OtherKey = 30, "the module is signed with a key that is not trusted here";
    /// The module was compiled by another version of the host tool, or for other settings or another machine; the log says which.
    OtherCompiler = 31, "the module was compiled by another version of the host tool, or for other settings";
    /// The module ends before it says.
    CutShort = 32, "the module is cut short";
    /// The module has more bytes than any may.
    TooLong = 33, "the module is larger than any may be";
    /// The guest has as many modules loaded as its limits allow.
    TooManyModules = 34, "the limit of modules is reached";
    /// The server was given no power switch, or its kernel has none.
    NoSwitch = 35, "the kernel has no power switch";
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
