// SPDX-License-Identifier: BSD-2-Clause
//! The console.
//!
//! Where there is a console guest, a [`Terminal`] is a client's part of it: what it writes, what is typed for it. The
//! two functions in here are for a guest with the grant `console`, which needs none: text as it is, and what was
//! typed. Once a console guest has the serial line, what they write is shown line by line under the guest's name, and
//! nothing is typed for them.
//!
//! ```no_run
//! use userland::{Error, console};
//!
//! fn greet() -> Result<(), Error> {
//!     console::write("Who is there?\n")
//! }
//! ```

#[cfg(not(loom))]
mod terminal;

#[cfg(not(loom))]
pub use terminal::{Error, Mode, Reason, SWITCH, Status, Terminal, VIEW};

use atoll_abi::MAX_TEXT;

use crate::{Error as Refusal, sys::memory, text::pieces};

/// Writes text.
///
/// ```no_run
/// use userland::{Error, console};
///
/// fn prompt() -> Result<(), Error> {
///     console::write("> ")
/// }
/// ```
///
/// # Errors
/// [`NotGranted`](crate::Error::NotGranted) if the grant was taken away.
pub fn write(text: &str) -> Result<(), Refusal> {
    pieces(text, MAX_TEXT as usize).try_for_each(|piece| memory::print(piece.as_bytes()))
}

/// Takes what was typed since, as much as fits in the buffer; answers how much, which may be nothing.
/// Does not wait.
///
/// ```no_run
/// use userland::{Error, console};
///
/// /// Says again what is typed.
/// fn echo() -> Result<(), Error> {
///     let mut buffer = [0; 64];
///     let len = console::read(&mut buffer)?;
///     match core::str::from_utf8(&buffer[..len]) {
///         Ok(text) => console::write(text),
///         Err(_) => console::write("?"),
///     }
/// }
/// ```
///
/// # Errors
/// As [`write()`].
pub fn read(buffer: &mut [u8]) -> Result<usize, Refusal> {
    memory::typed(buffer).map(|len| len as usize)
}
