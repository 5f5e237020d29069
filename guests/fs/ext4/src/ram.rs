// SPDX-License-Identifier: BSD-2-Clause
//! A disk in memory, and memory for what is read from it: for tests of what stands on a file system.

use alloc::{rc::Rc, vec::Vec};
use core::cell::RefCell;

use crate::{Disk, DiskError, Memory, SECTOR};

/// A disk with these bytes.
#[derive(Clone, Debug)]
pub struct RamDisk(pub Vec<u8>);

/// Memory of a client; clones are the same memory.
#[derive(Clone, Debug)]
pub struct Bytes(pub Rc<RefCell<Vec<u8>>>);

impl Bytes {
    /// So many zeros.
    pub fn zeroed(len: usize) -> Self {
        Self(Rc::new(RefCell::new(alloc::vec![0; len])))
    }
}

impl Memory for Bytes {
    fn len(&self) -> u32 {
        self.0.borrow().len() as u32
    }

    fn put(&self, at: u32, bytes: &[u8]) -> Option<()> {
        let mut memory = self.0.borrow_mut();
        let place = memory.get_mut(at as usize..)?.get_mut(..bytes.len())?;
        place.copy_from_slice(bytes);
        Some(())
    }

    fn get(&self, at: u32, bytes: &mut [u8]) -> Option<()> {
        let memory = self.0.borrow();
        bytes.copy_from_slice(memory.get(at as usize..)?.get(..bytes.len())?);
        Some(())
    }
}

impl RamDisk {
    fn place(&mut self, sector: u64, len: usize) -> Result<&mut [u8], DiskError> {
        let begin = usize::try_from(sector)
            .ok()
            .and_then(|sector| sector.checked_mul(SECTOR));
        let rest = begin.and_then(|begin| self.0.get_mut(begin..));
        rest.and_then(|rest| rest.get_mut(..len))
            .ok_or(DiskError::OutOfRange)
    }
}

impl Disk for RamDisk {
    type Memory = Bytes;

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

    fn read_to(&mut self, sector: u64, memory: &Bytes, at: u32, len: u32) -> Result<(), DiskError> {
        let bytes = self.place(sector, len as usize)?;
        memory.put(at, bytes).ok_or(DiskError::Memory)
    }

    fn write_from(
        &mut self,
        sector: u64,
        memory: &Bytes,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let bytes = self.place(sector, len as usize)?;
        memory.get(at, bytes).ok_or(DiskError::Memory)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}
