// SPDX-License-Identifier: BSD-2-Clause
//! Inodes that are to be freed, or cut off, when nobody needs them any more or when there is time: after a crash, who
//! mounts the file system finds them in a list that begins in the superblock and goes on in `i_dtime`.

use alloc::collections::BTreeSet;

use crate::{
    Disk, Error, FileSystem, Ino, Kind,
    bytes::{get32, put32},
    extents::Map,
    inode::Inode,
    layout::checksum,
    volume::Volume,
};

/// Blocks of metadata that are enough for freeing an extent and for saving a file afterwards.
const ENOUGH: usize = 32;
/// In the first bytes of a block of attributes.
const ATTRIBUTES: u32 = 0xea02_0000;

impl<D: Disk> Volume<D> {
    /// Puts an inode, which is the caller's to save, into the list.
    pub fn add_orphan(&mut self, inode: &mut Inode) -> Result<(), Error> {
        inode.deleted = self.superblock()?.last_orphan.get();
        let ino = inode.ino;
        self.change_superblock(|it| it.last_orphan = ino.into())
    }

    /// Takes an inode, which is the caller's to save, out of the list.
    fn remove_orphan(&mut self, inode: &mut Inode) -> Result<(), Error> {
        let bad = Error::Corrupt("the list of orphans");
        let next = inode.deleted;
        inode.deleted = 0;
        let mut at = self.superblock()?.last_orphan.get();
        if at == inode.ino {
            return self.change_superblock(|it| it.last_orphan = next.into());
        }
        let mut seen = BTreeSet::new();
        while at != 0 && seen.insert(at) {
            let mut before = self.any_inode(at).map_err(|_| bad)?;
            if before.deleted == inode.ino {
                before.deleted = next;
                return self.save_inode(&before);
            }
            at = before.deleted;
        }
        Err(bad)
    }

    /// Drops a deleted inode's part in its block of attributes.
    fn free_attributes(&mut self, inode: &mut Inode) -> Result<(), Error> {
        let block = inode.attributes;
        if block == 0 {
            return Ok(());
        }
        let bad = Error::Corrupt("a block of attributes");
        if !self.is_for_files(block, 1) {
            return Err(bad);
        }
        let bytes = self.store.read(block)?;
        let users = get32(bytes, 4);
        if get32(bytes, 0) != ATTRIBUTES || users == 0 {
            return Err(bad);
        }
        if users > 1 {
            let sealed = self.geometry.has_checksums().then_some(self.geometry.seed);
            let bytes = self.store.change(block)?;
            put32(bytes, 4, users - 1);
            if let Some(seed) = sealed {
                let sum = checksum::of_attribute_block(seed, block, bytes);
                put32(bytes, 16, sum);
            }
        } else {
            self.free(block, 1)?;
            self.store.forget(block);
        }
        inode.attributes = 0;
        inode.sectors = inode.sectors.saturating_sub(self.sectors(1));
        Ok(())
    }
}

impl<D: Disk> FileSystem<D> {
    /// What the list has, first those that came last.
    pub(crate) fn orphans(&mut self) -> Result<BTreeSet<u32>, Error> {
        let mut at = self.volume.superblock()?.last_orphan.get();
        let mut seen = BTreeSet::new();
        while at != 0 {
            if !self.volume.is_inode(at) || !seen.insert(at) {
                return Err(Error::Corrupt("the list of orphans"));
            }
            at = self.volume.any_inode(at)?.deleted;
        }
        Ok(seen)
    }

    /// Frees blocks behind a file's end, all or as many as the operation has room for. Whether it were all. The inode
    /// is the caller's to save.
    pub(crate) fn shrink(&mut self, inode: &mut Inode, map: &mut Map) -> Result<bool, Error> {
        let block_size = self.volume.geometry.block_size as u64;
        let end = if inode.links == 0 && !self.held.contains_key(&inode.ino) {
            0
        } else {
            inode.size
        };
        let from = u32::try_from(end.div_ceil(block_size)).unwrap_or(u32::MAX);
        let mut is_first = true;
        loop {
            if !is_first && self.volume.store.room() < ENOUGH {
                self.volume.save_map(inode, map)?;
                return Ok(false);
            }
            is_first = false;
            let Some((start, len)) = map.pop(from) else {
                break;
            };
            self.volume.free(start, len.into())?;
            self.volume.store.forget_run(start, len.into());
            inode.sectors = inode
                .sectors
                .saturating_sub(self.volume.sectors(len.into()));
            self.volume.free_spare(inode, map)?;
        }
        self.volume.save_map(inode, map)?;
        Ok(true)
    }

    /// Frees what can be freed of an inode of the list, in one operation. Whether that was all.
    fn reap_some(&mut self, ino: u32) -> Result<bool, Error> {
        let mut inode = self.volume.any_inode(ino)?;
        let is_held = self.held.contains_key(&ino);
        let is_gone = inode.links == 0 && !is_held;
        let has_map = inode.kind() != Kind::Other && !inode.is_short_link();
        if has_map {
            let mut map = self.take_map(&inode)?;
            if !self.shrink(&mut inode, &mut map)? {
                self.volume.save_inode(&inode)?;
                self.put_map(&inode, map);
                return Ok(false);
            }
            if is_gone {
                let mut old = core::mem::take(&mut map.old);
                map.spare.append(&mut old);
                self.volume.free_spare(&mut inode, &mut map)?;
            } else {
                self.put_map(&inode, map);
            }
        }
        if inode.links == 0 && is_held {
            // It was cut off only.
            self.volume.save_inode(&inode)?;
            return Ok(true);
        }
        self.volume.remove_orphan(&mut inode)?;
        if is_gone {
            self.volume.free_attributes(&mut inode)?;
            self.volume.free_inode(inode)?;
        } else {
            self.volume.save_inode(&inode)?;
        }
        Ok(true)
    }

    /// Lets an inode of the list that nobody holds be freed when it can be.
    pub(crate) fn doom(&mut self, ino: u32) {
        if !self.doomed.contains(&ino) {
            self.doomed.push(ino);
        }
    }

    /// Frees what is to be freed of an inode of the list.
    fn reap(&mut self, ino: u32) -> Result<(), Error> {
        while !self.operate_once(|it| it.reap_some(ino))? {}
        Ok(())
    }

    /// Frees what is to be freed of all inodes that wait for it. Who fails waits for the next time, if there is any use
    /// in that; else it waits for a check.
    ///
    /// # Errors
    ///
    /// The first.
    pub(crate) fn reap_all(&mut self) -> Result<(), Error> {
        let mut result = Ok(());
        for ino in core::mem::take(&mut self.doomed) {
            if let Err(error) = self.reap(ino) {
                if !matches!(error, Error::Corrupt(_) | Error::Stale) {
                    self.doom(ino);
                }
                result = result.and(Err(error));
            }
        }
        result
    }

    /// Frees what a truncation has left behind a file's end, before there can be something else.
    pub(crate) fn finish_truncation(&mut self, ino: Ino) -> Result<(), Error> {
        if self.doomed.contains(&ino.0) {
            self.reap(ino.0)?;
            self.doomed.retain(|it| *it != ino.0);
        }
        Ok(())
    }
}
