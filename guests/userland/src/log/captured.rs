// SPDX-License-Identifier: BSD-2-Clause
//! The macros of the log for a guest that is not granted `log`, and writes to a channel alone.
//!
//! A line goes where [`to_channel`](super::to_channel) or [`set_sink`](super::set_sink) says. One that is not taken
//! there is lost; the next that is taken says how many were.
//!
//! ```no_run
//! #![no_main]
//!
//! use userland::{channel::OpenError, log::{self, captured::info}, start::Start};
//!
//! #[userland::entrypoint]
//! fn main(start: Start) -> Result<(), OpenError> {
//!     log::to_channel(&start)?;
//!     info!("for whoever reads it");
//!     Ok(())
//! }
//! ```

pub use crate::{
    __captured_debug as debug, __captured_error as error, __captured_info as info,
    __captured_warn as warn,
};

#[doc(hidden)]
#[macro_export]
macro_rules! __captured_error {
    ($($arg:tt)+) => { $crate::__captured!($crate::Level::Error, $($arg)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __captured_warn {
    ($($arg:tt)+) => { $crate::__captured!($crate::Level::Warn, $($arg)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __captured_info {
    ($($arg:tt)+) => { $crate::__captured!($crate::Level::Info, $($arg)+) };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __captured_debug {
    ($($arg:tt)+) => { $crate::__captured!($crate::Level::Debug, $($arg)+) };
}

/// A line.
#[doc(hidden)]
#[macro_export]
macro_rules! __captured {
    ($level:expr, $($arg:tt)+) => {
        $crate::log::__write_captured($level, ::core::format_args!($($arg)+))
    };
}
