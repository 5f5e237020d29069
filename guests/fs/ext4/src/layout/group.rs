// SPDX-License-Identifier: BSD-2-Clause
//! Descriptors of groups: 32 bytes, or 64 and more with the upper halves of all that has got too small.

use bitflags::bitflags;

use crate::{
    Error,
    bytes::{get16, get32, put16},
    layout::{checksum, features::RoCompat, geometry::Geometry},
};

bitflags! {
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct GroupFlags: u16 {
        /// There is no bitmap of inodes yet: all are free.
        const INODE_UNINIT = 0x1;
        /// There is no bitmap of blocks yet: all are free, but those of the file system's own structures.
        const BLOCK_UNINIT = 0x2;
        /// The table of inodes has no garbage in the part that was never used.
        const INODE_ZEROED = 0x4;
        const _ = !0;
    }
}

/// A group's descriptor.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub block_bitmap: u64,
    pub inode_bitmap: u64,
    /// The first block of its inodes.
    pub inode_table: u64,
    pub free_blocks: u32,
    pub free_inodes: u32,
    pub directories: u32,
    pub flags: GroupFlags,
    /// Of which small descriptors keep the lower half only. Only where [`Geometry::has_checksums`].
    pub block_bitmap_checksum: u32,
    pub inode_bitmap_checksum: u32,
    /// How many inodes at the end of the table were never used. Only where descriptors have checksums.
    pub unused_inodes: u32,
}

/// Bytes of a descriptor without upper halves.
const SMALL: usize = 32;
/// Where the checksum is.
const CHECKSUM: usize = 30;

impl Group {
    /// The descriptor of the group `number` in `block`, the block that [`Geometry::descriptor`] tells. Its bitmaps and
    /// its table are inside the file system.
    pub(crate) fn load(geometry: &Geometry, number: u32, block: &[u8]) -> Result<Self, Error> {
        let (_, at) = geometry.descriptor(number);
        let end = at + geometry.descriptor_size;
        let bytes = block.get(at..end).ok_or(SHORT)?;
        if let Some(sum) = sum(geometry, number, bytes)
            && get16(bytes, CHECKSUM) != sum
        {
            return Err(Error::Corrupt("the checksum of a group's descriptor"));
        }
        let high = bytes.get(SMALL..).filter(|high| high.len() >= SMALL);
        let high16 = |at| high.map_or(0, |high| u32::from(get16(high, at - SMALL)) << 16);
        let high32 = |at| high.map_or(0, |high| u64::from(get32(high, at - SMALL)) << 32);
        let group = Self {
            block_bitmap: u64::from(get32(bytes, 0)) | high32(32),
            inode_bitmap: u64::from(get32(bytes, 4)) | high32(36),
            inode_table: u64::from(get32(bytes, 8)) | high32(40),
            free_blocks: u32::from(get16(bytes, 12)) | high16(44),
            free_inodes: u32::from(get16(bytes, 14)) | high16(46),
            directories: u32::from(get16(bytes, 16)) | high16(48),
            flags: GroupFlags::from_bits_retain(get16(bytes, 18)),
            block_bitmap_checksum: u32::from(get16(bytes, 24)) | high16(56),
            inode_bitmap_checksum: u32::from(get16(bytes, 26)) | high16(58),
            unused_inodes: u32::from(get16(bytes, 28)) | high16(50),
        };
        let has = |block: u64, count: u32| {
            block > geometry.superblock
                && block
                    .checked_add(count.into())
                    .is_some_and(|end| end <= geometry.blocks)
        };
        if !has(group.block_bitmap, 1)
            || !has(group.inode_bitmap, 1)
            || !has(group.inode_table, geometry.table_blocks())
        {
            return Err(Error::Corrupt("where a group's bitmaps and inodes are"));
        }
        if group.free_blocks > geometry.blocks_per_group
            || group.free_inodes > geometry.inodes_per_group
            || group.unused_inodes > geometry.inodes_per_group
        {
            return Err(Error::Corrupt("what is free in a group"));
        }
        Ok(group)
    }

