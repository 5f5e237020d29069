// SPDX-License-Identifier: BSD-2-Clause
//! The file system as a pool of blocks and inodes: what of it is in use, and by what it must not be used.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use crate::{
    Disk, Error, MountError, Time,
    bits::{self, Pinned},
    inode::Shape,
    layout::{
        features::RoCompat,
        geometry::Geometry,
        group::{Group, GroupFlags},
        superblock::Superblock,
    },
    store::Store,
    zones::Zones,
};

/// A group's bitmap was found to have the right checksum.
#[derive(Clone, Copy, Default)]
pub struct Verified {
    pub blocks: bool,
    pub inodes: bool,
}

/// Blocks and inodes, and the store that they are changed in.
pub struct Volume<D: Disk> {
    pub store: Store<D>,
    pub geometry: Geometry,
    /// Blocks that belong to no file.
    pub zones: Zones,
    pub pinned: Pinned,
    /// The transaction that blocks are pinned in.
    transaction: u64,
    /// Behind the last block that was allocated.
    pub next: u64,
    verified: Vec<Verified>,
    clock: Clock,
    random: u64,
}

/// The time: the machine has no clock, so it goes on from the latest that the file system knows.
struct Clock {
    start: Duration,
    uptime: Duration,
}

impl<D: Disk> Volume<D> {
    pub fn new(store: Store<D>, geometry: Geometry) -> Result<Self, MountError> {
        let mut volume = Self {
            transaction: store.transaction(),
            store,
            zones: Zones::default(),
            pinned: Pinned::default(),
            next: 0,
            verified: vec![Verified::default(); geometry.groups as usize],
            clock: Clock {
                start: Duration::ZERO,
                uptime: Duration::ZERO,
            },
            random: 0,
            geometry,
        };
        volume.find_zones()?;
        let superblock = volume.superblock()?;
        let times = [
            (superblock.wtime, superblock.wtime_hi),
            (superblock.mtime, superblock.mtime_hi),
            (superblock.mkfs_time, superblock.mkfs_time_hi),
            (superblock.lastcheck, superblock.lastcheck_hi),
        ];
        let seconds = |(low, high): (zerocopy::little_endian::U32, u8)| {
            u64::from(low.get()) | u64::from(high) << 32
        };
        let latest = times.into_iter().map(seconds).max().unwrap_or(0);
        let count = superblock.free_blocks_count() ^ u64::from(superblock.mnt_count.get()) << 40;
        volume.clock.start = Duration::from_secs(latest);
        volume.random = latest.rotate_left(17) ^ count ^ 0x9e37_79b9_7f4a_7c15;
        Ok(volume)
    }

    /// Notes where the file system's own blocks are.
    fn find_zones(&mut self) -> Result<(), MountError> {
        let mut ranges: Vec<_> = self.store.journal_blocks().collect();
        ranges.push((0, self.geometry.superblock + 1));
        for number in 0..self.geometry.groups {
            let group = self.group(number)?;
            let table = u64::from(self.geometry.table_blocks());
            let start = self.geometry.group_start(number);
            let base = u64::from(self.geometry.base_blocks(number));
            ranges.push((group.block_bitmap, group.block_bitmap + 1));
            ranges.push((group.inode_bitmap, group.inode_bitmap + 1));
            ranges.push((group.inode_table, group.inode_table + table));
            ranges.push((start, start + base));
            // Neighbours' are next to each other mostly: a large file system has few ranges, and many groups.
            if number % 1024 == 0 {
                ranges = Zones::new(ranges).into_ranges();
            }
        }
        self.zones = Zones::new(ranges);
        Ok(())
    }

    /// Whether a file can have these blocks.
    pub fn is_for_files(&self, start: u64, len: u64) -> bool {
        let end = start.saturating_add(len);
        start >= self.geometry.first_block
            && end <= self.geometry.blocks
            && !self.zones.touch(start, len)
    }

    pub fn shape(&self) -> Shape {
        let wanted = if self.geometry.ro_compat.contains(RoCompat::EXTRA_ISIZE) {
            self.geometry.want_extra_isize
        } else {
            0
        };
        // At least the fields up to the time that an inode was made at.
        let extra = wanted.max(32) & !3;
        Shape {
            block_size: self.geometry.block_size,
            extra,
        }
    }

    pub fn set_uptime(&mut self, since_start: Duration) {
        self.clock.uptime = self.clock.uptime.max(since_start);
    }

    /// The time now.
    pub fn now(&self) -> Time {
        let now = self.clock.start.saturating_add(self.clock.uptime);
        // Two bits more than 32 are what an inode has room for.
        Time {
            seconds: now.as_secs().min(0x3_7fff_ffff) as i64,
            nanoseconds: now.subsec_nanos(),
        }
    }

