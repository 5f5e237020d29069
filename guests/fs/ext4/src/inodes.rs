// SPDX-License-Identifier: BSD-2-Clause
//! Inodes are found, changed, allocated and freed.

use crate::{
    Disk, Error, Kind, bits,
    bytes::{get16, put16},
    inode::{self, Inode},
    layout::{
        checksum,
        group::{Group, GroupFlags},
    },
    volume::Volume,
};

/// A directory's inode, which each file system has.
pub const ROOT: u32 = 2;

/// Where an inode is.
struct Slot {
    block: u64,
    /// The first of its bytes in the block.
    at: usize,
}

impl<D: Disk> Volume<D> {
    /// Whether there can be such an inode, and it is no reserved one.
    pub fn is_inode(&self, ino: u32) -> bool {
        ino == ROOT || (self.geometry.first_inode..=self.geometry.inodes).contains(&ino)
    }

    fn place(&self, ino: u32) -> (u32, u32) {
        let number = ino.saturating_sub(1);
        (
            number / self.geometry.inodes_per_group,
            number % self.geometry.inodes_per_group,
        )
    }

    fn slot(&self, group: &Group, index: u32) -> Slot {
        let per_block = (self.geometry.block_size / self.geometry.inode_size) as u32;
        Slot {
            block: group.inode_table + u64::from(index / per_block),
            at: (index % per_block) as usize * self.geometry.inode_size,
        }
    }

    /// How many inodes of a group were ever used: those in front.
    fn used(&self, group: &Group) -> u32 {
        if !self.has_unused() {
            self.geometry.inodes_per_group
        } else if group.flags.contains(GroupFlags::INODE_UNINIT) {
            0
        } else {
            self.geometry
                .inodes_per_group
                .saturating_sub(group.unused_inodes)
        }
    }

    /// Whether the inode has an upper half of its checksum.
    fn is_wide(raw: &[u8]) -> bool {
        raw.len() > 128 && get16(raw, 0x80) >= 4
    }

    /// What checksums of an inode's blocks begin with; none: they have none.
    pub fn seed(&self, inode: &Inode) -> Option<u32> {
        let seed = self.geometry.seed;
        let has = self.geometry.has_checksums();
        has.then(|| checksum::of_inode_seed(seed, inode.ino, inode.generation))
    }

    /// An inode, the reserved ones too.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`]: it is not in use, or not any more and nothing of it is left.
    pub fn any_inode(&mut self, ino: u32) -> Result<Inode, Error> {
        if !(1..=self.geometry.inodes).contains(&ino) {
            return Err(Error::Stale);
        }
        let (number, index) = self.place(ino);
        let group = self.group(number)?;
        if index >= self.used(&group) {
            return Err(Error::Stale);
        }
        let slot = self.slot(&group, index);
        let shape = self.shape();
        let size = self.geometry.inode_size;
        let checked = self.geometry.has_checksums();
        let seed = self.geometry.seed;
        let block = self.store.read(slot.block)?;
        let raw = block.get(slot.at..slot.at + size).unwrap_or_default();
        let inode = Inode::decode(ino, raw, shape);
        if inode.mode == 0 && inode.links == 0 {
            return Err(Error::Stale);
        }
        if checked {
            let seed = checksum::of_inode_seed(seed, ino, inode.generation);
            let is_wide = Self::is_wide(raw);
            let high = if is_wide {
                u32::from(get16(raw, checksum::INODE_HIGH)) << 16
            } else {
                0
            };
            let known = u32::from(get16(raw, checksum::INODE_LOW)) | high;
            if checksum::of_inode(seed, raw, is_wide) != known {
                return Err(Error::Corrupt("the checksum of an inode"));
            }
        }
        if size > 128 && usize::from(get16(raw, 0x80)) > size - 128 {
            return Err(Error::Corrupt("the size of an inode"));
        }
        if inode.size > i64::MAX as u64 {
            return Err(Error::Corrupt("the size of a file"));
        }
        Ok(inode)
    }

    /// Changes what an inode says on the disk.
    pub fn save_inode(&mut self, inode: &Inode) -> Result<(), Error> {
        let (number, index) = self.place(inode.ino);
        let group = self.group(number)?;
        let slot = self.slot(&group, index);
        self.write_slot(&slot, inode, false)
    }

    fn write_slot(&mut self, slot: &Slot, inode: &Inode, is_new: bool) -> Result<(), Error> {
        let shape = self.shape();
        let size = self.geometry.inode_size;
        let seed = self.seed(inode);
        let block = self.store.change(slot.block)?;
        let raw = block.get_mut(slot.at..slot.at + size).unwrap_or_default();
        if is_new {
            Inode::clear(raw, shape);
        }
        inode.encode(raw, shape);
        if let Some(seed) = seed {
            let is_wide = Self::is_wide(raw);
            let sum = checksum::of_inode(seed, raw, is_wide);
            put16(raw, checksum::INODE_LOW, sum as u16);
            if is_wide {
                put16(raw, checksum::INODE_HIGH, (sum >> 16) as u16);
            }
        }
        Ok(())
    }

