// SPDX-License-Identifier: BSD-2-Clause
//! Structures of the journal, byte for byte. Big-endian, unlike all others.
//!
//! The source is the kernel's `include/linux/jbd2.h` and `Documentation/filesystems/ext4/journal.rst`.

use bitflags::bitflags;
use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    big_endian::{U32, U64},
};

use crate::{MountError, layout::checksum};

/// What all blocks of the journal begin with that are not copies.
pub(super) const MAGIC: u32 = 0xc03b_3998;

/// What a block of the journal is, in [`Header::kind`].
pub(super) const DESCRIPTOR: u32 = 1;
pub(super) const COMMIT: u32 = 2;
pub(super) const SUPERBLOCK_V1: u32 = 3;
pub(super) const SUPERBLOCK_V2: u32 = 4;
pub(super) const REVOKE: u32 = 5;

#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Copy, Debug)]
#[repr(C)]
pub(super) struct Header {
    pub magic: U32,
    pub kind: U32,
    /// The number of the transaction.
    pub sequence: U32,
}

pub(super) const HEADER: usize = size_of::<Header>();

/// The first block, with the names of `struct journal_superblock_s` without their prefix.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Debug)]
#[repr(C)]
pub(super) struct Superblock {
    pub header: Header,
    pub blocksize: U32,
    pub maxlen: U32,
    /// The first block of the log.
    pub first: U32,
    /// The number of the first transaction that is in the log.
    pub sequence: U32,
    /// Where it begins; 0: there is none.
    pub start: U32,
    pub errno: U32,
    pub feature_compat: U32,
    pub feature_incompat: U32,
    pub feature_ro_compat: U32,
    pub uuid: [u8; 16],
    pub unused: [U32; 4],
    pub checksum_type: u8,
    pub padding: [u8; 3],
    pub num_fc_blocks: U32,
    pub head: U32,
    pub reserved: [U32; 40],
    pub checksum: U32,
    pub users: [[u8; 16]; 48],
}

const _: () = assert!(size_of::<Superblock>() == 1024);

/// That of all checksums but those of the first kind, in [`Superblock::checksum_type`].
pub(super) const CRC32C: u8 = 4;

/// In [`Superblock::feature_compat`]: commit blocks have a checksum of all that is in their transaction.
pub(super) const COMPAT_CHECKSUM: u32 = 1;

bitflags! {
    /// In [`Superblock::feature_incompat`].
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(super) struct Incompat: u32 {
        const REVOKE = 0x1;
        const BITS_64 = 0x2;
        const ASYNC_COMMIT = 0x4;
        const CSUM_V2 = 0x8;
        const CSUM_V3 = 0x10;
        const _ = !0;
    }
}

impl Incompat {
    const KNOWN: Self = Self::REVOKE
        .union(Self::BITS_64)
        .union(Self::ASYNC_COMMIT)
        .union(Self::CSUM_V2)
        .union(Self::CSUM_V3);
}

/// What a commit block begins with.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Debug)]
#[repr(C)]
pub(super) struct Commit {
    pub header: Header,
    /// These two for checksums of the first kind only: 1 for CRC-32, and its size, 4.
    pub checksum_type: u8,
    pub checksum_size: u8,
    pub padding: [u8; 2],
    pub checksum: U32,
    pub more_checksums: [U32; 7],
    pub seconds: U64,
    pub nanoseconds: U32,
}

/// Where [`Commit::checksum`] is.
pub(super) const COMMIT_CHECKSUM: usize = 16;

/// Flags of a tag.
pub(super) const ESCAPED: u32 = 1;
pub(super) const SAME_UUID: u32 = 2;
pub(super) const LAST: u32 = 8;

/// Which checksums there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Checksums {
    None,
    /// One of each transaction, in its commit block.
    V1,
    /// One of each block; copies have the lower half.
    V2,
    V3,
}

/// What of the format depends on features.
#[derive(Clone, Copy, Debug)]
pub(super) struct Format {
    pub checksums: Checksums,
    /// Whether numbers of blocks have 64 bits.
    pub is_wide: bool,
    /// With which checksums begin.
    pub seed: u32,
}

/// A block of the file system, of which the log has a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    pub block: u64,
    pub flags: u32,
    /// Of the sequence number and the copy, as far as there is room for it.
    pub checksum: u32,
}

impl Format {
    /// That of the journal with this superblock.
    pub(super) fn of(superblock: &Superblock) -> Result<Self, MountError> {
        let mut format = Self {
            checksums: Checksums::None,
            is_wide: false,
            seed: checksum::crc32c(checksum::START, &superblock.uuid),
        };
        // The first has no fields for features.
        if superblock.header.kind.get() == SUPERBLOCK_V1 {
            return Ok(format);
        }
        let incompat = Incompat::from_bits_retain(superblock.feature_incompat.get());
        let unknown = incompat.difference(Incompat::KNOWN).bits();
        if unknown != 0 {
            return Err(MountError::JournalFeatures(unknown));
        }
        if superblock.feature_ro_compat.get() != 0 {
            return Err(MountError::Corrupt("features of the journal"));
        }
        format.is_wide = incompat.contains(Incompat::BITS_64);
        format.checksums = if incompat.contains(Incompat::CSUM_V3) {
            Checksums::V3
        } else if incompat.contains(Incompat::CSUM_V2) {
            Checksums::V2
        } else if superblock.feature_compat.get() & COMPAT_CHECKSUM != 0 {
            Checksums::V1
        } else {
            Checksums::None
        };
        if format.has_tails() && superblock.checksum_type != CRC32C {
            return Err(MountError::Corrupt("the journal's kind of checksums"));
        }
        Ok(format)
    }

