// SPDX-License-Identifier: BSD-2-Clause
//! Blocks of the file system, through a cache. Changes belong to an operation, operations to the running transaction.
//!
//! # Metadata
//!
//! What [`Store::change`] and [`Store::fresh`] give out becomes part of the running transaction, which reaches the disk
//! as a whole or not at all: [`Store::commit`] writes it to the journal. An operation that fails in its middle is taken
//! back with [`Store::abort`], which leaves what operations before it did to the transaction.
//!
//! # File contents
//!
//! They are not in the journal. They are on the disk before the transaction that makes them part of a file is, so a
//! file never has what somebody else left in its blocks. Whole blocks go past the cache ([`Store::write_run`]), parts of
//! blocks through it.
//!
//! # Blocks that were freed
//!
//! They must not be used again before [`Store::transaction`] has changed: until then, a crash brings back the file that
//! had them. That this is long enough is argued in the `journal` module.

mod cache;
mod device;
mod operation;
mod transaction;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    vec,
};
use core::ops::Range;

use crate::{
    Disk, DiskError, Error, Memory, journal::Journal, layout::geometry::Geometry, zones::Zones,
};

use cache::{Cache, Cached, State};
use operation::Operation;

pub(crate) use device::Device;

/// Blocks by their numbers, with what is to be in them.
pub(crate) type Contents = BTreeMap<u64, Rc<[u8]>>;

/// Blocks of the file system.
pub(crate) struct Store<D> {
    device: Device<D>,
    geometry: Geometry,
    cache: Cache,
    /// None: nothing is written.
    journal: Option<Journal>,
    /// The journal's own: nobody's.
    journal_zones: Zones,
    /// What the running transaction has changed, all of it cached.
    changed: BTreeSet<u64>,
    /// File contents that the disk does not have, all of it cached.
    data: BTreeSet<u64>,
    /// File contents that were written since the disk was last flushed, all of it cached.
    written: BTreeSet<u64>,
    /// What was committed and may not have come to stay in its place. Its place has it, or it is in the journal.
    home: Contents,
    /// Whether all of `home` was written since the disk was last flushed.
    is_home_written: bool,
    /// Whether the superblock says that the journal is to be replayed.
    is_marked: bool,
    operation: Option<Operation>,
    operations: u64,
    transaction: u64,
}

impl<D: Disk> Store<D> {
    /// The blocks of a file system of which nothing is cached. `home`: what its journal has of it, of a disk that takes
    /// no writes.
    pub(crate) fn new(
        device: Device<D>,
        geometry: Geometry,
        cache: usize,
        journal: Option<Journal>,
        journal_zones: Zones,
        home: Contents,
    ) -> Self {
        Self {
            device,
            geometry,
            cache: Cache::new(cache),
            journal,
            journal_zones,
            changed: BTreeSet::new(),
            data: BTreeSet::new(),
            written: BTreeSet::new(),
            home,
            is_home_written: false,
            is_marked: false,
            operation: None,
            operations: 0,
            transaction: 1,
        }
    }

    /// Bytes of a block.
    #[cfg(test)]
    pub(crate) fn block_size(&self) -> usize {
        self.geometry.block_size
    }

    /// Whether nothing can be changed.
    pub(crate) const fn is_read_only(&self) -> bool {
        self.journal.is_none()
    }

    /// Whether [`Store::settle`] would have something to write.
    pub(crate) fn is_dirty(&self) -> bool {
        let is_changed = !self.changed.is_empty() || !self.data.is_empty();
        is_changed || self.is_marked || self.device.is_unflushed()
    }

    /// The disk that they are on.
    pub(crate) const fn disk(&self) -> &D {
        self.device.disk()
    }

    /// The same, for what is no reading and writing.
    pub(crate) const fn disk_mut(&mut self) -> &mut D {
        self.device.disk_mut()
    }

    /// The blocks that the journal has, in order, in ranges with the block behind each: nobody else's.
    pub(crate) fn journal_blocks(&self) -> impl Iterator<Item = (u64, u64)> {
        self.journal_zones.within(0, u64::MAX)
    }

    /// Writes nothing more, and gives the disk back.
    pub(crate) fn into_disk(self) -> D {
        self.device.into_disk()
    }

