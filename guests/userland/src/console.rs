// SPDX-License-Identifier: BSD-2-Clause
//! The console as it is, without names and times. Needs the grant `console`.

use atoll_abi::{Error, MAX_TEXT};

use crate::{sys::memory, text::pieces};

/// Writes text.
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
pub fn write(text: &str) -> Result<(), Error> {
    pieces(text, MAX_TEXT as usize).try_for_each(|piece| memory::print(piece.as_bytes()))
}

/// Takes what was typed since, as much as fits in the buffer; answers how much, which may be nothing.
/// Does not wait.
///
/// # Errors
/// As [`write`].
pub fn read(buffer: &mut [u8]) -> Result<usize, Error> {
    memory::typed(buffer).map(|len| len as usize)
}
