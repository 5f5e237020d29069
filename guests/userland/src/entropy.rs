// SPDX-License-Identifier: BSD-2-Clause
//! Unpredictable bytes. Needs the grant `entropy`.

pub use atoll_abi::message::EntropySource;
use atoll_abi::{Error, MAX_TRANSFER};

use crate::sys::{calls, memory};

/// Fills the buffer.
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
pub fn fill(buffer: &mut [u8]) -> Result<(), Error> {
    buffer
        .chunks_mut(MAX_TRANSFER as usize)
        .try_for_each(memory::fill)
}

/// Where they come from: whether somebody who watches the machine may guess them.
///
/// # Errors
/// As [`fill`].
pub fn source() -> Result<EntropySource, Error> {
    calls::entropy::source()
}
