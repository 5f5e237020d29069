// SPDX-License-Identifier: BSD-2-Clause
//! The console as it is, without names and times. Needs the grant `console`.
//!
//! ```no_run
//! use userland::{Error, console};
//!
//! fn greet() -> Result<(), Error> {
//!     console::write("Who is there?\n")
//! }
//! ```

use atoll_abi::{Error, MAX_TEXT};

use crate::{sys::memory, text::pieces};

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
/// [`Error::NotGranted`] if the grant was taken away.
pub fn write(text: &str) -> Result<(), Error> {
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
pub fn read(buffer: &mut [u8]) -> Result<usize, Error> {
    memory::typed(buffer).map(|len| len as usize)
}
