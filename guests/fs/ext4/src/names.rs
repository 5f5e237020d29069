// SPDX-License-Identifier: BSD-2-Clause
//! Names are looked up, given and taken away.

use alloc::vec::Vec;
use core::ops::ControlFlow;

use crate::{
    Disk, Error, FileSystem, Ino, Kind,
    blocks::Reserve,
    dirblock,
    directory::{Found, Place},
    extents::{Extent, Map, Piece},
    inode::{self, BLOCK, Inode, kind_of},
    layout::features::RoCompat,
};

/// Links that an inode can have.
const LINKS: u16 = 65_000;

/// What is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum New<'a> {
    /// A file, of no bytes.
    File,
    /// A directory, of no entries.
    Directory,
    /// A symbolic link to this target, which is shorter than a block.
    Symlink(&'a [u8]),
}

impl New<'_> {
    const fn mode(self) -> u16 {
        match self {
            Self::File => 0o100_644,
            Self::Directory => 0o040_755,
            Self::Symlink(_) => 0o120_777,
        }
    }
}

/// An entry of a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Where the directory goes on behind it.
    pub next: u64,
    /// What it is of.
    pub ino: Ino,
    /// What that is.
    pub kind: Kind,
    /// Up to 255 bytes.
    pub name: &'a [u8],
}

/// Whether something can have this name.
pub(crate) fn check_name(name: &[u8]) -> Result<(), Error> {
    let is_bad = matches!(name, b"" | b"." | b"..")
        || name.len() > 255
        || name.iter().any(|byte| matches!(byte, 0 | b'/'));
    if is_bad { Err(Error::BadName) } else { Ok(()) }
}

/// The kind that an entry tells, if it does.
const fn kind_of_byte(byte: u8) -> Option<Kind> {
    match byte {
        1 => Some(Kind::File),
        2 => Some(Kind::Directory),
        7 => Some(Kind::Symlink),
        3..=6 => Some(Kind::Other),
        _ => None,
    }
}

/// An open directory: its inode, and where its blocks are.
pub(crate) struct Opened {
    pub(crate) inode: Inode,
    pub(crate) map: Map,
}

impl<D: Disk> FileSystem<D> {
    fn open(&mut self, dir: Ino) -> Result<Opened, Error> {
        let inode = self.directory(dir)?;
        let map = self.take_map(&inode)?;
        Ok(Opened { inode, map })
    }

    /// A directory that entries come to or go from.
    pub(crate) fn open_to_change(&mut self, dir: Ino) -> Result<Opened, Error> {
        let dir = self.open(dir)?;
        if dir.inode.flags & inode::IMMUTABLE != 0 {
            return Err(Error::ReadOnly);
        }
        // Who holds one that was removed finds nothing there, and leaves nothing.
        if dir.inode.links == 0 {
            Err(Error::Stale)
        } else {
            Ok(dir)
        }
    }

    /// Saves a directory that has changed.
    pub(crate) fn close(&mut self, mut dir: Opened) -> Result<(), Error> {
        self.touch(&mut dir.inode);
        self.volume.save_inode(&dir.inode)?;
        self.put_map(&dir.inode, dir.map);
        Ok(())
    }

    /// The inode that an entry is of.
    pub(crate) fn entry_inode(&mut self, found: &Found) -> Result<Inode, Error> {
        match self.volume.any_inode(found.ino) {
            Ok(inode) if inode.links > 0 && self.volume.is_inode(found.ino) => Ok(inode),
            Ok(_) | Err(Error::Stale) => Err(Error::Corrupt("an entry's inode")),
            Err(error) => Err(error),
        }
    }

    /// What has this name in a directory.
    pub fn lookup(&mut self, dir: Ino, name: &[u8]) -> Result<(Ino, Kind), Error> {
        let Opened { inode, mut map } = self.open(dir)?;
        check_name(name)?;
        let found = self.volume.find(&inode, &mut map, name);
        self.put_map(&inode, map);
        let found = found?.ok_or(Error::NotFound)?;
        let kind = match kind_of_byte(found.kind) {
            Some(kind) => kind,
            None => self.entry_inode(&found)?.kind(),
        };
        Ok((Ino(found.ino), kind))
    }

    /// Creates something with this name.
    pub fn create(&mut self, dir: Ino, name: &[u8], what: New<'_>) -> Result<Ino, Error> {
        self.operate(|it| {
            let mut dir = it.open_to_change(dir)?;
            let place = it.vacancy(&mut dir, name)?;
            it.check_target(what)?;
            if what == New::Directory {
                it.add_link(&mut dir.inode)?;
            }
            let mut inode = it.volume.allocate_inode(dir.inode.ino, what.mode())?;
            inode.links = 1;
            let map = match what {
                New::File => Some(it.volume.make_file(&mut inode)),
                New::Directory => {
                    inode.links = 2;
                    Some(it.volume.make_directory(&mut inode, dir.inode.ino)?)
                }
                New::Symlink(target) => it.make_symlink(&mut inode, target)?,
            };
            it.volume.save_inode(&inode)?;
            let kind = it.volume.kind_byte(inode.mode);
            it.volume
                .add_entry(&mut dir.inode, &mut dir.map, place, (name, inode.ino, kind))?;
            if let Some(map) = map {
                it.put_map(&inode, map);
            }
            it.close(dir)?;
            Ok(Ino(inode.ino))
        })
    }

