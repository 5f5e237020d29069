// SPDX-License-Identifier: BSD-2-Clause
//! What is asked of a disk.

/// Bytes of a sector, the unit that a disk is addressed in.
pub const SECTOR: usize = 512;

/// Why a disk did not do what was asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskError {
    /// It could not read or write there. Asked again, it may.
    Io,
    /// There is no such sector.
    OutOfRange,
    /// It takes no writes.
    ReadOnly,
    /// The memory that was to be read or written is not there any more.
    Memory,
    /// It does not answer, or is gone.
    Gone,
}

/// Memory outside the program's own that bulk data goes to or comes from: a window that somebody else may write
/// at the same time.
#[expect(clippy::len_without_is_empty, reason = "a window has a page at least")]
pub trait Memory {
    /// Bytes.
    fn len(&self) -> u32;

    /// Copies bytes in; none if they do not fit.
    fn put(&self, at: u32, bytes: &[u8]) -> Option<()>;

    /// Copies bytes out; none if there are not as many.
    fn get(&self, at: u32, bytes: &mut [u8]) -> Option<()>;
}

/// A disk of whole sectors. A call returns when it is done.
///
/// What was written may be lost, in any order and sector by sector, until [`Disk::flush`] has returned.
pub trait Disk {
    /// The memory that bulk data goes to and comes from without a copy.
    type Memory: Memory;

    /// How many sectors there are.
    fn sectors(&self) -> u64;

    /// Whether it takes no writes.
    fn is_read_only(&self) -> bool;

    /// Fills `into`, whose length is a multiple of [`SECTOR`].
    fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), DiskError>;

    /// Writes `from`, whose length is a multiple of [`SECTOR`].
    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError>;

    /// Reads `len` bytes, a multiple of [`SECTOR`], to `at` in `memory`.
    fn read_to(
        &mut self,
        sector: u64,
        memory: &Self::Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError>;

    /// Writes `len` bytes, a multiple of [`SECTOR`], from `at` in `memory`.
    fn write_from(
        &mut self,
        sector: u64,
        memory: &Self::Memory,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError>;

    /// Returns when all that was written before will stay.
    fn flush(&mut self) -> Result<(), DiskError>;
}
