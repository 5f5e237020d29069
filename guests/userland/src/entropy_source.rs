// SPDX-License-Identifier: BSD-2-Clause
//! Feeding the server's generator of unpredictable bytes, for drivers of devices that have some. Needs the
//! grant `entropy_source`.
//!
//! ```no_run
//! use userland::{Error, entropy::{self, EntropySource}, entropy_source};
//!
//! fn seed(from_the_device: &[u8; 64]) -> Result<(), Error> {
//!     entropy_source::feed(from_the_device)?;
//!     assert_eq!(entropy::source()?, EntropySource::Device);
//!     Ok(())
//! }
//! ```

use atoll_abi::{Error, MAX_TRANSFER};

use crate::sys::memory;

/// Mixes the bytes into the generator. What it was seeded from before stays in it, so bytes that are
/// known, or chosen, make it no worse. It counts as a device's
/// ([`EntropySource::Device`](crate::entropy::EntropySource::Device)) when it was fed 32 bytes.
///
/// ```no_run
/// use userland::{Error, entropy_source};
///
/// fn stir(noise: &[u8]) -> Result<(), Error> {
///     entropy_source::feed(noise)
/// }
/// ```
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
pub fn feed(bytes: &[u8]) -> Result<(), Error> {
    bytes
        .chunks(MAX_TRANSFER as usize)
        .try_for_each(memory::feed)
}
