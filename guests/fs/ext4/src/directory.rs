// SPDX-License-Identifier: BSD-2-Clause
//! Directories: their entries, in all their blocks.
//!
//! Entries are searched from the first to the last. The index that a directory may have is for other implementations:
//! whoever has one finds the entries without it too, but must find it right, so it goes before the first change.

use crate::{
    Disk, Error,
    blocks::Reserve,
    bytes::{get32, put32},
    dirblock::{self, Raw},
    extents::{Extent, Map, Piece},
    inode::{self, Inode},
    layout::checksum,
    volume::Volume,
};

const BAD: Error = Error::Corrupt("a directory");
/// Bytes that a directory has at the most.
const LARGEST: u64 = 0x7fff_ffff;

/// A block of a directory, and a byte of it.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    pub block: u64,
    pub at: usize,
}

/// An entry that was searched for.
#[derive(Clone, Copy, Debug)]
pub struct Found {
    pub place: Place,
    pub ino: u32,
    /// As it is on the disk: zero, it is not known.
    pub kind: u8,
}

impl<D: Disk> Volume<D> {
    /// How many blocks a directory has.
    pub fn directory_blocks(&self, dir: &Inode, map: &Map) -> Result<u32, Error> {
        let block_size = self.geometry.block_size as u64;
        let count = dir.size / block_size;
        if !dir.size.is_multiple_of(block_size) || count > map.end() || count == 0 {
            return Err(BAD);
        }
        u32::try_from(count).map_err(|_| BAD)
    }

    fn entry_bytes(&self) -> usize {
        let tail = if self.geometry.has_checksums() {
            dirblock::TAIL
        } else {
            0
        };
        self.geometry.block_size - tail
    }

    /// A block of a directory, and its bytes for entries, which are what was written there once.
    pub fn directory_block(
        &mut self,
        dir: &Inode,
        map: &mut Map,
        logical: u32,
    ) -> Result<(u64, &[u8]), Error> {
        let (Piece::Written(block), _) = map.at(logical) else {
            return Err(BAD);
        };
        let seed = self.seed(dir);
        let len = self.entry_bytes();
        let bytes = self.store.read(block)?;
        let Some(seed) = seed else {
            return Ok((block, bytes));
        };
        if dir.flags & inode::INDEX != 0 && dirblock::is_index(bytes, logical == 0) {
            // The index is not used: its own checksum does not matter.
            return Ok((block, bytes));
        }
        if !map.checked.contains(&logical) {
            let sum = checksum::of_directory_block(seed, bytes);
            if !dirblock::has_tail(bytes) || get32(bytes, bytes.len() - 4) != sum {
                return Err(Error::Corrupt("the checksum of a directory's block"));
            }
            map.checked.insert(logical);
        }
        Ok((block, bytes.get(..len).unwrap_or(bytes)))
    }

    /// Searches an entry; and on the way, if `room` is not zero, a place for one that needs as many bytes.
    pub fn search(
        &mut self,
        dir: &Inode,
        map: &mut Map,
        name: &[u8],
        room: usize,
    ) -> Result<(Option<Found>, Option<Place>), Error> {
        let mut free = None;
        for logical in 0..self.directory_blocks(dir, map)? {
            let (block, bytes) = self.directory_block(dir, map, logical)?;
            for raw in dirblock::entries(bytes) {
                let raw = raw?;
                if raw.ino != 0 && raw.name == name {
                    let place = Place { block, at: raw.at };
                    let (ino, kind) = (raw.ino, raw.kind);
                    return Ok((Some(Found { place, ino, kind }), free));
                }
                if free.is_none() && room > 0 && raw.room() >= room {
                    free = Some(Place { block, at: raw.at });
                }
            }
        }
        Ok((None, free))
    }

    /// The entry of this name.
    pub fn find(
        &mut self,
        dir: &Inode,
        map: &mut Map,
        name: &[u8],
    ) -> Result<Option<Found>, Error> {
        let (found, _) = self.search(dir, map, name, 0)?;
        match found {
            Some(found) if !self.is_inode(found.ino) => Err(Error::Corrupt("an entry's inode")),
            found => Ok(found),
        }
    }

