// SPDX-License-Identifier: BSD-2-Clause
//! What can go wrong.

use core::fmt;

use crate::DiskError;

/// Why an operation was not done. Then nothing of it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The disk failed.
    Disk(DiskError),
    /// The file system contradicts itself here: it needs a check with `e2fsck`.
    Corrupt(&'static str),
    /// There is no entry of this name.
    NotFound,
    /// There is one already.
    Exists,
    /// It is no directory, and one is needed.
    NotDirectory,
    /// It is a directory, and none is wanted.
    IsDirectory,
    /// The directory has entries.
    NotEmpty,
    /// It is no regular file, or no symbolic link, and one is needed.
    WrongKind,
    /// A name that is empty, `.`, `..`, longer than 255 bytes, or has a `/` or a zero in it; or a link's target that is
    /// empty or too long.
    BadName,
    /// A directory cannot be moved into itself.
    IntoItself,
    /// No block is free, or no inode.
    NoSpace,
    /// Longer than a file can be.
    TooLarge,
    /// More links than an inode can have.
    TooManyLinks,
    /// The file system, or this file, takes no changes.
    ReadOnly,
    /// There is no such inode any more.
    Stale,
}

/// Why a disk was not mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MountError {
    /// The disk failed.
    Disk(DiskError),
    /// There is no superblock of ext2, ext3 or ext4.
    NotExt,
    /// It uses features that this crate does not know: these bits of `s_feature_incompat`.
    Features(u32),
    /// It uses features that this crate can read, but not write: these bits of `s_feature_ro_compat`.
    FeaturesToWrite(u32),
    /// Its journal uses features that this crate does not know: these bits of its `s_feature_incompat`.
    JournalFeatures(u32),
    /// It has no journal, and was to be written.
    NoJournal,
    /// Its journal is on another disk.
    JournalElsewhere,
    /// It was not left clean, and cannot be recovered on a disk that takes no writes.
    NeedsRecovery,
    /// It is larger than the disk: by so many sectors.
    Truncated(u64),
    /// It contradicts itself here, or an error was found before: it needs a check with `e2fsck`.
    Corrupt(&'static str),
}

impl From<DiskError> for Error {
    fn from(error: DiskError) -> Self {
        match error {
            DiskError::ReadOnly => Self::ReadOnly,
            other => Self::Disk(other),
        }
    }
}

impl From<DiskError> for MountError {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

impl From<Error> for MountError {
    fn from(error: Error) -> Self {
        match error {
            Error::Disk(error) => Self::Disk(error),
            Error::Corrupt(what) => Self::Corrupt(what),
            Error::NoSpace => Self::Corrupt("no space for what is to be freed"),
            _ => Self::Corrupt("an inode"),
        }
    }
}

impl fmt::Display for DiskError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Io => "the disk failed to read or write",
            Self::OutOfRange => "the disk has no such sector",
            Self::ReadOnly => "the disk takes no writes",
            Self::Memory => "the memory for it is gone",
            Self::Gone => "the disk does not answer",
        })
    }
}

impl core::error::Error for DiskError {}
