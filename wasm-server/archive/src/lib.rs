// SPDX-License-Identifier: BSD-2-Clause
//! The signed archive of ahead-of-time compiled modules.
//!
//! An artifact is native code, and the server runs what it is given; so it takes artifacts only from
//! here, after a signature over the table and a hash over the artifact held. [`Verified`], which
//! only an [`Archive`] makes, carries that fact to the place that loads the code.
//!
//! # Format
//! Integers are little endian.
//!
//! | bytes | what |
//! |---|---|
//! | 0..8 | [`MAGIC`] |
//! | 8..12 | [`VERSION`] |
//! | 12..16 | length of the table, in bytes |
//! | 16..24 | length of the archive, in bytes |
//! | 24..56 | the ed25519 public key that it is signed with |
//! | 56.. | the table: number of entries, then the entries, in postcard |
//! | | ed25519 signature of all bytes before it |
//! | | zeros up to a page boundary, then the artifacts, each padded with zeros to whole pages |
//!
//! Entries are sorted by name; artifacts lie in the same order without gaps. The hash of an entry
//! covers whole pages, padding included, since pages are what gets mapped executable. So every bit
//! of an archive is covered by the signature, by a hash, or required to be zero.
//!
//! The boot archive holds the modules of an image. A module that is loaded while the system runs is an
//! archive, too, of [one module](Archive::only): there is one format, and one verifier.
#![no_std]
#![forbid(unsafe_code)]

use ed25519_dalek::{Signature, VerifyingKey};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[cfg(feature = "write")]
mod write;
#[cfg(feature = "write")]
pub use write::{WriteError, Writer};

/// First bytes of an archive.
pub const MAGIC: [u8; 8] = *b"ATOLLARC";
/// Changes whenever the format does.
pub const VERSION: u32 = 2;
/// Artifacts start at multiples of this, so that their pages can be mapped without copying.
pub const PAGE: usize = 4096;

const HEADER_BYTES: usize = 56;
const SIGNATURE_BYTES: usize = 64;

/// Why an archive, or a module of it, was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ArchiveError {
    /// It does not start with [`MAGIC`].
    #[error("not a module archive")]
    NotAnArchive,
    /// It was made by a tool of another build.
    #[error("the archive has format {0}, expected {VERSION}")]
    OtherVersion(u32),
    /// It ends before its header says.
    #[error("the archive is cut short")]
    Truncated,
    /// It goes on after its header says that it ends.
    #[error("there are bytes behind the end of the archive")]
    TrailingBytes,
    /// It names another key than the one that was asked for.
    #[error("the archive is signed with another key")]
    OtherKey,
    /// The key to check with is no ed25519 public key.
    #[error("the key to check the archive with is not an ed25519 public key")]
    BadKey,
    /// The signature does not fit header and table.
    #[error("the signature of the archive does not fit its contents")]
    BadSignature,
    /// The table is not one that the writer makes, although it is signed.
    #[error("the table of the archive is malformed")]
    BadTable,
    /// There are bits set where zeros are expected.
    #[error("the padding of the archive is not zero")]
    BadPadding,
    /// There is no module of this name.
    #[error("the archive has no module of this name")]
    NoSuchModule,
    /// It should hold one module, and holds none, or several.
    #[error("the archive should hold one module, and holds {0}")]
    NotOne(u32),
    /// The bytes of a module are not those that were signed.
    #[error("the hash of the module does not fit its contents")]
    BadHash,
}

/// One module, as the table describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry<'a> {
    /// Its name; the spec refers to modules by it.
    pub name: &'a str,
    /// Which of those of this name it is, for people; may be empty.
    pub version: &'a str,
    /// Where its artifact starts, in bytes from the start of the archive; a multiple of [`PAGE`].
    pub offset: u64,
    /// Bytes of the artifact, without the padding of its last page.
    pub len: u64,
    /// SHA-256 of its pages.
    pub sha256: [u8; 32],
}

/// An archive whose signature holds.
#[derive(Clone, Copy, Debug)]
pub struct Archive<'a> {
    bytes: &'a [u8],
    /// The encoded entries, each of which has been decoded and checked once.
    entries: &'a [u8],
    count: u32,
}

/// The artifact of a module, found to be what the holder of the key signed.
///
/// Only an [`Archive`] makes one.
#[derive(Clone, Copy, Debug)]
pub struct Verified<'a> {
    name: &'a str,
    version: &'a str,
    bytes: &'a [u8],
    offset: usize,
}

impl<'a> Verified<'a> {
    /// The module's name.
    pub fn name(&self) -> &'a str {
        self.name
    }

    /// The module's version, or nothing.
    pub fn version(&self) -> &'a str {
        self.version
    }

    /// The artifact.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Where the artifact starts in the archive; a multiple of [`PAGE`].
    pub fn offset(&self) -> usize {
        self.offset
    }
}