    /// Whether there are no entries but `.` and `..`.
    pub fn is_empty(&mut self, dir: &Inode, map: &mut Map) -> Result<bool, Error> {
        for logical in 0..self.directory_blocks(dir, map)? {
            let (_, bytes) = self.directory_block(dir, map, logical)?;
            for raw in dirblock::entries(bytes) {
                if raw?.is_own() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Changes the bytes for entries of a block.
    fn change_entries<T>(
        &mut self,
        dir: &Inode,
        block: u64,
        change: impl FnOnce(&mut [u8]) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let seed = self.seed(dir);
        let len = self.entry_bytes();
        let bytes = self.store.change(block)?;
        let done = change(bytes.get_mut(..len).unwrap_or_default())?;
        seal(bytes, seed);
        Ok(done)
    }

    /// Adds an entry at the place that [`Volume::search`] has found, or in a new block. The inode is the caller's to
    /// save.
    pub fn add_entry(
        &mut self,
        dir: &mut Inode,
        map: &mut Map,
        place: Option<Place>,
        entry: (&[u8], u32, u8),
    ) -> Result<(), Error> {
        let (name, ino, kind) = entry;
        self.drop_index(dir, map)?;
        let place = match place {
            // What the index has of its first block is all free now.
            Some(place) => place,
            None => {
                let logical = u32::try_from(dir.size / self.geometry.block_size as u64);
                let block = self.grow_directory(dir, map, logical.map_err(|_| BAD)?)?;
                Place { block, at: 0 }
            }
        };
        self.change_entries(dir, place.block, |bytes| {
            dirblock::insert(bytes, place.at, ino, kind, name)
        })
    }

    /// A new block at the end of a directory, with one free entry.
    fn grow_directory(
        &mut self,
        dir: &mut Inode,
        map: &mut Map,
        logical: u32,
    ) -> Result<u64, Error> {
        let block_size = self.geometry.block_size as u64;
        if dir.size + block_size > LARGEST {
            return Err(Error::NoSpace);
        }
        let goal = self.goal(dir, map, logical);
        let block = self.allocate(goal, 1, Reserve::Keep)?.start;
        self.store.fresh(block)?;
        self.change_entries(dir, block, |bytes| {
            dirblock::clear(bytes);
            Ok(())
        })?;
        map.checked.insert(logical);
        map.insert(Extent {
            logical,
            len: 1,
            unwritten: false,
            physical: block,
        });
        dir.size += block_size;
        dir.sectors += self.sectors(1);
        self.save_map(dir, map)?;
        Ok(block)
    }

    /// Makes the first block of a new directory. The inode is the caller's to save.
    pub fn make_directory(&mut self, dir: &mut Inode, parent: u32) -> Result<Map, Error> {
        let mut map = self.make_file(dir);
        let block = self.grow_directory(dir, &mut map, 0)?;
        let (own, kind) = (dir.ino, self.kind_byte(dir.mode));
        self.change_entries(dir, block, |bytes| {
            dirblock::first(bytes, own, parent, kind);
            Ok(())
        })?;
        Ok(map)
    }

    /// Removes the entry at a place.
    pub fn remove_entry(
        &mut self,
        dir: &mut Inode,
        map: &mut Map,
        place: Place,
    ) -> Result<(), Error> {
        self.drop_index(dir, map)?;
        self.change_entries(dir, place.block, |bytes| dirblock::remove(bytes, place.at))
    }

    /// Lets the entry at a place be of another inode.
    pub fn replace_entry(
        &mut self,
        dir: &mut Inode,
        map: &mut Map,
        place: Place,
        ino: u32,
        kind: u8,
    ) -> Result<(), Error> {
        self.drop_index(dir, map)?;
        self.change_entries(dir, place.block, |bytes| {
            dirblock::replace(bytes, place.at, ino, kind);
            Ok(())
        })
    }

    /// Makes all blocks of a directory ones of entries. They stay where they are.
    fn drop_index(&mut self, dir: &mut Inode, map: &mut Map) -> Result<(), Error> {
        if dir.flags & inode::INDEX == 0 {
            return Ok(());
        }
        // Without checksums, blocks of the index are blocks of entries as they are.
        if self.geometry.has_checksums() {
            for logical in 0..self.directory_blocks(dir, map)? {
                let (block, bytes) = self.directory_block(dir, map, logical)?;
                let is_first = logical == 0;
                if dirblock::is_index(bytes, is_first) && bytes.len() == self.geometry.block_size {
                    self.change_entries(dir, block, |bytes| {
                        dirblock::forget_index(bytes, is_first);
                        Ok(())
                    })?;
                    map.checked.insert(logical);
                }
            }
        }
        dir.flags &= !inode::INDEX;
        Ok(())
    }

    /// The kind of an entry for an inode of this mode, if entries tell.
    pub fn kind_byte(&self, mode: u16) -> u8 {
        use crate::layout::features::Incompat;
        if !self.geometry.incompat.contains(Incompat::FILETYPE) {
            return 0;
        }
        match mode >> 12 {
            8 => 1,
            4 => 2,
            2 => 3,
            6 => 4,
            1 => 5,
            12 => 6,
            10 => 7,
            _ => 0,
        }
    }
}

impl Raw<'_> {
    /// Whether it is an entry that is not free, and none of the two that each directory has.
    pub fn is_own(&self) -> bool {
        self.ino != 0 && self.name != b"." && self.name != b".."
    }
}

/// Sets the checksum of a directory's block, if it has one.
fn seal(block: &mut [u8], seed: Option<u32>) {
    if let Some(seed) = seed {
        dirblock::set_tail(block);
        let sum = checksum::of_directory_block(seed, block);
        let at = block.len() - 4;
        put32(block, at, sum);
    }
}