    /// A new inode near a directory's, which nobody else gets from now on: of this mode and with no links, no blocks
    /// and no size.
    pub fn allocate_inode(&mut self, parent: u32, mode: u16) -> Result<Inode, Error> {
        let is_directory = inode::kind_of(mode) == Kind::Directory;
        let (near, _) = self.place(parent);
        let first = if is_directory && parent == ROOT {
            self.roomy(near)?
        } else {
            near
        };
        for skipped in 0..self.geometry.groups {
            let number =
                ((u64::from(first) + u64::from(skipped)) % u64::from(self.geometry.groups)) as u32;
            let mut group = self.group(number)?;
            if group.free_inodes == 0 {
                continue;
            }
            let from = if number == 0 {
                self.geometry.first_inode - 1
            } else {
                0
            };
            let end = self.geometry.inodes_per_group;
            let used = self.used(&group);
            self.ready_inodes(number, &mut group)?;
            let bitmap = self.store.read(group.inode_bitmap)?;
            let Some(free) = bits::find(bitmap, &[], from, end, 1) else {
                continue;
            };
            self.ready_blocks(number, &mut group)?;
            return self.take_inode(number, group, free.start, used, mode);
        }
        Err(Error::NoSpace)
    }

    /// The group with the most free blocks of those that have inodes: directories in the root have little to do with
    /// each other, and their files need room.
    fn roomy(&mut self, near: u32) -> Result<u32, Error> {
        let mut best = (0, near);
        for number in 0..self.geometry.groups {
            let group = self.group(number)?;
            if group.free_inodes > 0 && group.free_blocks > best.0 {
                best = (group.free_blocks, number);
            }
        }
        Ok(best.1)
    }

    fn take_inode(
        &mut self,
        number: u32,
        mut group: Group,
        index: u32,
        used: u32,
        mode: u16,
    ) -> Result<Inode, Error> {
        if index > used {
            return Err(Error::Corrupt("a bitmap of inodes that were never used"));
        }
        let bitmap = self.store.change(group.inode_bitmap)?;
        bits::fill(bitmap, index, 1, true);
        group.seal_inode_bitmap(&self.geometry, bitmap);
        group.free_inodes -= 1;
        if inode::kind_of(mode) == Kind::Directory {
            group.directories += 1;
        }
        if self.has_unused() && index == used {
            group.unused_inodes = self.geometry.inodes_per_group - (index + 1);
        }
        self.set_group(number, &group)?;
        self.change_superblock(|it| {
            it.free_inodes_count = it.free_inodes_count.get().saturating_sub(1).into();
        })?;
        let slot = self.slot(&group, index);
        if index == used && slot.at == 0 {
            // What is in the rest of the block may be anything.
            self.store.fresh(slot.block)?;
        }
        let now = self.now();
        let inode = Inode {
            ino: number * self.geometry.inodes_per_group + index + 1,
            mode,
            links: 0,
            flags: 0,
            generation: self.random(),
            size: 0,
            sectors: 0,
            accessed: now,
            changed: now,
            modified: now,
            created: now,
            deleted: 0,
            attributes: 0,
            block: [0; inode::BLOCK],
        };
        self.write_slot(&slot, &inode, true)?;
        Ok(inode)
    }

    /// Gives an inode back that has no links and no blocks.
    pub fn free_inode(&mut self, mut inode: Inode) -> Result<(), Error> {
        let twice = Error::Corrupt("an inode that is in use and free");
        let (number, index) = self.place(inode.ino);
        let mut group = self.group(number)?;
        if !self.is_inode(inode.ino) || inode.ino == ROOT || index >= self.used(&group) {
            return Err(twice);
        }
        self.ready_inodes(number, &mut group)?;
        let bitmap = self.store.change(group.inode_bitmap)?;
        if !bits::is_set(bitmap, index) {
            return Err(twice);
        }
        bits::fill(bitmap, index, 1, false);
        group.seal_inode_bitmap(&self.geometry, bitmap);
        group.free_inodes += 1;
        if inode.kind() == Kind::Directory {
            group.directories = group.directories.saturating_sub(1);
        }
        if group.free_inodes > self.geometry.inodes_per_group {
            return Err(Error::Corrupt("the number of a group's free inodes"));
        }
        self.set_group(number, &group)?;
        self.change_superblock(|it| {
            it.free_inodes_count = it.free_inodes_count.get().saturating_add(1).into();
        })?;
        inode.links = 0;
        inode.size = 0;
        inode.flags = 0;
        inode.block = [0; inode::BLOCK];
        // Never zero, which would be one that is in use.
        inode.deleted = (self.now().seconds as u32).max(1);
        self.save_inode(&inode)
    }
}
