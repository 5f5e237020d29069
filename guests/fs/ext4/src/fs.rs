// SPDX-License-Identifier: BSD-2-Clause
//! A file system that is mounted.

use alloc::{collections::BTreeMap, vec::Vec};
use core::time::Duration;

use crate::{
    Disk, Error, MountError, Options, extents::Map, inode::Inode, inodes::ROOT,
    layout::features::Incompat, mount, volume::Volume,
};

/// The number of an inode: of a file, whatever its names are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Ino(pub u32);

/// What an inode is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A device, a pipe or a socket. It has a name and a place in its directory, and nothing else is done with it.
    Other,
}

/// Time since 1970.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Time {
    /// Whole seconds, rounded down.
    pub seconds: i64,
    /// And of the next, below 10^9.
    pub nanoseconds: u32,
}

/// What is known of an inode.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stat {
    /// Its number.
    pub ino: Ino,
    /// Another, whenever the number is given to another file.
    pub generation: u32,
    /// What it is.
    pub kind: Kind,
    /// The kind and what is permitted, as POSIX has it. Here nothing depends on that.
    pub mode: u16,
    /// Bytes.
    pub size: u64,
    /// Names that it has, and for a directory also `.` and the `..` of those in it: 1, they are too many to count.
    pub links: u32,
    /// Bytes that it has on the disk, with what tells where they are.
    pub allocated: u64,
    /// When it was read, as far as others have noted that: here it is not.
    pub accessed: Time,
    /// When anything of it has changed.
    pub changed: Time,
    /// When its contents have.
    pub modified: Time,
}

/// How much there is, and how much is free.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Space {
    /// Bytes of a block.
    pub block_size: u32,
    /// All blocks, those of the file system itself too.
    pub blocks: u64,
    /// Without those that are kept for the administrator.
    pub free_blocks: u64,
    /// How many inodes there are.
    pub inodes: u64,
    /// How many of them are free.
    pub free_inodes: u64,
}

/// Maps of files that are kept.
const MAPS: usize = 8;

/// A file system that is mounted. Each method that changes something is done as a whole, or not at all.
pub struct FileSystem<D: Disk> {
    pub(crate) volume: Volume<D>,
    is_read_only: bool,
    label: [u8; 16],
    /// Where the blocks of the last few files are; the last is the last.
    maps: Vec<(u32, Map)>,
    /// How often an inode is held.
    pub(crate) held: BTreeMap<u32, u32>,
    /// Inodes in the disk's list of orphans that nobody holds.
    pub(crate) doomed: Vec<u32>,
}

impl<D: Disk> FileSystem<D> {
    /// Mounts the file system of a disk, after it has recovered from a crash if there was one: then what was deleted and
    /// still in use is freed, too.
    pub fn mount(disk: D, options: Options) -> Result<Self, MountError> {
        let (store, geometry) = mount::mount(disk, &options)?;
        // Without extents, it is for those who do not know them.
        let is_read_only = store.is_read_only() || !geometry.incompat.contains(Incompat::EXTENTS);
        let mut volume = Volume::new(store, geometry)?;
        let label = volume.superblock()?.volume_name;
        let mut it = Self {
            volume,
            is_read_only,
            label,
            maps: Vec::new(),
            held: BTreeMap::new(),
            doomed: Vec::new(),
        };
        if it.volume.any_inode(ROOT)?.kind() != Kind::Directory {
            return Err(MountError::Corrupt("the root is no directory"));
        }
        if !is_read_only {
            it.doomed = it.orphans()?.into_iter().collect();
            it.reap_all()?;
        }
        Ok(it)
    }

    /// Whether nothing can be changed.
    pub const fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether [`FileSystem::settle`] has something to do.
    pub fn is_dirty(&self) -> bool {
        self.volume.store.is_dirty() || !self.doomed.is_empty()
    }

    /// The disk that it is on.
    pub fn disk(&self) -> &D {
        self.volume.store.disk()
    }

    /// The same, for what is no reading and writing.
    pub fn disk_mut(&mut self) -> &mut D {
        self.volume.store.disk_mut()
    }

    /// The directory that all others are in.
    pub const fn root(&self) -> Ino {
        Ino(ROOT)
    }

    /// Bytes of a block.
    pub const fn block_size(&self) -> u32 {
        self.volume.geometry.block_size as u32
    }

    /// The name that the file system was given.
    pub fn label(&self) -> &[u8] {
        let len = self
            .label
            .iter()
            .position(|byte| *byte == 0)
            .unwrap_or(self.label.len());
        self.label.get(..len).unwrap_or_default()
    }

    /// Sets the clock: how long the file system has been mounted. It never goes back.
    ///
    /// There is no clock that knows the date. The time is the latest that the file system knows of, when it was last
    /// written, mounted, checked or made, and this on top.
    pub fn set_uptime(&mut self, since_start: Duration) {
        self.volume.set_uptime(since_start);
    }

    /// What is known of an inode.
    pub fn stat(&mut self, ino: Ino) -> Result<Stat, Error> {
        let inode = self.inode(ino)?;
        Ok(Stat {
            ino,
            generation: inode.generation,
            kind: inode.kind(),
            mode: inode.mode,
            size: inode.size,
            links: inode.links.into(),
            allocated: inode.sectors.saturating_mul(512),
            accessed: inode.accessed,
            changed: inode.changed,
            modified: inode.modified,
        })
    }

