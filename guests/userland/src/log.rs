// SPDX-License-Identifier: BSD-2-Clause
//! The log. Needs the grant `log`.
//!
//! [`error!`](crate::error), [`warn!`](crate::warn), [`info!`](crate::info) and
//! [`debug!`](crate::debug) take what `format!` takes and need no heap. The server adds time and name.
//!
//! ```
//! use userland::{debug, info, warn};
//!
//! let (done, failed) = (40, 2);
//! info!("{done} jobs done");
//! if failed > 0 {
//!     warn!("{failed} jobs failed");
//! }
//! debug!("for developers: {:?}", (done, failed));
//! ```
//!
//! # Levels
//! The environment says which lines are wanted: `env: ["LOG=debug"]` in the spec, or what a parent gives with
//! [`Command::env`](crate::process::Command::env). It is one of `off`, `error`, `warn`, `info` and `debug`, and
//! `info` if there is none. A line that is not wanted is not formatted.
//!
//! # Where lines go
//! To the server, or to a sink that the guest sets ([`set_sink`]): what the guest fails with goes there, too.
//! A line that a sink does not take goes to the server, and so does one that a sink itself writes.
//!
//! With [`to_channel`] lines go to a channel, from which another guest reads them with a [`Collector`].

#[cfg(not(loom))]
pub mod captured;
#[cfg(not(loom))]
mod channel;
#[cfg(not(loom))]
mod collector;
mod filter;
mod sink;
#[cfg(all(test, not(loom)))]
mod tests;

use core::fmt::{self, Write as _};

use atoll_abi::{Level, MAX_TEXT};

use crate::{sys::memory, text::Text};

#[cfg(not(loom))]
pub use channel::{to_channel, to_region};
#[cfg(not(loom))]
pub use collector::{Collector, Entry};
pub use filter::{enabled, set_max_level};
pub use sink::{clear_sink, set_sink};

/// Writes a line, whichever levels are wanted; text beyond [`MAX_TEXT`] bytes is cut.
///
/// ```
/// use userland::{Level, log};
///
/// fn report(level: Level, code: u32) {
///     log::write(level, format_args!("ended with {code}"));
/// }
/// # report(Level::Info, 0);
/// ```
pub fn write(level: Level, line: fmt::Arguments<'_>) {
    format(line, |line| put(level, line));
}

/// Writes a line if its level is wanted; to the sink, or nowhere. So the guest needs no grant `log`. What becomes
/// of the macros in [`captured`].
#[doc(hidden)]
#[cfg(not(loom))]
pub fn __write_captured(level: Level, line: fmt::Arguments<'_>) {
    let put = |level, line: &str| {
        if !sink::takes(level, line) {
            channel::count_lost();
        }
    };
    if filter::enabled_or_tell(level, put) {
        format(line, |line| put(level, line));
    }
}

/// A line as text.
fn format(line: fmt::Arguments<'_>, write: impl FnOnce(&str)) {
    if let Some(line) = line.as_str() {
        write(line);
        return;
    }
    let mut text = Text::<{ MAX_TEXT as usize }>::new();
    // Text takes everything; an argument that fails itself leaves what it wrote so far.
    let _ = text.write_fmt(line);
    write(text.as_str());
}

/// Writes a line to the sink, or to the server.
pub(crate) fn put(level: Level, line: &str) {
    if !sink::takes(level, line) {
        // Refused only when the grant was taken away; there is nowhere else to say so.
        let _ = memory::log(level, line.as_bytes());
    }
}

/// Writes what the guest fails with to the sink. The server writes it in any case.
pub(crate) fn put_last(line: &str) {
    sink::takes(Level::Error, line);
}

/// Logs that something failed.
///
/// ```
/// userland::error!("no disk, and none to come");
/// ```
#[macro_export]
macro_rules! error {
    ($($arg:tt)+) => { $crate::__log!($crate::Level::Error, $($arg)+) };
}

/// Logs that something looks wrong.
///
/// ```
/// let tries = 3;
/// userland::warn!("no answer after {tries} tries");
/// ```
#[macro_export]
macro_rules! warn {
    ($($arg:tt)+) => { $crate::__log!($crate::Level::Warn, $($arg)+) };
}

/// Logs what a user wants to see.
///
/// ```
/// userland::info!("serving on port {}", 80);
/// ```
#[macro_export]
macro_rules! info {
    ($($arg:tt)+) => { $crate::__log!($crate::Level::Info, $($arg)+) };
}

/// Logs what a developer wants to see. Only with `LOG=debug`, see [`log`](mod@crate::log).
///
/// ```
/// let frame = [1, 2, 3];
/// userland::debug!("received {frame:?}");
/// ```
#[macro_export]
macro_rules! debug {
    ($($arg:tt)+) => { $crate::__log!($crate::Level::Debug, $($arg)+) };
}

/// A line, if its level is wanted.
#[doc(hidden)]
#[macro_export]
macro_rules! __log {
    ($level:expr, $($arg:tt)+) => {
        if $crate::log::enabled($level) {
            $crate::log::write($level, ::core::format_args!($($arg)+));
        }
    };
}
