// SPDX-License-Identifier: BSD-2-Clause
//! What of the superblock stays the same, checked against itself and the disk.

use zerocopy::FromBytes;

use crate::{
    MountError, SECTOR,
    layout::{
        checksum,
        features::{Compat, Incompat, RoCompat},
        superblock::{self, Superblock},
    },
};

/// Sizes and places. No arithmetic on them overflows: all blocks are on the disk, and there are fewer than 2^48; there
/// are fewer than 2^32 inodes, with numbers from 1.
#[derive(Clone, Debug)]
pub(crate) struct Geometry {
    /// 1024, 2048 or 4096.
    pub block_size: usize,
    pub blocks: u64,
    /// The first of the first group: 1 where blocks have 1024 bytes, else 0.
    pub first_block: u64,
    /// 8 * `block_size` at most, and a multiple of 8.
    pub blocks_per_group: u32,
    pub groups: u32,
    /// `groups` times `inodes_per_group`.
    pub inodes: u32,
    /// The same.
    pub inodes_per_group: u32,
    /// A power of two, from 128 to `block_size`.
    pub inode_size: usize,
    /// The first that is not reserved.
    pub first_inode: u32,
    /// How many bytes inodes should have beyond their first 128, as far as they are used.
    pub want_extra_isize: u16,
    /// Of a group's descriptor: a power of two, from 32 to `block_size`.
    pub descriptor_size: usize,
    /// Blocks of descriptors from this on are in their groups, if there is `META_BG`.
    pub first_meta: u32,
    /// Blocks behind those of descriptors that are kept for more of them, in each group with a superblock.
    pub reserved_descriptor_blocks: u32,
    /// The groups with copies of the superblock, if there is `SPARSE_SUPER2`.
    backups: [u32; 2],
    pub compat: Compat,
    pub incompat: Incompat,
    pub ro_compat: RoCompat,
    /// With which all checksums but the superblock's begin.
    pub seed: u32,
    pub uuid: [u8; 16],
    /// The block that the superblock is in, and the first of its bytes there.
    pub superblock: u64,
    pub superblock_at: usize,
    /// 0: there is none.
    pub journal_inode: u32,
}

impl Geometry {
    /// That of the file system with the superblock `bytes`, on a disk of `sectors`.
    pub(crate) fn new(bytes: &[u8], sectors: u64) -> Result<Self, MountError> {
        let (it, _) = Superblock::ref_from_prefix(bytes).map_err(|_| MountError::NotExt)?;
        if it.magic.get() != superblock::MAGIC {
            return Err(MountError::NotExt);
        }
        // Those of the first revision have no fields for features and sizes.
        if it.rev_level.get() != 1 {
            return Err(MountError::Corrupt("a revision that is not known"));
        }
        let incompat = Incompat::from_bits_retain(it.feature_incompat.get());
        let unknown = incompat.difference(Incompat::KNOWN);
        if !unknown.is_empty() {
            return Err(MountError::Features(unknown.bits()));
        }
        let ro_compat = RoCompat::from_bits_retain(it.feature_ro_compat.get());
        // With clusters, groups are larger, and their superblocks elsewhere: it is not worth the while to read that.
        if ro_compat.contains(RoCompat::BIGALLOC) {
            return Err(MountError::FeaturesToWrite(RoCompat::BIGALLOC.bits()));
        }
        let has_checksums = ro_compat.contains(RoCompat::METADATA_CSUM);
        check(
            !has_checksums || it.checksum_type == 1,
            "a kind of checksum that is not known",
        )?;

        let block_size = match it.log_block_size.get() {
            log @ 0..=2 => 1024 << log,
            _ => return Err(MountError::Corrupt("a size of blocks that is not known")),
        };
        let sectors_per_block = (block_size / SECTOR) as u64;
        let mut blocks = it.blocks_count();
        if !incompat.contains(Incompat::BITS_64) {
            blocks &= u64::from(u32::MAX);
        }
        let first_block = u64::from(block_size == superblock::SIZE);
        check(
            u64::from(it.first_data_block.get()) == first_block,
            "where the first group begins",
        )?;
        check(
            blocks > first_block && blocks < 1 << 48,
            "the number of blocks",
        )?;
        let needed = blocks * sectors_per_block;
        if needed > sectors {
            return Err(MountError::Truncated(needed - sectors));
        }

        // A bitmap is a block.
        let bits = 8 * block_size as u32;
        let in_group = |count: u32| (8..=bits).contains(&count) && count.is_multiple_of(8);
        let blocks_per_group = it.blocks_per_group.get();
        check(in_group(blocks_per_group), "the size of groups")?;
        let groups = (blocks - first_block).div_ceil(u64::from(blocks_per_group));
        let inodes_per_group = it.inodes_per_group.get();
        check(
            in_group(inodes_per_group),
            "the number of inodes in a group",
        )?;
        let inodes = u32::try_from(groups.saturating_mul(u64::from(inodes_per_group)));
        let inodes = inodes.map_err(|_| MountError::Corrupt("the number of groups"))?;
        check(inodes == it.inodes_count.get(), "the number of inodes")?;
        let inode_size = usize::from(it.inode_size.get());
        check(
            (128..=block_size).contains(&inode_size) && inode_size.is_power_of_two(),
            "the size of inodes",
        )?;
        let first_inode = it.first_ino.get();
        check(
            (11..=inodes).contains(&first_inode),
            "the number of reserved inodes",
        )?;
        let descriptor_size = if incompat.contains(Incompat::BITS_64) {
            usize::from(it.desc_size.get())
        } else {
            32
        };
        check(
            descriptor_size == 32
                || (64..=block_size).contains(&descriptor_size)
                    && descriptor_size.is_power_of_two(),
            "the size of descriptors",
        )?;
        let geometry = Self {
            block_size,
            blocks,
            first_block,
            blocks_per_group,
            // No more than there are inodes.
            groups: groups as u32,
            inodes,
            inodes_per_group,
            inode_size,
            first_inode,
            want_extra_isize: it.want_extra_isize.get(),
            descriptor_size,
            first_meta: it.first_meta_bg.get(),
            reserved_descriptor_blocks: it.reserved_gdt_blocks.get().into(),
            backups: it.backup_bgs.map(|group| group.get()),
            compat: Compat::from_bits_retain(it.feature_compat.get()),
            incompat,
            ro_compat,
            seed: if incompat.contains(Incompat::CSUM_SEED) {
                it.checksum_seed.get()
            } else {
                checksum::crc32c(checksum::START, &it.uuid)
            },
            uuid: it.uuid,
            superblock: first_block,
            superblock_at: if first_block == 1 {
                0
            } else {
                superblock::SIZE
            },
            journal_inode: it.journal_inum.get(),
        };
        check(
            geometry.journal_inode <= inodes,
            "the number of the journal's inode",
        )?;
        // The last has the highest place, or the last before those that are in their groups.
        for block in 0..geometry.descriptor_blocks() {
            check(
                geometry.descriptor_block(block) < blocks,
                "where descriptors are",
            )?;
        }
        Ok(geometry)
    }

