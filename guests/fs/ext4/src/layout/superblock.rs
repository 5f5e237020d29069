// SPDX-License-Identifier: BSD-2-Clause
//! The superblock: 1024 bytes, 1024 bytes from the beginning of the disk.

use zerocopy::{
    FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned,
    little_endian::{U16, U32, U64},
};

use crate::{
    Error,
    layout::{checksum, features::RoCompat, geometry::Geometry},
};

/// Bytes of it, and where it begins.
pub(crate) const SIZE: usize = 1024;

/// In [`Superblock::magic`].
pub(crate) const MAGIC: u16 = 0xef53;

/// In [`Superblock::state`]: an error was found in the file system.
pub(crate) const STATE_ERRORS: u16 = 2;

/// It, with the names of `struct ext4_super_block` without their prefix. Of halves, those that came later end in
/// `_hi`.
#[derive(FromBytes, IntoBytes, Immutable, KnownLayout, Unaligned, Clone, Debug)]
#[repr(C)]
pub(crate) struct Superblock {
    pub inodes_count: U32,
    pub blocks_count_lo: U32,
    pub r_blocks_count_lo: U32,
    pub free_blocks_count_lo: U32,
    pub free_inodes_count: U32,
    pub first_data_block: U32,
    pub log_block_size: U32,
    pub log_cluster_size: U32,
    pub blocks_per_group: U32,
    pub clusters_per_group: U32,
    pub inodes_per_group: U32,
    pub mtime: U32,
    pub wtime: U32,
    pub mnt_count: U16,
    pub max_mnt_count: U16,
    pub magic: U16,
    pub state: U16,
    pub errors: U16,
    pub minor_rev_level: U16,
    pub lastcheck: U32,
    pub checkinterval: U32,
    pub creator_os: U32,
    pub rev_level: U32,
    pub def_resuid: U16,
    pub def_resgid: U16,
    pub first_ino: U32,
    pub inode_size: U16,
    pub block_group_nr: U16,
    pub feature_compat: U32,
    pub feature_incompat: U32,
    pub feature_ro_compat: U32,
    pub uuid: [u8; 16],
    pub volume_name: [u8; 16],
    pub last_mounted: [u8; 64],
    pub algorithm_usage_bitmap: U32,
    pub prealloc_blocks: u8,
    pub prealloc_dir_blocks: u8,
    pub reserved_gdt_blocks: U16,
    pub journal_uuid: [u8; 16],
    pub journal_inum: U32,
    pub journal_dev: U32,
    pub last_orphan: U32,
    pub hash_seed: [U32; 4],
    pub def_hash_version: u8,
    pub jnl_backup_type: u8,
    pub desc_size: U16,
    pub default_mount_opts: U32,
    pub first_meta_bg: U32,
    pub mkfs_time: U32,
    pub jnl_blocks: [U32; 17],
    pub blocks_count_hi: U32,
    pub r_blocks_count_hi: U32,
    pub free_blocks_count_hi: U32,
    pub min_extra_isize: U16,
    pub want_extra_isize: U16,
    pub flags: U32,
    pub raid_stride: U16,
    pub mmp_interval: U16,
    pub mmp_block: U64,
    pub raid_stripe_width: U32,
    pub log_groups_per_flex: u8,
    pub checksum_type: u8,
    pub reserved_pad: U16,
    pub kbytes_written: U64,
    /// Snapshots, the last error, mount options, quota.
    pub unused: [u8; 0x24c - 0x180],
    pub backup_bgs: [U32; 2],
    pub encrypt_algos: [u8; 4],
    pub encrypt_pw_salt: [u8; 16],
    pub lpf_ino: U32,
    pub prj_quota_inum: U32,
    pub checksum_seed: U32,
    pub wtime_hi: u8,
    pub mtime_hi: u8,
    pub mkfs_time_hi: u8,
    pub lastcheck_hi: u8,
    pub first_error_time_hi: u8,
    pub last_error_time_hi: u8,
    pub error_codes: [u8; 2],
    pub encoding: U16,
    pub encoding_flags: U16,
    pub orphan_file_inum: U32,
    pub reserved: [U32; 94],
    pub checksum: U32,
}

const _: () = assert!(size_of::<Superblock>() == SIZE);

impl Superblock {
    /// That of the block that has it: `block` are its bytes.
    pub(crate) fn of<'a>(block: &'a [u8], geometry: &Geometry) -> Result<&'a Self, Error> {
        let bytes = block.get(geometry.superblock_at..);
        let found = bytes.and_then(|bytes| Self::ref_from_prefix(bytes).ok());
        found.map(|(it, _)| it).ok_or(SHORT)
    }

    /// The same, to be changed. Then it is to be sealed.
    pub(crate) fn of_mut<'a>(
        block: &'a mut [u8],
        geometry: &Geometry,
    ) -> Result<&'a mut Self, Error> {
        let bytes = block.get_mut(geometry.superblock_at..);
        let found = bytes.and_then(|bytes| Self::mut_from_prefix(bytes).ok());
        found.map(|(it, _)| it).ok_or(SHORT)
    }

    pub(crate) fn blocks_count(&self) -> u64 {
        join(self.blocks_count_lo, self.blocks_count_hi)
    }

    pub(crate) fn reserved_blocks_count(&self) -> u64 {
        join(self.r_blocks_count_lo, self.r_blocks_count_hi)
    }

    pub(crate) fn free_blocks_count(&self) -> u64 {
        join(self.free_blocks_count_lo, self.free_blocks_count_hi)
    }

    pub(crate) fn set_free_blocks_count(&mut self, count: u64) {
        let [b0, b1, b2, b3, b4, b5, b6, b7] = count.to_le_bytes();
        self.free_blocks_count_lo = U32::from_bytes([b0, b1, b2, b3]);
        self.free_blocks_count_hi = U32::from_bytes([b4, b5, b6, b7]);
    }

    /// Whether its checksum is right, or it has none.
    pub(crate) fn is_sealed(&self) -> bool {
        !self.has_checksum() || self.checksum.get() == self.sum()
    }

    /// Makes its checksum right, if it has one.
    pub(crate) fn seal(&mut self) {
        if self.has_checksum() {
            self.checksum = self.sum().into();
        }
    }

    fn has_checksum(&self) -> bool {
        self.feature_ro_compat.get() & RoCompat::METADATA_CSUM.bits() != 0
    }

    fn sum(&self) -> u32 {
        let bytes = self.as_bytes();
        checksum::crc32c(checksum::START, bytes.get(..SIZE - 4).unwrap_or_default())
    }
}

const SHORT: Error = Error::Corrupt("a superblock that is cut off");

fn join(low: U32, high: U32) -> u64 {
    u64::from(high.get()) << 32 | u64::from(low.get())
}
