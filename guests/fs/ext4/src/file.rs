// SPDX-License-Identifier: BSD-2-Clause
//! Contents of files are read and written.

use alloc::vec::Vec;

use crate::{
    Disk, Error, FileSystem, Ino, Kind,
    blocks::Reserve,
    extents::{Extent, MOST, Map, Piece},
    inode::{self, Inode},
    volume::Volume,
    window::{self, Source, Target},
};

/// Bytes of a file, from one place up to another.
#[derive(Clone, Copy)]
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    /// What of it is in these blocks of the file: where in the first it begins, how many bytes there are, and how many
    /// of the span's come before them. Less than 4 GiB: so are spans.
    fn part(self, logical: u32, count: u64, block_size: u64) -> (usize, u32, u32) {
        let start = u64::from(logical) * block_size;
        let from = self.from.max(start);
        let to = self.to.min(start + count * block_size);
        (
            (from - start) as usize,
            to.saturating_sub(from) as u32,
            (from - self.from) as u32,
        )
    }
}

/// Blocks of a file that lie one behind the other.
#[derive(Clone, Copy)]
struct Part {
    /// The first one's place in the file, and on the disk.
    logical: u32,
    block: u64,
    count: u64,
    /// They have nothing of the file.
    is_new: bool,
}

impl<D: Disk> FileSystem<D> {
    /// Reads from a file to memory. The number of bytes, which are less than asked for at the file's end. No more than
    /// those are written to.
    pub fn read(
        &mut self,
        ino: Ino,
        offset: u64,
        memory: &D::Memory,
        at: u32,
        len: u32,
    ) -> Result<u32, Error> {
        window::check(memory, at, len)?;
        self.read_to(ino, offset, len, Target::Memory(memory, at))
    }

    /// Reads from a file. The number of bytes, which are less than asked for at the file's end.
    pub fn read_bytes(&mut self, ino: Ino, offset: u64, into: &mut [u8]) -> Result<usize, Error> {
        let len = u32::try_from(into.len()).unwrap_or(u32::MAX);
        let read = self.read_to(ino, offset, len, Target::Bytes(into))?;
        Ok(read as usize)
    }

    fn read_to(
        &mut self,
        ino: Ino,
        offset: u64,
        len: u32,
        mut target: Target<'_, D::Memory>,
    ) -> Result<u32, Error> {
        let inode = self.file(ino)?;
        let len = inode.size.saturating_sub(offset).min(len.into());
        if len == 0 {
            return Ok(0);
        }
        let map = self.take_map(&inode)?;
        let span = Span {
            from: offset,
            to: offset + len,
        };
        let done = self.volume.read_span(&map, span, &mut target);
        self.put_map(&inode, map);
        done?;
        Ok(len as u32)
    }

    /// Writes to a file from memory: all of it, or none. A file that ends before `offset` has a hole there then.
    pub fn write(
        &mut self,
        ino: Ino,
        offset: u64,
        memory: &D::Memory,
        at: u32,
        len: u32,
    ) -> Result<u32, Error> {
        window::check(memory, at, len)?;
        self.write_from(ino, offset, len, &Source::Memory(memory, at))?;
        Ok(len)
    }

    /// Writes to a file: all of it, or none.
    pub fn write_bytes(&mut self, ino: Ino, offset: u64, from: &[u8]) -> Result<usize, Error> {
        let len = u32::try_from(from.len()).map_err(|_| Error::TooLarge)?;
        self.write_from(ino, offset, len, &Source::Bytes(from))?;
        Ok(from.len())
    }

    fn write_from(
        &mut self,
        ino: Ino,
        offset: u64,
        len: u32,
        source: &Source<'_, D::Memory>,
    ) -> Result<(), Error> {
        self.finish_truncation(ino)?;
        self.operate(|it| {
            let mut inode = it.file(ino)?;
            let end = offset.checked_add(len.into()).ok_or(Error::TooLarge)?;
            if end > it.volume.longest() {
                return Err(Error::TooLarge);
            }
            let is_fixed = inode.flags & inode::APPEND != 0 && offset < inode.size;
            if inode.flags & inode::IMMUTABLE != 0 || is_fixed {
                return Err(Error::ReadOnly);
            }
            if len == 0 {
                return Ok(());
            }
            let mut map = it.take_map(&inode)?;
            if end > inode.size {
                it.volume.clear_tail(&map, inode.size)?;
            }
            let span = Span {
                from: offset,
                to: end,
            };
            let parts = it.volume.make_room(&mut inode, &mut map, span)?;
            // The first that cannot be taken back. If a write fails, at least nothing becomes part of the file that was
            // somebody else's.
            for part in parts {
                it.volume.write_part(span, part, source)?;
            }
            inode.size = inode.size.max(end);
            it.touch(&mut inode);
            it.volume.save_inode(&inode)?;
            it.put_map(&inode, map);
            Ok(())
        })
    }