    /// How much there is, and how much is free. What was freed since the last [`FileSystem::sync`] counts as free.
    pub fn space(&mut self) -> Result<Space, Error> {
        let block_size = self.block_size();
        let superblock = self.volume.superblock()?;
        let free = superblock.free_blocks_count();
        Ok(Space {
            block_size,
            blocks: superblock.blocks_count(),
            free_blocks: free.saturating_sub(superblock.reserved_blocks_count()),
            inodes: superblock.inodes_count.get().into(),
            free_inodes: superblock.free_inodes_count.get().into(),
        })
    }

    /// Lets an inode outlive its last link. As often as it is held, it is to be released.
    pub fn hold(&mut self, ino: Ino) -> Result<(), Error> {
        self.inode(ino)?;
        let count = self.held.entry(ino.0).or_insert(0);
        *count = count.saturating_add(1);
        Ok(())
    }

    /// Takes a [`FileSystem::hold`] back.
    ///
    /// # Errors
    ///
    /// [`Error::Stale`]: it was not held.
    pub fn release(&mut self, ino: Ino) -> Result<(), Error> {
        let count = *self.held.get(&ino.0).ok_or(Error::Stale)?;
        if count > 1 {
            self.held.insert(ino.0, count - 1);
            return Ok(());
        }
        let is_gone = !self.is_read_only && self.volume.any_inode(ino.0)?.links == 0;
        self.held.remove(&ino.0);
        if is_gone {
            self.doom(ino.0);
            // It is not held any more, and goes when it can.
            let _ = self.reap_all();
        }
        Ok(())
    }

    /// Makes durable all that was done.
    pub fn sync(&mut self) -> Result<(), Error> {
        if self.is_read_only {
            return Ok(());
        }
        let reaped = self.reap_all();
        self.volume.commit()?;
        disk_error(reaped)
    }

    /// Makes durable all that was done, and leaves the disk as if it were not mounted: others can read it as it is,
    /// without a journal.
    pub fn settle(&mut self) -> Result<(), Error> {
        if self.is_read_only {
            return Ok(());
        }
        let reaped = self.reap_all();
        self.volume.settle()?;
        disk_error(reaped)
    }

    /// Settles and gives the disk back. Nobody holds anything any more.
    pub fn unmount(mut self) -> (D, Result<(), Error>) {
        let held: Vec<u32> = self.held.keys().copied().collect();
        let mut result = Ok(());
        for ino in held {
            self.held.insert(ino, 1);
            result = result.and(self.release(Ino(ino)));
        }
        result = result.and(self.settle());
        (self.volume.store.into_disk(), result)
    }

    /// An inode that is in use.
    pub(crate) fn inode(&mut self, ino: Ino) -> Result<Inode, Error> {
        if !self.volume.is_inode(ino.0) {
            return Err(Error::Stale);
        }
        let inode = self.volume.any_inode(ino.0)?;
        if inode.links == 0 && !self.held.contains_key(&ino.0) {
            return Err(Error::Stale);
        }
        Ok(inode)
    }

    /// A directory.
    pub(crate) fn directory(&mut self, ino: Ino) -> Result<Inode, Error> {
        let inode = self.inode(ino)?;
        if inode.kind() == Kind::Directory {
            Ok(inode)
        } else {
            Err(Error::NotDirectory)
        }
    }

    /// Notes that an inode's contents have changed.
    pub(crate) fn touch(&self, inode: &mut Inode) {
        inode.modified = self.volume.now();
        inode.changed = inode.modified;
    }

    /// Where an inode's blocks are, to be put back with [`FileSystem::put_map`] if it is right then.
    pub(crate) fn take_map(&mut self, inode: &Inode) -> Result<Map, Error> {
        match self.maps.iter().position(|(ino, _)| *ino == inode.ino) {
            Some(at) => Ok(self.maps.remove(at).1),
            None => self.volume.load_map(inode),
        }
    }

    pub(crate) fn put_map(&mut self, inode: &Inode, map: Map) {
        self.maps.retain(|(ino, _)| *ino != inode.ino);
        if self.maps.len() >= MAPS {
            self.maps.remove(0);
        }
        self.maps.push((inode.ino, map));
    }

    /// Does something as a whole or not at all. When there is no space, it is tried again with that of what was deleted.
    pub(crate) fn operate<T>(
        &mut self,
        mut work: impl FnMut(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        match self.operate_once(&mut work) {
            Err(Error::NoSpace) if !self.doomed.is_empty() || self.volume.pinned.count() > 0 => {
                let _ = self.reap_all();
                self.volume.commit()?;
                self.operate_once(work)
            }
            other => other,
        }
    }

    /// Does something as a whole or not at all.
    pub(crate) fn operate_once<T>(
        &mut self,
        work: impl FnOnce(&mut Self) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.is_read_only {
            return Err(Error::ReadOnly);
        }
        self.volume.begin()?;
        let done = work(self);
        match done {
            Ok(_) => self.volume.finish(),
            Err(_) => {
                self.volume.abort();
                self.maps.clear();
            }
        }
        done
    }
}

/// Whoever cannot be freed because the file system contradicts itself waits for a check: all else is durable.
fn disk_error(result: Result<(), Error>) -> Result<(), Error> {
    match result {
        Err(Error::Disk(_)) => result,
        _ => Ok(()),
    }
}