    /// A number that nobody has had lately.
    pub fn random(&mut self) -> u32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        (self.random >> 32) as u32
    }

    pub fn superblock(&mut self) -> Result<&Superblock, Error> {
        Superblock::of(self.store.read(self.geometry.superblock)?, &self.geometry)
    }

    /// Changes the superblock.
    pub fn change_superblock(&mut self, change: impl FnOnce(&mut Superblock)) -> Result<(), Error> {
        let now = self.now().seconds;
        let block = self.store.change(self.geometry.superblock)?;
        let superblock = Superblock::of_mut(block, &self.geometry)?;
        change(superblock);
        superblock.wtime = (now as u32).into();
        superblock.wtime_hi = (now >> 32) as u8;
        superblock.seal();
        Ok(())
    }

    pub fn group(&mut self, number: u32) -> Result<Group, Error> {
        let (block, _) = self.geometry.descriptor(number);
        Group::load(&self.geometry, number, self.store.read(block)?)
    }

    pub fn set_group(&mut self, number: u32, group: &Group) -> Result<(), Error> {
        let (block, _) = self.geometry.descriptor(number);
        group.save(&self.geometry, number, self.store.change(block)?)
    }

    /// Whether groups tell what of them was never used.
    pub fn has_unused(&self) -> bool {
        self.geometry.has_checksums() || self.geometry.ro_compat.contains(RoCompat::GDT_CSUM)
    }

    /// Makes sure that a group's bitmap of blocks is what the descriptor says, or makes one where there was none.
    pub fn ready_blocks(&mut self, number: u32, group: &mut Group) -> Result<(), Error> {
        if self.has_unused() && group.flags.contains(GroupFlags::BLOCK_UNINIT) {
            let start = self.geometry.group_start(number);
            let count = self.geometry.group_blocks(number);
            let bitmap = self.store.fresh(group.block_bitmap)?;
            bits::fill(bitmap, count, bitmap.len() as u32 * 8 - count, true);
            for (from, to) in self.zones.within(start, start + u64::from(count)) {
                bits::fill(bitmap, (from - start) as u32, (to - from) as u32, true);
            }
            group.seal_block_bitmap(&self.geometry, bitmap);
            group.flags.remove(GroupFlags::BLOCK_UNINIT);
            return self.set_group(number, group);
        }
        let Some(verified) = self.verified.get_mut(number as usize) else {
            return Ok(());
        };
        if !verified.blocks {
            if !group.is_block_bitmap(&self.geometry, self.store.read(group.block_bitmap)?) {
                return Err(Error::Corrupt("the checksum of a bitmap of blocks"));
            }
            verified.blocks = true;
        }
        Ok(())
    }

    /// The same for its bitmap of inodes.
    pub fn ready_inodes(&mut self, number: u32, group: &mut Group) -> Result<(), Error> {
        if self.has_unused() && group.flags.contains(GroupFlags::INODE_UNINIT) {
            let count = self.geometry.inodes_per_group;
            let bitmap = self.store.fresh(group.inode_bitmap)?;
            bits::fill(bitmap, count, bitmap.len() as u32 * 8 - count, true);
            group.seal_inode_bitmap(&self.geometry, bitmap);
            group.flags.remove(GroupFlags::INODE_UNINIT);
            return self.set_group(number, group);
        }
        let Some(verified) = self.verified.get_mut(number as usize) else {
            return Ok(());
        };
        if !verified.inodes {
            if !group.is_inode_bitmap(&self.geometry, self.store.read(group.inode_bitmap)?) {
                return Err(Error::Corrupt("the checksum of a bitmap of inodes"));
            }
            verified.inodes = true;
        }
        Ok(())
    }

    pub fn begin(&mut self) -> Result<(), Error> {
        self.store.begin()?;
        self.unpin();
        Ok(())
    }

    pub fn finish(&mut self) {
        self.store.finish();
        self.pinned.finish();
        self.unpin();
    }

    pub fn abort(&mut self) {
        self.store.abort();
        self.pinned.abort();
        self.unpin();
    }

    pub fn commit(&mut self) -> Result<(), Error> {
        let done = self.store.commit();
        self.unpin();
        done
    }

    pub fn settle(&mut self) -> Result<(), Error> {
        let done = self.store.settle();
        self.unpin();
        done
    }

    /// What a transaction has freed is free when it is on the disk.
    fn unpin(&mut self) {
        if self.transaction != self.store.transaction() {
            self.transaction = self.store.transaction();
            self.pinned.clear();
        }
    }
}
