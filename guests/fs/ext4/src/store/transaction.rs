// SPDX-License-Identifier: BSD-2-Clause
//! The running transaction, and how it becomes durable. The `journal` module says why it does.

use alloc::{rc::Rc, vec::Vec};

use crate::{
    Disk, DiskError, Error,
    layout::{features::Incompat, superblock::Superblock},
    store::{State, Store},
};

impl<D: Disk> Store<D> {
    /// The number of the running transaction.
    pub(crate) const fn transaction(&self) -> u64 {
        self.transaction
    }

    /// How many more blocks of metadata the transaction can have.
    pub(crate) fn room(&self) -> usize {
        self.limit().saturating_sub(self.changed.len())
    }

    /// How many blocks of metadata a transaction can have.
    pub(super) fn limit(&self) -> usize {
        let journal = self.journal.as_ref();
        journal.map_or(0, |journal| journal.capacity())
    }

    /// Makes all durable that finished operations did: it is when this returns without an error. After one, nothing of
    /// it is lost but what [`Store::write_run`] says, and it can be tried again.
    pub(crate) fn commit(&mut self) -> Result<(), Error> {
        debug_assert!(self.operation.is_none(), "half an operation");
        if self.journal.is_none() {
            return Ok(());
        }
        self.write_data()?;
        if self.changed.is_empty() {
            if self.device.is_unflushed() {
                self.flush()?;
            }
            return Ok(());
        }
        self.write_home()?;
        let mut blocks = Vec::new();
        for block in &self.changed {
            if let Some(cached) = self.cache.get(*block) {
                blocks.push((*block, cached.bytes.clone()));
            }
        }
        if self
            .journal
            .as_ref()
            .is_some_and(|it| it.must_empty(blocks.len()))
        {
            self.empty()?;
        }
        if let Some(journal) = &mut self.journal {
            journal.write_copies(&mut self.device, &blocks)?;
        }
        self.flush()?;
        let now = self.now();
        if let Some(journal) = &mut self.journal {
            journal.write_commit(&mut self.device, now)?;
        }
        self.flush()?;

        if let Some(journal) = &mut self.journal {
            journal.committed();
        }
        for block in core::mem::take(&mut self.changed) {
            if let Some(cached) = self.cache.get(block) {
                cached.state = State::Clean;
            }
        }
        self.transaction += 1;
        self.home = blocks.into_iter().collect();
        self.is_home_written = false;
        // It is durable without. What cannot be written now will be before the next is committed.
        let _ = self.write_home();
        Ok(())
    }

    /// Leaves the file system as one that needs no journal, with all that was done in it. Errors are those of
    /// [`Store::commit`].
    pub(crate) fn settle(&mut self) -> Result<(), Error> {
        self.commit()?;
        if self.journal.as_ref().is_some_and(|it| !it.is_empty()) {
            self.empty()?;
        }
        if self.is_marked {
            self.set_mark(false)?;
        }
        if self.journal.is_some() && !self.home.is_empty() {
            self.write_home()?;
            self.flush()?;
        }
        Ok(())
    }

    /// Says in the superblock that the journal is to be replayed, if it does not yet. It does before the first
    /// transaction is in the journal, as what is in `home` is written before.
    pub(super) fn mark(&mut self) -> Result<(), Error> {
        if !self.is_marked {
            self.set_mark(true)?;
        }
        Ok(())
    }

    /// Changes the superblock past the journal, which is empty; the transaction has not changed it.
    fn set_mark(&mut self, is_marked: bool) -> Result<(), Error> {
        let block = self.geometry.superblock;
        self.load(block)?;
        let cached = self.cache.get(block).ok_or(super::LOST)?;
        let superblock = Superblock::of_mut(Rc::make_mut(&mut cached.bytes), &self.geometry)?;
        let mut incompat = Incompat::from_bits_retain(superblock.feature_incompat.get());
        incompat.set(Incompat::RECOVER, is_marked);
        superblock.feature_incompat = incompat.bits().into();
        superblock.seal();
        self.home.insert(block, cached.bytes.clone());
        self.is_home_written = false;
        self.is_marked = is_marked;
        Ok(())
    }

    /// Empties the journal.
    fn empty(&mut self) -> Result<(), Error> {
        self.write_home()?;
        self.flush()?;
        if let Some(journal) = &mut self.journal {
            journal.empty(&mut self.device)?;
        }
        self.flush()?;
        if let Some(journal) = &mut self.journal {
            journal.emptied();
        }
        Ok(())
    }

    /// Writes file contents that the disk does not have.
    fn write_data(&mut self) -> Result<(), DiskError> {
        let mut batch = self.device.batch();
        for block in &self.data {
            if let Some(cached) = self.cache.get(*block) {
                batch.put(*block, &cached.bytes)?;
            }
        }
        batch.finish()?;
        for block in core::mem::take(&mut self.data) {
            if let Some(cached) = self.cache.get(block) {
                cached.state = State::Written;
            }
            self.written.insert(block);
        }
        Ok(())
    }

    /// Writes what was committed to its places.
    fn write_home(&mut self) -> Result<(), DiskError> {
        if self.is_home_written {
            return Ok(());
        }
        let mut batch = self.device.batch();
        for (block, bytes) in &self.home {
            batch.put(*block, bytes)?;
        }
        batch.finish()?;
        self.is_home_written = true;
        Ok(())
    }

    /// Makes stay what was written. If that fails, all of it may be lost, and is to be written again.
    fn flush(&mut self) -> Result<(), DiskError> {
        let result = self.device.flush();
        let after = match result {
            Ok(()) => State::Clean,
            Err(_) => State::Data,
        };
        for block in core::mem::take(&mut self.written) {
            if let Some(cached) = self.cache.get(block) {
                cached.state = after;
            }
            if after == State::Data {
                self.data.insert(block);
            }
        }
        if result.is_err() {
            self.is_home_written = false;
        } else if self.is_home_written {
            self.home.clear();
        }
        result
    }

    /// The time, as well as the superblock knows it, in seconds.
    fn now(&mut self) -> u64 {
        let cached = self.cache.get(self.geometry.superblock);
        let found = cached.and_then(|it| Superblock::of(&it.bytes, &self.geometry).ok());
        found.map_or(0, |it| {
            u64::from(it.wtime_hi) << 32 | u64::from(it.wtime.get())
        })
    }
}