    /// A block of metadata.
    pub(crate) fn read(&mut self, block: u64) -> Result<&[u8], Error> {
        self.check(block)?;
        Ok(&self.load(block)?.bytes)
    }

    /// A block of metadata, to be changed in the running operation.
    ///
    /// # Errors
    ///
    /// Beyond [`Store::room`], [`Error::NoSpace`].
    pub(crate) fn change(&mut self, block: u64) -> Result<&mut [u8], Error> {
        self.check(block)?;
        self.admit(block)?;
        self.load(block)?;
        self.keep(block);
        self.move_to(block, State::Changed)
    }

    /// A block of metadata that was nobody's before: it has zeros. Errors are those of [`Store::change`].
    pub(crate) fn fresh(&mut self, block: u64) -> Result<&mut [u8], Error> {
        self.check(block)?;
        self.admit(block)?;
        self.keep(block);
        self.put(block, self.zeros(), self.operations)?;
        self.move_to(block, State::Changed)
    }

    /// What was in a block is nobody's any more: it is freed in the running operation.
    pub(crate) fn forget(&mut self, block: u64) {
        if self.journal.is_some() && self.cache.has(block) {
            self.keep(block);
            self.drop_cached(block);
        }
    }

    /// The same for `count` blocks, of file contents too.
    pub(crate) fn forget_run(&mut self, block: u64, count: u64) {
        for block in self.cache.within(block..block.saturating_add(count)) {
            self.forget(block);
        }
    }

    /// A block of file contents.
    pub(crate) fn read_data(&mut self, block: u64) -> Result<&[u8], Error> {
        self.check_data(block, 1)?;
        Ok(&self.load(block)?.bytes)
    }

    /// A block of file contents, to be changed, and written before the transaction is committed. An operation that is
    /// taken back does not take this back.
    pub(crate) fn change_data(&mut self, block: u64) -> Result<&mut [u8], Error> {
        self.check_writable(block, 1)?;
        self.load(block)?;
        self.move_to(block, State::Data)
    }

    /// A block of file contents that was nobody's before: it has zeros. It is dropped with the operation, if that is
    /// taken back.
    pub(crate) fn fresh_data(&mut self, block: u64) -> Result<&mut [u8], Error> {
        self.check_writable(block, 1)?;
        self.keep(block);
        self.put(block, self.zeros(), self.operations)?;
        self.move_to(block, State::Data)
    }

    /// Reads `count` blocks of file contents from `block` on to `at` in `memory`.
    pub(crate) fn read_run(
        &mut self,
        block: u64,
        count: u32,
        memory: &D::Memory,
        at: u32,
    ) -> Result<(), Error> {
        let blocks = self.check_data(block, count)?;
        let len = self.run_len(count, memory, at)?;
        self.device.read_to(block, memory, at, len)?;
        // What the disk does not have yet. It fits: all of the run does.
        let place = |of: u64| at + (of - block) as u32 * self.geometry.block_size as u32;
        if !self.is_home_written {
            for (of, bytes) in self.home.range(blocks.clone()) {
                memory.put(place(*of), bytes).ok_or(DiskError::Memory)?;
            }
        }
        for set in [&self.changed, &self.data, &self.written] {
            for of in set.range(blocks.clone()) {
                if let Some(cached) = self.cache.get(*of) {
                    memory
                        .put(place(*of), &cached.bytes)
                        .ok_or(DiskError::Memory)?;
                }
            }
        }
        Ok(())
    }

    /// Writes `count` blocks of file contents from `block` on from `at` in `memory`.
    ///
    /// They are not kept: if a commit fails, they may be lost, though later commits succeed.
    pub(crate) fn write_run(
        &mut self,
        block: u64,
        count: u32,
        memory: &D::Memory,
        at: u32,
    ) -> Result<(), Error> {
        let blocks = self.check_writable(block, count)?;
        let len = self.run_len(count, memory, at)?;
        let result = self.device.write_from(block, memory, at, len);
        for of in blocks {
            // If it was not written, what it should have been is still the best that there is.
            let is_clean = match self.cache.get(of) {
                Some(cached) => cached.state == State::Clean,
                None => continue,
            };
            if is_clean || result.is_ok() {
                self.drop_cached(of);
            }
        }
        Ok(result?)
    }