    /// Gives a file another size. What was cut off is zeros when it grows again.
    pub fn truncate(&mut self, ino: Ino, size: u64) -> Result<(), Error> {
        self.finish_truncation(ino)?;
        let is_done = self.operate(|it| {
            let mut inode = it.file(ino)?;
            if size > it.volume.longest() {
                return Err(Error::TooLarge);
            }
            if inode.flags & (inode::IMMUTABLE | inode::APPEND) != 0 {
                return Err(Error::ReadOnly);
            }
            let mut map = it.take_map(&inode)?;
            let shrinks = size < inode.size;
            it.volume.clear_tail(&map, size.min(inode.size))?;
            inode.size = size;
            it.touch(&mut inode);
            let is_done = !shrinks || it.shrink(&mut inode, &mut map)?;
            if !is_done && inode.links > 0 {
                it.volume.add_orphan(&mut inode)?;
            }
            it.volume.save_inode(&inode)?;
            it.put_map(&inode, map);
            Ok(is_done)
        })?;
        if !is_done {
            self.doom(ino.0);
            // What is left is not part of the file any more, and goes when it can.
            let _ = self.finish_truncation(ino);
        }
        Ok(())
    }

    /// A regular file.
    fn file(&mut self, ino: Ino) -> Result<Inode, Error> {
        let inode = self.inode(ino)?;
        match inode.kind() {
            Kind::File => Ok(inode),
            Kind::Directory => Err(Error::IsDirectory),
            _ => Err(Error::WrongKind),
        }
    }
}

impl<D: Disk> Volume<D> {
    /// Bytes that a file has at the most: the number of a block has 32 bits, and so has how many there are.
    fn longest(&self) -> u64 {
        u64::from(u32::MAX) * self.geometry.block_size as u64
    }

    /// Makes zeros of what a block has behind the end of the file.
    fn clear_tail(&mut self, map: &Map, size: u64) -> Result<(), Error> {
        let block_size = self.geometry.block_size as u64;
        let at = (size % block_size) as usize;
        let Ok(logical) = u32::try_from(size / block_size) else {
            return Ok(());
        };
        if at == 0 {
            return Ok(());
        }
        let (Piece::Written(block), _) = map.at(logical) else {
            return Ok(());
        };
        let is_clear = |bytes: &[u8]| bytes.iter().skip(at).all(|byte| *byte == 0);
        if !is_clear(self.store.read_data(block)?) {
            let bytes = self.store.change_data(block)?;
            bytes.iter_mut().skip(at).for_each(|byte| *byte = 0);
        }
        Ok(())
    }

    fn read_span(
        &mut self,
        map: &Map,
        span: Span,
        target: &mut Target<'_, D::Memory>,
    ) -> Result<(), Error> {
        let block_size = self.geometry.block_size as u64;
        let mut place = span.from / block_size;
        while place * block_size < span.to {
            // A file has no more blocks: its size may be whatever it wants.
            let Ok(logical) = u32::try_from(place) else {
                let skip = (place * block_size).max(span.from) - span.from;
                return target.zeros(skip as u32, (span.to - span.from - skip) as u32);
            };
            let (piece, count) = map.at(logical);
            let count = count.min(span.to.div_ceil(block_size) - place);
            let (at, len, skip) = span.part(logical, count, block_size);
            match piece {
                Piece::Written(block) => self.read_blocks(block, at, len, skip, target)?,
                Piece::Hole | Piece::Unwritten(_) => target.zeros(skip, len)?,
            }
            place += count;
        }
        Ok(())
    }