impl<'a> Archive<'a> {
    /// Checks the signature, then the table. Artifacts are checked when they are asked for.
    ///
    /// # Errors
    /// Every [`ArchiveError`] but `NoSuchModule`, `NotOne` and `BadHash`.
    pub fn open(bytes: &'a [u8], public_key: &[u8; 32]) -> Result<Self, ArchiveError> {
        if !bytes.starts_with(&MAGIC) {
            // A prefix of an archive is a truncated one, not another kind of file.
            let truncated = bytes.len() < MAGIC.len() && MAGIC.starts_with(bytes);
            return Err(if truncated {
                ArchiveError::Truncated
            } else {
                ArchiveError::NotAnArchive
            });
        }
        let version = u32::from_le_bytes(field(bytes, 8)?);
        if version != VERSION {
            return Err(ArchiveError::OtherVersion(version));
        }
        let table_len = u32::from_le_bytes(field(bytes, 12)?);
        let total = u64::from_le_bytes(field(bytes, 16)?);
        let key: [u8; 32] = field(bytes, 24)?;
        if key != *public_key {
            return Err(ArchiveError::OtherKey);
        }
        let len = bytes.len() as u64;
        if len < total {
            return Err(ArchiveError::Truncated);
        }
        if len > total {
            return Err(ArchiveError::TrailingBytes);
        }
        let verifying_key =
            VerifyingKey::from_bytes(public_key).map_err(|_| ArchiveError::BadKey)?;

        // The signature comes before anything is made of what the header says, except for the two
        // lengths, which only lead to errors.
        let signed = usize::try_from(table_len)
            .ok()
            .and_then(|len| len.checked_add(HEADER_BYTES))
            .ok_or(ArchiveError::Truncated)?;
        let message = bytes.get(..signed).ok_or(ArchiveError::Truncated)?;
        let signature = Signature::from_bytes(&field(bytes, signed)?);
        verifying_key
            .verify_strict(message, &signature)
            .map_err(|_| ArchiveError::BadSignature)?;

        let table = message.get(HEADER_BYTES..).ok_or(ArchiveError::BadTable)?;
        let (count, entries) =
            postcard::take_from_bytes(table).map_err(|_| ArchiveError::BadTable)?;
        let archive = Self {
            bytes,
            entries,
            count,
        };
        archive.check_layout(signed + SIGNATURE_BYTES)?;
        Ok(archive)
    }

    /// Checks what the format promises about names and offsets, given where the signature ends.
    fn check_layout(&self, signature_end: usize) -> Result<(), ArchiveError> {
        let data = pages(signature_end as u64).ok_or(ArchiveError::BadTable)?;
        let padding = usize::try_from(data)
            .ok()
            .and_then(|data| self.bytes.get(signature_end..data))
            .ok_or(ArchiveError::Truncated)?;
        if padding.iter().any(|&byte| byte != 0) {
            return Err(ArchiveError::BadPadding);
        }

        let mut rest = self.entries;
        let mut next = data;
        let mut last_name = None;
        for _ in 0..self.count {
            let (entry, after) =
                postcard::take_from_bytes::<Entry>(rest).map_err(|_| ArchiveError::BadTable)?;
            let sorted = last_name.is_none_or(|last| last < entry.name);
            if entry.name.is_empty() || !sorted || entry.offset != next {
                return Err(ArchiveError::BadTable);
            }
            last_name = Some(entry.name);
            next = pages(entry.len)
                .and_then(|len| next.checked_add(len))
                .ok_or(ArchiveError::BadTable)?;
            rest = after;
        }
        if !rest.is_empty() || next != self.bytes.len() as u64 {
            return Err(ArchiveError::BadTable);
        }
        Ok(())
    }

    /// What the table says, sorted by name.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'a>> + use<'a> {
        let mut rest = self.entries;
        (0..self.count).map_while(move |_| {
            let (entry, after) = postcard::take_from_bytes(rest).ok()?;
            rest = after;
            Some(entry)
        })
    }

    /// The module of this name, after its hash was compared.
    ///
    /// # Errors
    /// [`ArchiveError::NoSuchModule`] or [`ArchiveError::BadHash`].
    pub fn module(&self, name: &str) -> Result<Verified<'a>, ArchiveError> {
        let entry = self
            .entries()
            .find(|entry| entry.name == name)
            .ok_or(ArchiveError::NoSuchModule)?;
        self.verify(entry)
    }

    /// The one module that there is, after its hash was compared.
    ///
    /// # Errors
    /// [`ArchiveError::NotOne`] or [`ArchiveError::BadHash`].
    pub fn only(&self) -> Result<Verified<'a>, ArchiveError> {
        let mut entries = self.entries();
        match (entries.next(), entries.next()) {
            (Some(entry), None) => self.verify(entry),
            _ => Err(ArchiveError::NotOne(self.count)),
        }
    }

    fn verify(&self, entry: Entry<'a>) -> Result<Verified<'a>, ArchiveError> {
        let (Ok(offset), Ok(len)) = (usize::try_from(entry.offset), usize::try_from(entry.len))
        else {
            return Err(ArchiveError::Truncated);
        };
        let rest = self.bytes.get(offset..).ok_or(ArchiveError::Truncated)?;
        let padded = rest
            .get(..len.next_multiple_of(PAGE))
            .ok_or(ArchiveError::Truncated)?;
        if Sha256::digest(padded)[..] != entry.sha256 {
            return Err(ArchiveError::BadHash);
        }
        let bytes = padded.get(..len).ok_or(ArchiveError::Truncated)?;
        Ok(Verified {
            name: entry.name,
            version: entry.version,
            bytes,
            offset,
        })
    }
}

/// The `N` bytes at `offset`.
fn field<const N: usize>(bytes: &[u8], offset: usize) -> Result<[u8; N], ArchiveError> {
    bytes
        .get(offset..)
        .and_then(|rest| rest.first_chunk())
        .copied()
        .ok_or(ArchiveError::Truncated)
}

/// `len` rounded up to whole pages.
fn pages(len: u64) -> Option<u64> {
    len.checked_next_multiple_of(PAGE as u64)
}

#[cfg(test)]
mod tests;