    /// Whether metadata have checksums of 32 bits.
    pub(crate) fn has_checksums(&self) -> bool {
        self.ro_compat.contains(RoCompat::METADATA_CSUM)
    }

    /// The first block of a group.
    pub(crate) fn group_start(&self, group: u32) -> u64 {
        self.first_block + u64::from(group) * u64::from(self.blocks_per_group)
    }

    /// How many blocks a group has: the last may have fewer than others.
    pub(crate) fn group_blocks(&self, group: u32) -> u32 {
        let left = self.blocks.saturating_sub(self.group_start(group));
        u32::try_from(left).map_or(self.blocks_per_group, |left| {
            left.min(self.blocks_per_group)
        })
    }

    /// The group that a block is in, and its number there; the block is one of the file system's.
    pub(crate) fn group_of(&self, block: u64) -> (u32, u32) {
        let number = block.saturating_sub(self.first_block);
        let size = u64::from(self.blocks_per_group);
        ((number / size) as u32, (number % size) as u32)
    }

    /// How many blocks a group's table of inodes has.
    pub(crate) fn table_blocks(&self) -> u32 {
        let per_block = (self.block_size / self.inode_size) as u32;
        self.inodes_per_group.div_ceil(per_block)
    }

    /// Where a group's descriptor is: the block, and the first of its bytes there.
    pub(crate) fn descriptor(&self, group: u32) -> (u64, usize) {
        let per_block = self.descriptors_per_block();
        let at = (group % per_block) as usize * self.descriptor_size;
        (self.descriptor_block(group / per_block), at)
    }

    /// How many blocks have descriptors.
    pub(crate) fn descriptor_blocks(&self) -> u32 {
        self.groups.div_ceil(self.descriptors_per_block())
    }

    /// Where the block of descriptors with this number is.
    pub(crate) fn descriptor_block(&self, number: u32) -> u64 {
        if !self.incompat.contains(Incompat::META_BG) || number < self.first_meta {
            return self.superblock + 1 + u64::from(number);
        }
        let group = number * self.descriptors_per_block();
        self.group_start(group) + u64::from(self.has_superblock(group))
    }

    /// Whether a group begins with the superblock or a copy of it.
    pub(crate) fn has_superblock(&self, group: u32) -> bool {
        if self.compat.contains(Compat::SPARSE_SUPER2) {
            return group == 0 || self.backups.contains(&group);
        }
        if group <= 1 || !self.ro_compat.contains(RoCompat::SPARSE_SUPER) {
            return true;
        }
        [3, 5, 7].iter().any(|base| {
            let mut power = group;
            while power.is_multiple_of(*base) {
                power /= base;
            }
            power == 1
        })
    }

    /// How many blocks at a group's beginning have the superblock and descriptors, or are kept for them.
    pub(crate) fn base_blocks(&self, group: u32) -> u32 {
        let own = u32::from(self.has_superblock(group));
        let has_meta = self.incompat.contains(Incompat::META_BG);
        let per_block = self.descriptors_per_block();
        let blocks = if has_meta && group / per_block >= self.first_meta {
            // One block, and two copies.
            let number = group % per_block;
            own + u32::from(number <= 1 || number == per_block - 1)
        } else if own == 1 {
            let all = self.descriptor_blocks();
            let blocks = if has_meta {
                all.min(self.first_meta)
            } else {
                all
            };
            own + blocks + self.reserved_descriptor_blocks
        } else {
            0
        };
        blocks.min(self.group_blocks(group))
    }

    fn descriptors_per_block(&self) -> u32 {
        (self.block_size / self.descriptor_size) as u32
    }
}

const fn check(holds: bool, what: &'static str) -> Result<(), MountError> {
    if holds {
        Ok(())
    } else {
        Err(MountError::Corrupt(what))
    }
}
