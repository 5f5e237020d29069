// SPDX-License-Identifier: BSD-2-Clause
//! Errors of services: an enum each, with numbers that are stable on the wire.

/// Declares the enum `Error` of a service: its documentation, what the service is called, and each error with its
/// number and its text. One of a later version is kept as `Other`.
macro_rules! service_errors {
    (
        $(#[doc = $about:literal])+ $service:literal;
        $($(#[doc = $doc:literal])+ $name:ident = $number:literal, $text:literal;)+
    ) => {
        $(#[doc = $about])+
        ///
        /// On the wire it is its number, which is stable.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
        #[serde(from = "u32", into = "u32")]
        #[non_exhaustive]
        pub enum Error {
            $($(#[doc = $doc])+ $name,)+
            /// One of a later version, with this number.
            Other(u32),
        }

        impl Error {
            /// Every error that has a name.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// Its number.
            pub const fn number(self) -> u32 {
                match self {
                    $(Self::$name => $number,)+
                    Self::Other(number) => number,
                }
            }

            /// The error with this number.
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$name,)+
                    other => Self::Other(other),
                }
            }
        }

        impl core::fmt::Display for Error {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                f.write_str(match self {
                    $(Self::$name => $text,)+
                    Self::Other(number) => return write!(f, concat!("error {} of ", $service), number),
                })
            }
        }

        impl core::error::Error for Error {}

        impl From<u32> for Error {
            fn from(number: u32) -> Self {
                Self::from_number(number)
            }
        }

        impl From<Error> for u32 {
            fn from(error: Error) -> Self {
                error.number()
            }
        }
    };
}

pub(crate) use service_errors;
