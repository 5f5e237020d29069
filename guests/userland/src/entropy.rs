// SPDX-License-Identifier: BSD-2-Clause
//! Unpredictable bytes. Needs the grant `entropy`.
//!
//! ```no_run
//! use userland::{Error, entropy};
//!
//! fn dice() -> Result<u8, Error> {
//!     let mut byte = [0];
//!     entropy::fill(&mut byte)?;
//!     Ok(byte[0] % 6 + 1)
//! }
//! ```

pub use atoll_abi::message::EntropySource;
use atoll_abi::{Error, MAX_TRANSFER};

use crate::sys::{calls, memory};

/// Fills the buffer.
///
/// ```no_run
/// use userland::{Error, entropy};
///
/// fn key() -> Result<[u8; 32], Error> {
///     let mut key = [0; 32];
///     entropy::fill(&mut key)?;
///     Ok(key)
/// }
/// ```
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
/// ```no_run
/// use userland::{Error, entropy::{self, EntropySource}, warn};
///
/// fn check() -> Result<(), Error> {
///     if entropy::source()? == EntropySource::Seed {
///         warn!("keys made now can be guessed by who watches this machine");
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
/// As [`fill`].
pub fn source() -> Result<EntropySource, Error> {
    calls::entropy::source()
}