    fn zeros(&self) -> Rc<[u8]> {
        vec![0; self.geometry.block_size].into()
    }

    /// Whether there is such a block, and not in the journal.
    fn check(&self, block: u64) -> Result<(), Error> {
        let blocks = self.geometry.first_block..self.geometry.blocks;
        if blocks.contains(&block) && !self.journal_zones.touch(block, 1) {
            Ok(())
        } else {
            Err(Error::Corrupt("a block that is none of the file system's"))
        }
    }

    /// Whether there are such blocks, which can have file contents: all of them.
    fn check_data(&self, block: u64, count: u32) -> Result<Range<u64>, Error> {
        let blocks = block..block.saturating_add(count.into());
        if block < self.geometry.first_block
            || blocks.end > self.geometry.blocks
            || self.journal_zones.touch(block, count.into())
        {
            return Err(Error::Corrupt("a file's block that cannot be one"));
        }
        Ok(blocks)
    }

    /// And whether they can be written.
    fn check_writable(&self, block: u64, count: u32) -> Result<Range<u64>, Error> {
        if self.journal.is_none() {
            return Err(Error::ReadOnly);
        }
        let blocks = self.check_data(block, count)?;
        // Where metadata are still to be written to, they would be written over the contents.
        if self.changed.range(blocks.clone()).next().is_some()
            || self.home.range(blocks.clone()).next().is_some()
        {
            return Err(Error::Corrupt("a file's block that has metadata"));
        }
        Ok(blocks)
    }

    /// Bytes of `count` blocks, for which there is room at `at` in `memory`.
    fn run_len(&self, count: u32, memory: &D::Memory, at: u32) -> Result<u32, Error> {
        let len = count.checked_mul(self.geometry.block_size as u32);
        let end = len.and_then(|len| len.checked_add(at));
        match (len, end) {
            (Some(len), Some(end)) if end <= memory.len() => Ok(len),
            _ => Err(DiskError::Memory.into()),
        }
    }

    /// Lets a block become part of the transaction.
    fn admit(&mut self, block: u64) -> Result<(), Error> {
        if self.journal.is_none() {
            return Err(Error::ReadOnly);
        }
        if self.room() == 0 && !self.changed.contains(&block) {
            return Err(Error::NoSpace);
        }
        self.mark()
    }

    /// The block in the cache, from the disk if need be.
    fn load(&mut self, block: u64) -> Result<&mut Cached, Error> {
        if !self.cache.has(block) {
            let bytes = match self.home.get(&block) {
                Some(bytes) => bytes.clone(),
                None => {
                    let mut bytes = self.zeros();
                    self.device.read(block, Rc::make_mut(&mut bytes))?;
                    bytes
                }
            };
            self.put(block, bytes, 0)?;
        }
        self.cache.get(block).ok_or(LOST)
    }

    /// Puts a block that is clean into the cache.
    fn put(&mut self, block: u64, bytes: Rc<[u8]>, kept_by: u64) -> Result<(), Error> {
        let cached = Cached {
            bytes,
            state: State::Clean,
            kept_by,
        };
        self.cache.put(block, cached).map(|_| ()).ok_or(LOST)
    }

    /// The bytes of a cached block, to be changed, and what becomes of it.
    fn move_to(&mut self, block: u64, state: State) -> Result<&mut [u8], Error> {
        self.enlist(block, state);
        let cached = self.cache.get(block).ok_or(LOST)?;
        cached.state = state;
        Ok(Rc::make_mut(&mut cached.bytes))
    }

    /// Drops a block from the cache, whatever was to become of it.
    fn drop_cached(&mut self, block: u64) {
        self.cache.remove(block);
        self.enlist(block, State::Clean);
    }

    /// Makes it known what becomes of a block.
    fn enlist(&mut self, block: u64, state: State) {
        for (set, of) in [
            (&mut self.changed, State::Changed),
            (&mut self.data, State::Data),
            (&mut self.written, State::Written),
        ] {
            if state == of {
                set.insert(block);
            } else {
                set.remove(&block);
            }
        }
    }
}

/// What was just put there is not: no disk can bring this about.
const LOST: Error = Error::Corrupt("a cached block that is not there");
