// SPDX-License-Identifier: BSD-2-Clause
//! A disk in blocks.

use alloc::vec::Vec;

use crate::{Disk, DiskError, SECTOR};

/// Bytes that are written at once, at most, where blocks are next to each other.
const BATCH: usize = 64 * 1024;

/// A disk in blocks of the file system. Who calls has checked that they are there.
pub(crate) struct Device<D> {
    disk: D,
    block_size: usize,
    /// Whether anything was written since it was last made to stay.
    is_unflushed: bool,
}

impl<D: Disk> Device<D> {
    pub(crate) fn new(disk: D, block_size: usize) -> Self {
        Self {
            disk,
            block_size,
            // Somebody else may have written.
            is_unflushed: true,
        }
    }

    pub(crate) const fn is_unflushed(&self) -> bool {
        self.is_unflushed
    }

    pub(crate) const fn disk(&self) -> &D {
        &self.disk
    }

    pub(crate) const fn disk_mut(&mut self) -> &mut D {
        &mut self.disk
    }

    pub(crate) fn into_disk(self) -> D {
        self.disk
    }

    /// Reads from `block` on, as many as there is room for.
    pub(crate) fn read(&mut self, block: u64, into: &mut [u8]) -> Result<(), DiskError> {
        self.disk.read(self.sector(block), into)
    }

    /// Writes from `block` on.
    pub(crate) fn write(&mut self, block: u64, bytes: &[u8]) -> Result<(), DiskError> {
        // Of a write that fails, some may have been done.
        self.is_unflushed = true;
        self.disk.write(self.sector(block), bytes)
    }

    pub(crate) fn read_to(
        &mut self,
        block: u64,
        memory: &D::Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        self.disk.read_to(self.sector(block), memory, at, len)
    }

    pub(crate) fn write_from(
        &mut self,
        block: u64,
        memory: &D::Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        self.is_unflushed = true;
        self.disk.write_from(self.sector(block), memory, at, len)
    }

    /// Returns when all that was written will stay.
    pub(crate) fn flush(&mut self) -> Result<(), DiskError> {
        self.disk.flush()?;
        self.is_unflushed = false;
        Ok(())
    }

    /// Starts writing blocks of which some may be next to each other.
    pub(crate) const fn batch(&mut self) -> Batch<'_, D> {
        Batch {
            device: self,
            first: 0,
            bytes: Vec::new(),
        }
    }

    const fn sector(&self, block: u64) -> u64 {
        block * (self.block_size / SECTOR) as u64
    }
}

/// Blocks on their way to the disk.
pub(crate) struct Batch<'a, D> {
    device: &'a mut Device<D>,
    /// Where `bytes` go.
    first: u64,
    bytes: Vec<u8>,
}

impl<D: Disk> Batch<'_, D> {
    /// Adds a block. It may not be written before [`Batch::finish`].
    pub(crate) fn put(&mut self, block: u64, bytes: &[u8]) -> Result<(), DiskError> {
        let next = self.first + (self.bytes.len() / self.device.block_size) as u64;
        if next != block || self.bytes.len() >= BATCH {
            self.write()?;
            self.first = block;
        }
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> Result<(), DiskError> {
        self.write()
    }

    fn write(&mut self) -> Result<(), DiskError> {
        if !self.bytes.is_empty() {
            self.device.write(self.first, &self.bytes)?;
            self.bytes.clear();
        }
        Ok(())
    }
}
