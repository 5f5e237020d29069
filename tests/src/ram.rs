// SPDX-License-Identifier: BSD-2-Clause
//! A disk in the test's own memory, for the file system as a library.

use fs_ext4::{Disk, DiskError, Memory, SECTOR};

/// A disk with these bytes.
pub struct RamDisk(pub Vec<u8>);

/// No memory: tests have bytes of their own.
pub struct NoMemory;

impl Memory for NoMemory {
    fn len(&self) -> u32 {
        0
    }

    fn put(&self, _: u32, bytes: &[u8]) -> Option<()> {
        bytes.is_empty().then_some(())
    }

    fn get(&self, _: u32, bytes: &mut [u8]) -> Option<()> {
        bytes.is_empty().then_some(())
    }
}

impl RamDisk {
    fn place(&mut self, sector: u64, len: usize) -> Result<&mut [u8], DiskError> {
        let begin = usize::try_from(sector).map_err(|_| DiskError::OutOfRange)? * SECTOR;
        let place = self.0.get_mut(begin..).and_then(|rest| rest.get_mut(..len));
        place.ok_or(DiskError::OutOfRange)
    }
}

impl Disk for RamDisk {
    type Memory = NoMemory;

    fn sectors(&self) -> u64 {
        (self.0.len() / SECTOR) as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), DiskError> {
        into.copy_from_slice(self.place(sector, into.len())?);
        Ok(())
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        self.place(sector, from.len())?.copy_from_slice(from);
        Ok(())
    }

    fn read_to(&mut self, _: u64, _: &NoMemory, _: u32, _: u32) -> Result<(), DiskError> {
        Err(DiskError::Memory)
    }

    fn write_from(&mut self, _: u64, _: &NoMemory, _: u32, _: u32) -> Result<(), DiskError> {
        Err(DiskError::Memory)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}
