// SPDX-License-Identifier: BSD-2-Clause
//! The device, for the file system.

use alloc::rc::Rc;
use core::cell::Cell;

use drivers::{Error, blk};
use fs_ext4::{Disk, DiskError};
use userland::device::Device;

use crate::buffer::Memory;

/// A virtio disk.
pub struct Block {
    disk: blk::Disk,
    /// Set when this guest has lost the disk.
    is_lost: Rc<Cell<bool>>,
}

impl Block {
    /// Sets the disk up. The flag is set when it turns out that this guest has lost it.
    pub fn new(device: Device, is_lost: &Rc<Cell<bool>>) -> Result<Self, Error> {
        Ok(Self {
            disk: blk::Disk::new(device)?,
            is_lost: is_lost.clone(),
        })
    }

    /// As the file system is told.
    fn told(&self, result: Result<(), Error>) -> Result<(), DiskError> {
        result.map_err(|error| match error {
            Error::OutOfRange => DiskError::OutOfRange,
            Error::ReadOnly => DiskError::ReadOnly,
            Error::Failed | Error::Unsupported => DiskError::Io,
            // Of a window, and not of the device: only there are offsets checked.
            Error::Device(userland::Error::InvalidArgument | userland::Error::Denied) => {
                DiskError::Memory
            }
            _ => {
                if is_loss(error) {
                    self.is_lost.set(true);
                }
                DiskError::Gone
            }
        })
    }
}

/// Whether this guest has lost the disk, which has nothing to do with what that does.
pub const fn is_loss(error: Error) -> bool {
    use userland::Error::{BadHandle, Revoked};
    matches!(error, Error::Device(Revoked | BadHandle))
}

impl Disk for Block {
    type Memory = Memory;

    fn sectors(&self) -> u64 {
        self.disk.sectors()
    }

    fn is_read_only(&self) -> bool {
        self.disk.is_read_only()
    }

    fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let done = self.disk.read(sector, into);
        self.told(done)
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        let done = self.disk.write(sector, from);
        self.told(done)
    }

    fn read_to(
        &mut self,
        sector: u64,
        memory: &Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let window = memory.window();
        let done = self.disk.read_to(sector, window, at, len);
        self.told(done)
    }

    fn write_from(
        &mut self,
        sector: u64,
        memory: &Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let window = memory.window();
        let done = self.disk.write_from(sector, window, at, len);
        self.told(done)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        let done = self.disk.flush();
        self.told(done)
    }
}
