// SPDX-License-Identifier: BSD-2-Clause
//! The on-disk format of the fs guest: ext4 with its journal, as Linux and e2fsprogs have it.
//!
//! It knows no hostcalls and no clients: blocks come from whatever is a [`Disk`], the time from whoever calls. So all
//! of it is tested on the host, with e2fsprogs as the judge, disks that fail, and power that goes at any write.
//!
//! * `fs`, `names`, `rename`, `file`, `orphans`: what can be done with a file system that is mounted.
//! * `volume`, `blocks`, `inodes`: what of it is in use and what is free.
//! * `directory`, `tree`, `oldmap`: entries of directories, and where a file's blocks are; `dirblock`, `node`, `inode`,
//!   `extents`, `bits`: the same in memory, without a disk.
//! * `disk`: what is asked of a disk, and the memory that bulk data goes to and comes from.
//! * `store`: blocks through a cache; changes belong to an operation, operations to a transaction.
//! * `journal`: transactions on the disk (jbd2), and what is left of them after a crash.
//! * `layout`: structures on the disk, byte for byte, with their checksums.
//!
//! Nothing that a disk holds makes any of this panic, loop for ever, or read and write outside the file system.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

mod bits;
mod blocks;
mod bytes;
mod dirblock;
mod directory;
mod disk;
mod error;
mod extents;
mod file;
mod fs;
mod inode;
mod inodes;
mod journal;
mod layout;
mod mount;
mod names;
mod node;
mod oldmap;
mod orphans;
#[cfg(feature = "ram")]
pub mod ram;
mod rename;
mod store;
#[cfg(test)]
mod tests;
mod tree;
mod volume;
mod window;
mod zones;

pub use disk::{Disk, DiskError, Memory, SECTOR};
pub use error::{Error, MountError};
pub use fs::{FileSystem, Ino, Kind, Space, Stat, Time};
pub use mount::Options;
pub use names::{Entry, New};
