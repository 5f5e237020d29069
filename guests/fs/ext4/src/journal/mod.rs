// SPDX-License-Identifier: BSD-2-Clause
//! Transactions on the disk, as Linux's jbd2 has them: a file of the file system, the log, gets copies of all blocks
//! that a transaction changes, and a commit block when they are there to stay. After a crash, whoever mounts the file
//! system first (Linux, e2fsck or this crate) puts them in their places.
//!
//! # How a transaction is committed
//!
//! Each is put in its place at once, so the log never has more than one that is needed. For transaction N:
//!
//! 1. File contents are written to their places; the copies to the log, with the descriptors that say what they are
//!    of; and if this is the first, to the superblock, that there is something in the journal.
//! 2. A flush. With it, what N-1 wrote to its places has come to stay, too.
//! 3. The commit block is written, and the journal's superblock, which says that the log now begins with N.
//! 4. A flush. N is durable.
//! 5. The blocks are written to their places. The flush of N+1 makes them stay.
//!
//! What is written between two flushes may reach the disk in any order or not at all. Of step 3: with the superblock and
//! without the commit block, nothing is replayed, and N-1 is in its place; with the commit block and without the
//! superblock, N-1 is replayed, which changes nothing, then N.
//!
//! # Why there are no revoke records
//!
//! A block that was logged as metadata may be freed and get the contents of a file, which are not logged. If the log
//! still had the copy, a replay would write it over the contents. Linux puts a record in the log that forbids it. Here,
//! when a block was logged in N-1, freed in N and used again in N+1, which is the earliest ([`Store::transaction`]
//! changes when N is durable), the log begins with N since before N+1 began, and N has no copy of the block: that was
//! dropped when the block was freed. Until then, N-1 may be replayed over it, when it is nobody's.
//!
//! # When the disk fails
//!
//! Before step 3, there is no commit block, and the same place and number can be used again. When step 3 or 4 fails, the
//! commit block may have reached the disk all the same, and a replay may find the attempt, or not: either is right, it
//! had all that was done up to then. But another attempt with the same number could be taken for it, and one behind it
//! is not reached if the first one's commit block is missing. So before the next, the log is emptied (N-1 comes to stay
//! in its place, then the journal's superblock says that there is nothing), and the number is never used again. When
//! step 5 fails, the blocks are kept, and written before the next step 2.
//!
//! After a flush that failed, nothing that was written since the one before is taken to be on the disk.
//!
//! [`Store::transaction`]: crate::store::Store::transaction

mod file;
mod format;
mod replay;
mod ring;
mod write;

use alloc::{vec, vec::Vec};

use zerocopy::FromBytes;

use crate::{
    Disk, DiskError, MountError,
    layout::{features, geometry::Geometry},
    store::Device,
};

use format::{CRC32C, Format, Incompat, SUPERBLOCK_V1, SUPERBLOCK_V2, Superblock};
use ring::Ring;

pub(crate) use file::runs;
pub(crate) use replay::Found;
pub(crate) use ring::{Run, blocks};

/// Linux makes none with fewer blocks, and mounts none.
const LEAST: u32 = 1024;

/// The journal of a file system.
pub(crate) struct Journal {
    ring: Ring,
    format: Format,
    /// The first block, as it is to be written next.
    first_block: Vec<u8>,
    block_size: usize,
    /// Where the next transaction begins.
    head: u32,
    /// How many blocks before that have the one that was committed last.
    live: u32,
    /// The number of the next transaction.
    sequence: u32,
    /// Whether the log may have what must not be replayed together with what comes next.
    is_stale: bool,
    /// How many blocks those have that were written, up to where the commit block goes.
    written: u32,
}

