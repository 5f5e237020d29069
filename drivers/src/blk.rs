// SPDX-License-Identifier: BSD-2-Clause
//! The driver of a disk (virtio 1.2, section 5.2).
//!
//! A call sleeps until the disk has done what it asks for. What is read and written may be a program's own bytes, or
//! lie in a window: there the device reads and writes where another guest sees it, and nothing is copied.
//!
//! ```no_run
//! use drivers::{Error, blk::Disk};
//! use userland::{device::Device, shm::Window};
//!
//! /// Copies the first 64 KiB of a disk to somebody else.
//! fn begin(device: Device, window: &Window) -> Result<(), Error> {
//!     let mut disk = Disk::new(device)?;
//!     disk.read_to(0, window, 0, 64 << 10)
//! }
//! ```
#![forbid(unsafe_code)]

use alloc::rc::Rc;
use core::time::Duration;

use userland::{device::Device, shm::Window, time::Instant};

use crate::{
    Error,
    virtio::{
        Registers,
        requests::{Data, Features, Kind, MOST, Requests},
    },
};

/// Bytes of a sector, the unit that a disk is addressed in, whatever its own blocks are.
pub const SECTOR: usize = 512;

/// How long a request may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Statuses of a request (virtio 1.2, section 5.2.6).
const OK: u8 = 0;
const UNSUPPORTED: u8 = 2;

/// A disk. See the example of [`blk`](crate::blk).
///
/// When the device fails, or does not answer for half a minute, it is reset, and the request is made once
/// more before it fails: so who loses the device for a reason that has nothing to do with it, such as a window that went away
/// while it was read into, does not notice.
pub struct Disk<R: Registers = Device> {
    registers: Rc<R>,
    requests: Option<Requests<R>>,
    capacity: u64,
    features: Features,
}

impl<R: Registers> Disk<R> {
    /// Resets the device and sets it up.
    ///
    /// # Errors
    /// [`Error::WrongType`], and see [`Error`].
    pub fn new(registers: R) -> Result<Self, Error> {
        let registers = Rc::new(registers);
        let requests = Requests::new(registers.clone())?;
        Ok(Self {
            capacity: requests.capacity,
            features: requests.features,
            registers,
            requests: Some(requests),
        })
    }

    /// How many sectors it has.
    pub const fn sectors(&self) -> u64 {
        self.capacity
    }

    /// Whether it takes no writes.
    pub const fn is_read_only(&self) -> bool {
        self.features.contains(Features::RO)
    }

    /// Whether what was written can be lost until [`Disk::flush`].
    pub const fn has_cache(&self) -> bool {
        self.features.contains(Features::FLUSH)
    }

    /// Reads as many sectors as fill `into`, whose length is a multiple of [`SECTOR`].
    ///
    /// # Errors
    /// [`Error::OutOfRange`], [`Error::Failed`], [`Error::TimedOut`], and see [`Error`].
    pub fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), Error> {
        self.check(sector, into.len())?;
        for (piece, sector) in into.chunks_mut(MOST).zip(pieces(sector)) {
            self.ask(Kind::Read, sector, Data::In(piece))?;
        }
        Ok(())
    }

    /// Writes sectors, as many as there are in `from`, whose length is a multiple of [`SECTOR`].
    ///
    /// # Errors
    /// [`Error::ReadOnly`], and as [`Disk::read`].
    pub fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), Error> {
        self.check_writable()?;
        self.check(sector, from.len())?;
        for (piece, sector) in from.chunks(MOST).zip(pieces(sector)) {
            self.ask(Kind::Write, sector, Data::Out(piece))?;
        }
        Ok(())
    }

    /// Reads `len` bytes, a multiple of [`SECTOR`], to `at` in a window.
    ///
    /// # Errors
    /// As [`Disk::read`], and [`Error::Device`] where the window has no such bytes, or may not be written.
    pub fn read_to(&mut self, sector: u64, to: &Window, at: u32, len: u32) -> Result<(), Error> {
        self.check(sector, len as usize)?;
        let address = to.place_to_write(at, len)?;
        self.ask_pieces(Kind::Read, sector, address, len as usize)
    }

    /// Writes `len` bytes, a multiple of [`SECTOR`], from `at` in a window.
    ///
    /// # Errors
    /// As [`Disk::write`], and [`Error::Device`] where the window has no such bytes.
    pub fn write_from(
        &mut self,
        sector: u64,
        from: &Window,
        at: u32,
        len: u32,
    ) -> Result<(), Error> {
        self.check_writable()?;
        self.check(sector, len as usize)?;
        let address = from.place(at, len)?;
        self.ask_pieces(Kind::Write, sector, address, len as usize)
    }

    /// Returns when all that was written before will stay.
    ///
    /// # Errors
    /// As [`Disk::read`].
    pub fn flush(&mut self) -> Result<(), Error> {
        // Without a cache, what is written stays.
        match self.has_cache() {
            true => self.ask(Kind::Flush, 0, Data::None),
            false => Ok(()),
        }
    }

    fn ask_pieces(
        &mut self,
        kind: Kind,
        sector: u64,
        address: u32,
        len: usize,
    ) -> Result<(), Error> {
        for (begin, sector) in (0..len).step_by(MOST).zip(pieces(sector)) {
            let piece = MOST.min(len - begin);
            let address = address as usize + begin;
            self.ask(kind, sector, Data::Window(address, piece))?;
        }
        Ok(())
    }

    /// Makes a request, and a second time on a device that was set up anew.
    fn ask(&mut self, kind: Kind, sector: u64, mut data: Data<'_>) -> Result<(), Error> {
        match self.attempt(kind, sector, data.reborrow()) {
            Err(Error::Device(_) | Error::Driver(_) | Error::TimedOut) => {
                self.attempt(kind, sector, data)
            }
            other => other,
        }
    }

    fn attempt(&mut self, kind: Kind, sector: u64, data: Data<'_>) -> Result<(), Error> {
        let requests = match &mut self.requests {
            Some(requests) => requests,
            none => none.insert(Requests::new(self.registers.clone())?),
        };
        let status = requests.request(kind, sector, data, Instant::now() + PATIENCE);
        match status {
            Ok(OK) => Ok(()),
            Ok(UNSUPPORTED) => Err(Error::Unsupported),
            Ok(_) => Err(Error::Failed),
            Err(error) => {
                // To drop it resets it.
                self.requests = None;
                Err(error)
            }
        }
    }

    fn check_writable(&self) -> Result<(), Error> {
        match self.is_read_only() {
            true => Err(Error::ReadOnly),
            false => Ok(()),
        }
    }

    fn check(&self, sector: u64, len: usize) -> Result<(), Error> {
        let end = sector.checked_add((len / SECTOR) as u64);
        match end {
            Some(end) if end <= self.capacity && len != 0 && len.is_multiple_of(SECTOR) => Ok(()),
            _ => Err(Error::OutOfRange),
        }
    }
}

/// Where the requests of a long one begin.
fn pieces(sector: u64) -> impl Iterator<Item = u64> {
    (sector..).step_by(MOST / SECTOR)
}