    /// Where an entry of this name would go. There is none.
    fn vacancy(&mut self, dir: &mut Opened, name: &[u8]) -> Result<Option<Place>, Error> {
        check_name(name)?;
        let needed = dirblock::needed(name.len());
        match self.volume.search(&dir.inode, &mut dir.map, name, needed)? {
            (Some(_), _) => Err(Error::Exists),
            (None, place) => Ok(place),
        }
    }

    /// Whether a symbolic link can have this target.
    fn check_target(&self, what: New<'_>) -> Result<(), Error> {
        match what {
            New::Symlink(target)
                if target.is_empty()
                    || target.len() >= self.volume.geometry.block_size
                    || target.contains(&0) =>
            {
                Err(Error::BadName)
            }
            _ => Ok(()),
        }
    }

    fn make_symlink(&mut self, inode: &mut Inode, target: &[u8]) -> Result<Option<Map>, Error> {
        inode.size = target.len() as u64;
        if target.len() < BLOCK {
            if let Some(place) = inode.block.get_mut(..target.len()) {
                place.copy_from_slice(target);
            }
            return Ok(None);
        }
        let mut map = self.volume.make_file(inode);
        let goal = self.volume.goal(inode, &map, 0);
        let physical = self.volume.allocate(goal, 1, Reserve::Keep)?.start;
        let bytes = self.volume.store.fresh_data(physical)?;
        if let Some(place) = bytes.get_mut(..target.len()) {
            place.copy_from_slice(target);
        }
        map.insert(Extent {
            logical: 0,
            len: 1,
            unwritten: false,
            physical,
        });
        inode.sectors += self.volume.sectors(1);
        self.volume.save_map(inode, &mut map)?;
        Ok(Some(map))
    }

    /// Where a symbolic link points.
    pub fn read_link(&mut self, ino: Ino) -> Result<Vec<u8>, Error> {
        let bad = Error::Corrupt("a symbolic link");
        let inode = self.inode(ino)?;
        if inode.kind() != Kind::Symlink {
            return Err(Error::WrongKind);
        }
        let len = usize::try_from(inode.size).map_err(|_| bad)?;
        if inode.is_short_link() {
            return inode.block.get(..len).map(<[u8]>::to_vec).ok_or(bad);
        }
        let map = self.take_map(&inode)?;
        let (piece, _) = map.at(0);
        self.put_map(&inode, map);
        let Piece::Written(block) = piece else {
            return Err(bad);
        };
        let bytes = self.volume.store.read_data(block)?;
        bytes.get(..len).map(<[u8]>::to_vec).ok_or(bad)
    }

    /// Gives a file, or whatever is no directory, one more name.
    pub fn link(&mut self, ino: Ino, dir: Ino, name: &[u8]) -> Result<(), Error> {
        self.operate(|it| {
            let mut inode = it.inode(ino)?;
            if inode.kind() == Kind::Directory {
                return Err(Error::IsDirectory);
            }
            if inode.links == 0 {
                return Err(Error::Stale);
            }
            if inode.flags & (inode::IMMUTABLE | inode::APPEND) != 0 {
                return Err(Error::ReadOnly);
            }
            let mut dir = it.open_to_change(dir)?;
            let place = it.vacancy(&mut dir, name)?;
            it.add_link(&mut inode)?;
            inode.changed = it.volume.now();
            it.volume.save_inode(&inode)?;
            let kind = it.volume.kind_byte(inode.mode);
            it.volume
                .add_entry(&mut dir.inode, &mut dir.map, place, (name, inode.ino, kind))?;
            it.close(dir)
        })
    }

    /// Takes a name away from what is no directory. With its last one it goes, unless it is held.
    pub fn unlink(&mut self, dir: Ino, name: &[u8]) -> Result<(), Error> {
        self.remove(dir, name, false)
    }

    /// Removes a directory that has no entries.
    pub fn remove_dir(&mut self, dir: Ino, name: &[u8]) -> Result<(), Error> {
        self.remove(dir, name, true)
    }