    /// Puts what can change of it back to where it was loaded from, with its checksum.
    pub(crate) fn save(
        &self,
        geometry: &Geometry,
        number: u32,
        block: &mut [u8],
    ) -> Result<(), Error> {
        let (_, at) = geometry.descriptor(number);
        let end = at + geometry.descriptor_size;
        let bytes = block.get_mut(at..end).ok_or(SHORT)?;
        let halves = [
            (12, 44, self.free_blocks),
            (14, 46, self.free_inodes),
            (16, 48, self.directories),
            (24, 56, self.block_bitmap_checksum),
            (26, 58, self.inode_bitmap_checksum),
            (28, 50, self.unused_inodes),
        ];
        for (low, high, value) in halves {
            put16(bytes, low, value as u16);
            // Lost in small ones.
            put16(bytes, high, (value >> 16) as u16);
        }
        put16(bytes, 18, self.flags.bits());
        if let Some(sum) = sum(geometry, number, bytes) {
            put16(bytes, CHECKSUM, sum);
        }
        Ok(())
    }

    /// Whether this is the checksum of the group's bitmap of blocks, as far as descriptors keep it.
    pub(crate) fn is_block_bitmap(&self, geometry: &Geometry, bitmap: &[u8]) -> bool {
        let sum = checksum::of_bitmap(geometry.seed, bitmap, geometry.blocks_per_group);
        !geometry.has_checksums() || kept(geometry, sum) == self.block_bitmap_checksum
    }

    /// The same for the bitmap of inodes.
    pub(crate) fn is_inode_bitmap(&self, geometry: &Geometry, bitmap: &[u8]) -> bool {
        let sum = checksum::of_bitmap(geometry.seed, bitmap, geometry.inodes_per_group);
        !geometry.has_checksums() || kept(geometry, sum) == self.inode_bitmap_checksum
    }

    /// Takes note of the bitmap of blocks as it is now.
    pub(crate) fn seal_block_bitmap(&mut self, geometry: &Geometry, bitmap: &[u8]) {
        if geometry.has_checksums() {
            let sum = checksum::of_bitmap(geometry.seed, bitmap, geometry.blocks_per_group);
            self.block_bitmap_checksum = kept(geometry, sum);
        }
    }

    /// And of that of inodes.
    pub(crate) fn seal_inode_bitmap(&mut self, geometry: &Geometry, bitmap: &[u8]) {
        if geometry.has_checksums() {
            let sum = checksum::of_bitmap(geometry.seed, bitmap, geometry.inodes_per_group);
            self.inode_bitmap_checksum = kept(geometry, sum);
        }
    }
}

const SHORT: Error = Error::Corrupt("a block of descriptors that is cut off");

/// What of a bitmap's checksum there is room for.
const fn kept(geometry: &Geometry, sum: u32) -> u32 {
    if geometry.descriptor_size > SMALL {
        sum
    } else {
        sum & 0xffff
    }
}

/// A descriptor's checksum, if descriptors have one.
fn sum(geometry: &Geometry, number: u32, bytes: &[u8]) -> Option<u16> {
    if geometry.has_checksums() {
        let crc = checksum::crc32c(geometry.seed, &number.to_le_bytes());
        let [b0, b1, ..] = checksum::with_hole(crc, bytes, CHECKSUM, 2).to_le_bytes();
        return Some(u16::from_le_bytes([b0, b1]));
    }
    if !geometry.ro_compat.contains(RoCompat::GDT_CSUM) {
        return None;
    }
    let crc = checksum::crc16(!0, &geometry.uuid);
    let crc = checksum::crc16(crc, &number.to_le_bytes());
    let crc = checksum::crc16(crc, bytes.get(..CHECKSUM).unwrap_or_default());
    Some(checksum::crc16(crc, bytes.get(SMALL..).unwrap_or_default()))
}
