// SPDX-License-Identifier: BSD-2-Clause
//! The device, for the file system.

use drivers::{Error, blk};
use fs_ext4::{Disk, DiskError};
use userland::device::Device;

use crate::buffer::Memory;

/// A virtio disk.
pub struct Block {
    disk: blk::Disk,
}

impl Block {
    pub fn new(device: Device) -> Result<Self, Error> {
        Ok(Self {
            disk: blk::Disk::new(device)?,
        })
    }
}

/// As the file system is told.
const fn told(error: Error) -> DiskError {
    match error {
        Error::OutOfRange => DiskError::OutOfRange,
        Error::ReadOnly => DiskError::ReadOnly,
        Error::Failed | Error::Unsupported => DiskError::Io,
        // Of a window, and not of the device: only there are offsets checked.
        Error::Device(userland::Error::InvalidArgument | userland::Error::Denied) => {
            DiskError::Memory
        }
        _ => DiskError::Gone,
    }
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
        self.disk.read(sector, into).map_err(told)
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        self.disk.write(sector, from).map_err(told)
    }

    fn read_to(
        &mut self,
        sector: u64,
        memory: &Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let window = memory.window();
        self.disk.read_to(sector, window, at, len).map_err(told)
    }

    fn write_from(
        &mut self,
        sector: u64,
        memory: &Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let window = memory.window();
        self.disk.write_from(sector, window, at, len).map_err(told)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        self.disk.flush().map_err(told)
    }
}