    /// Reads `len` bytes that begin at `at` in the first of blocks that lie one behind the other.
    fn read_blocks(
        &mut self,
        mut block: u64,
        mut at: usize,
        mut len: u32,
        mut skip: u32,
        target: &mut Target<'_, D::Memory>,
    ) -> Result<(), Error> {
        let block_size = self.geometry.block_size;
        while len > 0 {
            let whole = len / block_size as u32;
            let done = match target {
                Target::Memory(memory, from) if at == 0 && whole > 0 => {
                    self.store.read_run(block, whole, memory, *from + skip)?;
                    block += u64::from(whole);
                    whole * block_size as u32
                }
                _ => {
                    let some = len.min((block_size - at) as u32);
                    let bytes = self.store.read_data(block)?.get(at..at + some as usize);
                    target.put(skip, bytes.unwrap_or_default())?;
                    block += 1;
                    some
                }
            };
            at = 0;
            skip += done;
            len -= done;
        }
        Ok(())
    }

    /// Makes a file have blocks for a span, all that were not there or had no contents to be written as a whole: where
    /// they are. Its inode is the caller's to save.
    fn make_room(
        &mut self,
        inode: &mut Inode,
        map: &mut Map,
        span: Span,
    ) -> Result<Vec<Part>, Error> {
        let block_size = self.geometry.block_size as u64;
        let mut parts: Vec<Part> = Vec::new();
        let mut place = span.from / block_size;
        while place * block_size < span.to {
            let logical = u32::try_from(place).map_err(|_| Error::TooLarge)?;
            let (piece, count) = map.at(logical);
            let mut count = count.min(span.to.div_ceil(block_size) - place);
            let (block, is_new) = match piece {
                Piece::Written(block) => (block, false),
                Piece::Unwritten(block) => {
                    map.set_written(logical, count as u16);
                    (block, true)
                }
                Piece::Hole => {
                    let want = count.min(MOST.into()) as u32;
                    let goal = self.goal(inode, map, logical);
                    let blocks = self.allocate(goal, want, Reserve::Keep)?;
                    count = blocks.len.into();
                    inode.sectors += self.sectors(count);
                    map.insert(Extent {
                        logical,
                        len: blocks.len as u16,
                        unwritten: false,
                        physical: blocks.start,
                    });
                    (blocks.start, true)
                }
            };
            parts.push(Part {
                logical,
                count,
                block,
                is_new,
            });
            place += count;
        }
        self.save_map(inode, map)?;
        Ok(parts)
    }

    /// Where the block of a file would be best: behind the one before it, or where the last file has got its blocks,
    /// if that is in the inode's group.
    pub fn goal(&self, inode: &Inode, map: &Map, logical: u32) -> u64 {
        if let Some(goal) = map.goal(logical) {
            return goal;
        }
        let group = inode.ino.saturating_sub(1) / self.geometry.inodes_per_group;
        let start = self.geometry.group_start(group);
        let end = start + u64::from(self.geometry.blocks_per_group);
        if (start..end).contains(&self.next) {
            self.next
        } else {
            start
        }
    }

    /// Writes what of a span is in blocks that the file has.
    fn write_part(
        &mut self,
        span: Span,
        part: Part,
        source: &Source<'_, D::Memory>,
    ) -> Result<(), Error> {
        let block_size = self.geometry.block_size;
        let (mut at, mut len, mut skip) = span.part(part.logical, part.count, block_size as u64);
        let mut block = part.block;
        while len > 0 {
            let whole = len / block_size as u32;
            let done = match source {
                Source::Memory(memory, from) if at == 0 && whole > 0 => {
                    self.store.write_run(block, whole, memory, *from + skip)?;
                    block += u64::from(whole);
                    whole * block_size as u32
                }
                _ => {
                    let some = len.min((block_size - at) as u32);
                    let bytes = if part.is_new || some as usize == block_size {
                        self.store.fresh_data(block)?
                    } else {
                        self.store.change_data(block)?
                    };
                    let place = bytes.get_mut(at..at + some as usize);
                    source.copy(skip, place.unwrap_or_default())?;
                    block += 1;
                    some
                }
            };
            at = 0;
            skip += done;
            len -= done;
        }
        Ok(())
    }
}
