// SPDX-License-Identifier: BSD-2-Clause
//! What the file system says, as clients are told.

use atoll_abi::fs::{Error, Kind, Stat, Time};
use fs_ext4::DiskError;

/// As clients know it.
pub const fn told(error: fs_ext4::Error) -> Error {
    use fs_ext4::Error as E;
    match error {
        E::Disk(DiskError::Gone) => Error::NoDisk,
        // What was to be read or written is no client's memory any more.
        E::Disk(DiskError::Memory) => Error::BadBuffer,
        E::Disk(DiskError::ReadOnly) | E::ReadOnly => Error::ReadOnly,
        E::Disk(_) => Error::Io,
        E::Corrupt(_) => Error::Corrupt,
        E::NotFound => Error::NotFound,
        E::Exists => Error::Exists,
        E::NotDirectory => Error::NotDirectory,
        E::IsDirectory => Error::IsDirectory,
        E::NotEmpty => Error::NotEmpty,
        E::WrongKind => Error::WrongKind,
        E::BadName => Error::BadPath,
        E::IntoItself => Error::IntoItself,
        E::NoSpace => Error::NoSpace,
        E::TooLarge => Error::TooLarge,
        E::TooManyLinks => Error::TooManyLinks,
        E::Stale => Error::Stale,
    }
}

pub const fn kind(kind: fs_ext4::Kind) -> Kind {
    match kind {
        fs_ext4::Kind::File => Kind::File,
        fs_ext4::Kind::Directory => Kind::Directory,
        fs_ext4::Kind::Symlink => Kind::Symlink,
        fs_ext4::Kind::Other => Kind::Other,
    }
}

const fn time(time: fs_ext4::Time) -> Time {
    Time {
        seconds: time.seconds,
        nanoseconds: time.nanoseconds,
    }
}

pub const fn stat(stat: &fs_ext4::Stat) -> Stat {
    Stat {
        inode: stat.ino.0,
        generation: stat.generation,
        kind: kind(stat.kind),
        len: stat.size,
        allocated: stat.allocated,
        links: stat.links,
        modified: time(stat.modified),
        changed: time(stat.changed),
        accessed: time(stat.accessed),
    }
}