impl Journal {
    /// The journal in the blocks of `runs`.
    pub(crate) fn load<D: Disk>(
        device: &mut Device<D>,
        geometry: &Geometry,
        runs: Vec<Run>,
    ) -> Result<Self, MountError> {
        let corrupt = |what| Err(MountError::Corrupt(what));
        let mut first_block = vec![0; geometry.block_size];
        let Some(first_run) = runs.first() else {
            return corrupt("a journal without blocks");
        };
        device.read(first_run.block, &mut first_block)?;
        let Ok((superblock, _)) = Superblock::ref_from_prefix(&first_block) else {
            return corrupt("the journal's superblock");
        };
        let kind = superblock.header.kind.get();
        if superblock.header.magic.get() != format::MAGIC
            || !matches!(kind, SUPERBLOCK_V1 | SUPERBLOCK_V2)
        {
            return corrupt("there is no journal where it should be");
        }
        let format = Format::of(superblock)?;
        if !superblock.is_sealed() {
            return corrupt("the checksum of the journal's superblock");
        }
        let len = runs.iter().map(|run| run.len).sum();
        let (first, end) = (superblock.first.get(), superblock.maxlen.get());
        if usize::try_from(superblock.blocksize.get()) != Ok(geometry.block_size)
            || end < LEAST
            || end > len
            || !(1..end).contains(&first)
            || end - first < LEAST / 2
        {
            return corrupt("the journal's size");
        }
        let ring = Ring::new(runs, first, end);
        let start = superblock.start.get();
        if start != 0 && !ring.has(start) {
            return corrupt("where the journal begins");
        }
        Ok(Self {
            head: first,
            live: 0,
            sequence: superblock.sequence.get(),
            is_stale: start != 0,
            written: 0,
            ring,
            format,
            first_block,
            block_size: geometry.block_size,
        })
    }

    /// Whether the file system had an error that is not in its superblock yet.
    pub(crate) fn has_errors(&self) -> bool {
        self.superblock().is_some_and(|it| it.errno.get() != 0)
    }

    /// Chooses the format that is written from now on; the log is empty.
    ///
    /// Checksums of the third kind, where metadata have some or the journal had any: the one kind that is written.
    pub(crate) fn upgrade(&mut self, geometry: &Geometry) {
        let is_wide = geometry.incompat.contains(features::Incompat::BITS_64);
        let has_checksums = geometry.has_checksums() || self.format.has_tails();
        let Some(superblock) = self.superblock_mut() else {
            return;
        };
        if superblock.header.kind.get() != SUPERBLOCK_V2 {
            return;
        }
        let mut incompat = Incompat::from_bits_retain(superblock.feature_incompat.get());
        incompat.remove(Incompat::ASYNC_COMMIT | Incompat::CSUM_V2);
        incompat.set(Incompat::CSUM_V3, has_checksums);
        if is_wide {
            incompat.insert(Incompat::BITS_64);
        }
        superblock.feature_incompat = incompat.bits().into();
        let compat = superblock.feature_compat.get() & !format::COMPAT_CHECKSUM;
        superblock.feature_compat = compat.into();
        if has_checksums {
            superblock.checksum_type = CRC32C;
        }
        // It was read before, with features that are a part of those now.
        if let Ok(format) = Format::of(superblock) {
            self.format = format;
        }
    }

    /// Says on the disk that the log is empty, and which number comes next.
    fn write_empty<D: Disk>(&mut self, device: &mut Device<D>) -> Result<(), DiskError> {
        self.write_superblock(device, 0, self.sequence)
    }

    /// Says on the disk where the log begins, and with which transaction.
    fn write_superblock<D: Disk>(
        &mut self,
        device: &mut Device<D>,
        start: u32,
        sequence: u32,
    ) -> Result<(), DiskError> {
        if let Some(superblock) = self.superblock_mut() {
            superblock.start = start.into();
            superblock.sequence = sequence.into();
            superblock.seal();
        }
        device.write(self.ring.block(0), &self.first_block)
    }

    fn superblock(&self) -> Option<&Superblock> {
        let found = Superblock::ref_from_prefix(&self.first_block);
        found.ok().map(|(it, _)| it)
    }

    fn superblock_mut(&mut self) -> Option<&mut Superblock> {
        let found = Superblock::mut_from_prefix(&mut self.first_block);
        found.ok().map(|(it, _)| it)
    }
}