    /// Whether blocks have checksums of their own.
    pub(super) fn has_tails(&self) -> bool {
        matches!(self.checksums, Checksums::V2 | Checksums::V3)
    }

    /// Bytes at the end of descriptors and revoke blocks that have their checksum.
    pub(super) fn tail(&self) -> usize {
        if self.has_tails() { 4 } else { 0 }
    }

    /// Bytes of a tag, without a UUID behind it.
    pub(super) const fn tag_size(&self) -> usize {
        match (self.checksums, self.is_wide) {
            (Checksums::V3, _) => 16,
            (Checksums::V2, true) => 14,
            (Checksums::V2, false) => 10,
            (_, true) => 12,
            (_, false) => 8,
        }
    }

    /// How many tags a descriptor can have.
    pub(super) fn tags(&self, block_size: usize) -> usize {
        (block_size - HEADER - UUID - self.tail()) / self.tag_size()
    }

    /// The tag that `bytes` begin with, and how many they are with the UUID that may follow.
    pub(super) fn tag(&self, bytes: &[u8]) -> Option<(Tag, usize)> {
        let size = self.tag_size();
        let bytes = bytes.get(..size)?;
        let low = word(bytes, 0)?;
        let second = word(bytes, 4)?;
        let high = if self.is_wide { word(bytes, 8)? } else { 0 };
        // The third kind has flags of 32 bits, others two halves.
        let (flags, sum) = match self.checksums {
            Checksums::V3 => (second, word(bytes, 12)?),
            _ => (second & 0xffff, second >> 16),
        };
        let tag = Tag {
            block: u64::from(high) << 32 | u64::from(low),
            flags,
            checksum: sum,
        };
        let uuid = if flags & SAME_UUID == 0 { UUID } else { 0 };
        Some((tag, size + uuid))
    }

    /// Adds a tag of the third kind, or one without a checksum: others are not written.
    pub(super) fn put_tag(&self, tag: &Tag, uuid: &[u8; UUID], bytes: &mut alloc::vec::Vec<u8>) {
        let [low, high] = [tag.block as u32, (tag.block >> 32) as u32];
        bytes.extend(low.to_be_bytes());
        bytes.extend(tag.flags.to_be_bytes());
        match (self.checksums, self.is_wide) {
            (Checksums::V3, _) => {
                bytes.extend(high.to_be_bytes());
                bytes.extend(tag.checksum.to_be_bytes());
            }
            (_, true) => bytes.extend(high.to_be_bytes()),
            (_, false) => {}
        }
        if tag.flags & SAME_UUID == 0 {
            bytes.extend(uuid);
        }
    }

    /// The checksum of a copy in the log, as far as a tag has room for it.
    pub(super) fn of_copy(&self, sequence: u32, copy: &[u8]) -> u32 {
        let crc = checksum::crc32c(self.seed, &sequence.to_be_bytes());
        let crc = checksum::crc32c(crc, copy);
        match self.checksums {
            Checksums::V3 => crc,
            Checksums::V2 => crc & 0xffff,
            _ => 0,
        }
    }

    /// The checksum of a block, whose own bytes for it are at `hole`.
    pub(super) fn of_block(&self, block: &[u8], hole: usize) -> u32 {
        checksum::with_hole(self.seed, block, hole, 4)
    }

    /// Whether a descriptor or revoke block has the right checksum at its end, if it has one.
    pub(super) fn is_sealed(&self, block: &[u8]) -> bool {
        let tail = block.len().saturating_sub(4);
        !self.has_tails() || word(block, tail) == Some(self.of_block(block, tail))
    }
}

impl Superblock {
    /// Whether its checksum is right, or it has none.
    pub(super) fn is_sealed(&self) -> bool {
        !self.has_checksum() || self.checksum.get() == self.sum()
    }

    pub(super) fn seal(&mut self) {
        if self.has_checksum() {
            self.checksum = self.sum().into();
        }
    }

    fn has_checksum(&self) -> bool {
        let incompat = Incompat::from_bits_retain(self.feature_incompat.get());
        self.header.kind.get() == SUPERBLOCK_V2
            && incompat.intersects(Incompat::CSUM_V2.union(Incompat::CSUM_V3))
    }

    fn sum(&self) -> u32 {
        checksum::with_hole(checksum::START, self.as_bytes(), 0xfc, 4)
    }
}

pub(super) const UUID: usize = 16;

/// The number at `at`, if there is one.
pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    bytes
        .get(at..)?
        .first_chunk()
        .map(|bytes| u32::from_be_bytes(*bytes))
}