    fn remove(&mut self, dir: Ino, name: &[u8], is_directory: bool) -> Result<(), Error> {
        let gone = self.operate(|it| {
            let mut dir = it.open_to_change(dir)?;
            check_name(name)?;
            let found = it
                .volume
                .find(&dir.inode, &mut dir.map, name)?
                .ok_or(Error::NotFound)?;
            let inode = it.entry_inode(&found)?;
            match (inode.kind() == Kind::Directory, is_directory) {
                (true, false) => return Err(Error::IsDirectory),
                (false, true) => return Err(Error::NotDirectory),
                _ => {}
            }
            it.check_removable(&dir.inode, &inode)?;
            let ino = it.drop_link(inode)?;
            if is_directory {
                it.remove_link(&mut dir.inode);
            }
            it.volume
                .remove_entry(&mut dir.inode, &mut dir.map, found.place)?;
            it.close(dir)?;
            Ok(ino)
        })?;
        self.bury(gone);
        Ok(())
    }

    /// Whether a name can be taken away from an inode in a directory.
    pub(crate) fn check_removable(&mut self, dir: &Inode, inode: &Inode) -> Result<(), Error> {
        let fixed = inode::IMMUTABLE | inode::APPEND;
        if inode.flags & fixed != 0 || dir.flags & inode::APPEND != 0 {
            return Err(Error::ReadOnly);
        }
        if inode.kind() != Kind::Directory {
            return Ok(());
        }
        if inode.ino == dir.ino {
            return Err(Error::Corrupt("a directory in itself"));
        }
        let mut map = self.take_map(inode)?;
        let is_empty = self.volume.is_empty(inode, &mut map)?;
        self.put_map(inode, map);
        if is_empty {
            Ok(())
        } else {
            Err(Error::NotEmpty)
        }
    }

    /// Takes a link away from an inode whose entry goes: all of them from a directory. If it was the last, it is an
    /// orphan then, and this is its number.
    pub(crate) fn drop_link(&mut self, mut inode: Inode) -> Result<Option<u32>, Error> {
        inode.changed = self.volume.now();
        inode.links = if inode.kind() == Kind::Directory {
            0
        } else {
            inode.links - 1
        };
        let is_gone = inode.links == 0;
        if is_gone {
            self.volume.add_orphan(&mut inode)?;
        }
        self.volume.save_inode(&inode)?;
        Ok(is_gone.then_some(inode.ino))
    }

    /// Frees an inode that has got an orphan, if nobody holds it.
    pub(crate) fn bury(&mut self, gone: Option<u32>) {
        if let Some(ino) = gone.filter(|ino| !self.held.contains_key(ino)) {
            self.doom(ino);
            // Its name is gone. What it has goes when it can.
            let _ = self.reap_all();
        }
    }

    pub(crate) fn add_link(&self, inode: &mut Inode) -> Result<(), Error> {
        let is_directory = inode.kind() == Kind::Directory;
        inode.links = match inode.links {
            // It has had more than can be counted.
            1 if is_directory => 1,
            links if links < LINKS => links + 1,
            _ if is_directory && self.volume.geometry.ro_compat.contains(RoCompat::DIR_NLINK) => 1,
            _ => return Err(Error::TooManyLinks),
        };
        Ok(())
    }

    /// Takes away the link that a directory has from the `..` of one in it.
    pub(crate) fn remove_link(&self, dir: &mut Inode) {
        if dir.links > 2 {
            dir.links -= 1;
        }
    }

    /// The entries of a directory from a place on, which is zero or what an [`Entry`] told; without `.` and `..`. Who
    /// stays while others come and go is told of once, however often it goes on from where it stopped.
    pub fn entries(
        &mut self,
        dir: Ino,
        from: u64,
        each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let Opened { inode, mut map } = self.open(dir)?;
        let done = self.entries_of(&inode, &mut map, from, each);
        self.put_map(&inode, map);
        done
    }

    fn entries_of(
        &mut self,
        dir: &Inode,
        map: &mut Map,
        from: u64,
        each: &mut dyn FnMut(Entry<'_>) -> ControlFlow<()>,
    ) -> Result<(), Error> {
        let block_size = self.volume.geometry.block_size as u64;
        let first = u32::try_from(from / block_size).unwrap_or(u32::MAX);
        for logical in first..self.volume.directory_blocks(dir, map)? {
            let start = u64::from(logical) * block_size;
            // Not borrowed: an entry may not tell its kind, which is read then.
            let bytes = self.volume.directory_block(dir, map, logical)?.1.to_vec();
            for raw in dirblock::entries(&bytes) {
                let raw = raw?;
                let at = start + raw.at as u64;
                if !raw.is_own() || at < from {
                    continue;
                }
                if !self.volume.is_inode(raw.ino) {
                    return Err(Error::Corrupt("an entry's inode"));
                }
                let kind = match kind_of_byte(raw.kind) {
                    Some(kind) => kind,
                    None => kind_of(self.volume.any_inode(raw.ino)?.mode),
                };
                // No other entry begins before its name does.
                let next = at + dirblock::needed(1) as u64;
                let entry = Entry {
                    next,
                    ino: Ino(raw.ino),
                    kind,
                    name: raw.name,
                };
                if each(entry).is_break() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }
}
