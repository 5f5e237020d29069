// SPDX-License-Identifier: BSD-2-Clause
//! What has a name gets another one, in the same or in another directory.

use alloc::collections::BTreeSet;

use crate::{
    Disk, Error, FileSystem, Ino, Kind, dirblock,
    directory::Found,
    inode::{self, Inode},
    names::{Opened, check_name},
};

impl<D: Disk> FileSystem<D> {
    /// Gives what has a name another one, in the same or in another directory. What has that name already goes, if it is
    /// of the same kind: a directory only if it is empty. There is no moment without either.
    pub fn rename(&mut self, from: Ino, name: &[u8], to: Ino, new: &[u8]) -> Result<(), Error> {
        let gone = self.operate(|it| it.rename_now(from, name, to, new))?;
        self.bury(gone);
        Ok(())
    }

    fn rename_now(
        &mut self,
        from: Ino,
        name: &[u8],
        to: Ino,
        new: &[u8],
    ) -> Result<Option<u32>, Error> {
        let mut source = self.open_to_change(from)?;
        let mut other = if from == to {
            None
        } else {
            Some(self.open_to_change(to)?)
        };
        check_name(name)?;
        check_name(new)?;
        let found = self.volume.find(&source.inode, &mut source.map, name)?;
        let found = found.ok_or(Error::NotFound)?;
        let mut inode = self.entry_inode(&found)?;
        let is_directory = inode.kind() == Kind::Directory;
        let fixed = inode::IMMUTABLE | inode::APPEND;
        if inode.flags & fixed != 0 || source.inode.flags & inode::APPEND != 0 {
            return Err(Error::ReadOnly);
        }
        if is_directory && from != to && self.is_inside(to, inode.ino)? {
            return Err(Error::IntoItself);
        }
        let target = other.as_mut().unwrap_or(&mut source);
        let needed = dirblock::needed(new.len());
        let (old, place) = self
            .volume
            .search(&target.inode, &mut target.map, new, needed)?;
        let kind = self.volume.kind_byte(inode.mode);
        let mut gone = None;
        if let Some(old) = old {
            if old.ino == inode.ino {
                return Ok(None);
            }
            let before = self.entry_inode(&old)?;
            match (is_directory, before.kind() == Kind::Directory) {
                (true, false) => return Err(Error::NotDirectory),
                (false, true) => return Err(Error::IsDirectory),
                _ => {}
            }
            let dir = target.inode;
            self.check_removable(&dir, &before)?;
            gone = self.drop_link(before)?;
            if is_directory {
                self.remove_link(&mut target.inode);
            }
            let Opened { inode: dir, map } = target;
            self.volume
                .replace_entry(dir, map, old.place, inode.ino, kind)?;
        } else {
            let Opened { inode: dir, map } = target;
            self.volume
                .add_entry(dir, map, place, (new, inode.ino, kind))?;
        }
        self.volume
            .remove_entry(&mut source.inode, &mut source.map, found.place)?;
        if let Some(target) = &mut other
            && is_directory
        {
            self.remove_link(&mut source.inode);
            self.add_link(&mut target.inode)?;
            self.set_parent(&mut inode, source.inode.ino, to)?;
        }
        inode.changed = self.volume.now();
        self.volume.save_inode(&inode)?;
        self.close(source)?;
        if let Some(target) = other {
            self.close(target)?;
        }
        Ok(gone)
    }

    /// The entry `..` of a directory.
    fn parent(&mut self, inode: &Inode) -> Result<Found, Error> {
        let mut map = self.take_map(inode)?;
        let found = self.volume.find(inode, &mut map, b"..");
        self.put_map(inode, map);
        found?.ok_or(Error::Corrupt("a directory without a parent"))
    }

    fn set_parent(&mut self, inode: &mut Inode, before: u32, parent: Ino) -> Result<(), Error> {
        let found = self.parent(inode)?;
        if found.ino != before {
            return Err(Error::Corrupt("a directory's parent"));
        }
        let mut map = self.take_map(inode)?;
        let kind = self.volume.kind_byte(0o040_000);
        self.volume
            .replace_entry(inode, &mut map, found.place, parent.0, kind)?;
        self.put_map(inode, map);
        Ok(())
    }

    /// Whether a directory is another one, or in it.
    fn is_inside(&mut self, dir: Ino, other: u32) -> Result<bool, Error> {
        let mut at = dir;
        let mut seen = BTreeSet::new();
        loop {
            if at.0 == other {
                return Ok(true);
            }
            if at == self.root() {
                return Ok(false);
            }
            if !seen.insert(at) {
                return Err(Error::Corrupt("directories in each other"));
            }
            let inode = self.directory(at)?;
            at = Ino(self.parent(&inode)?.ino);
        }
    }
}
