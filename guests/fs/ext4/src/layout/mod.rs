// SPDX-License-Identifier: BSD-2-Clause
//! Structures on the disk, byte for byte. Little-endian, but for those of the journal.
//!
//! The source is the Linux kernel's documentation, `filesystems/ext4`, and where it is silent e2fsprogs' `ext2_fs.h`.

pub(crate) mod checksum;
pub(crate) mod features;
pub(crate) mod geometry;
pub(crate) mod group;
pub(crate) mod superblock;
