// SPDX-License-Identifier: BSD-2-Clause
//! The log. Needs the grant `log`.
//!
//! [`error!`](crate::error), [`warn!`](crate::warn), [`info!`](crate::info) and
//! [`debug!`](crate::debug) take what `format!` takes and need no heap. The server adds time and name.

use core::fmt::{self, Write as _};

use atoll_abi::{Level, MAX_TEXT};

use crate::{sys::memory, text::Text};

/// Writes a line; text beyond [`MAX_TEXT`] bytes is cut.
pub fn write(level: Level, line: fmt::Arguments<'_>) {
    if let Some(line) = line.as_str() {
        put(level, line.as_bytes());
        return;
    }
    let mut text = Text::<{ MAX_TEXT as usize }>::new();
    // Text takes everything; an argument that fails itself leaves what it wrote so far.
    let _ = text.write_fmt(line);
    put(level, text.as_bytes());
}

fn put(level: Level, line: &[u8]) {
    // Refused only when the grant was taken away; there is nowhere else to say so.
    let _ = memory::log(level, line);
}

/// Logs that something failed.
#[macro_export]
macro_rules! error {
    ($($arg:tt)+) => { $crate::log::write($crate::Level::Error, ::core::format_args!($($arg)+)) };
}

/// Logs that something looks wrong.
#[macro_export]
macro_rules! warn {
    ($($arg:tt)+) => { $crate::log::write($crate::Level::Warn, ::core::format_args!($($arg)+)) };
}

/// Logs what a user wants to see.
#[macro_export]
macro_rules! info {
    ($($arg:tt)+) => { $crate::log::write($crate::Level::Info, ::core::format_args!($($arg)+)) };
}

/// Logs what a developer wants to see.
#[macro_export]
macro_rules! debug {
    ($($arg:tt)+) => { $crate::log::write($crate::Level::Debug, ::core::format_args!($($arg)+)) };
}
