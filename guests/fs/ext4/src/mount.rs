// SPDX-License-Identifier: BSD-2-Clause
//! From a disk to a file system.

use alloc::{vec, vec::Vec};

use zerocopy::FromBytes;

use crate::{
    Disk, MountError, SECTOR,
    journal::{self, Found, Journal, Run},
    layout::{
        features::{Compat, Incompat, RoCompat},
        geometry::Geometry,
        superblock::{self, Superblock},
    },
    store::{Contents, Device, Store},
    zones::Zones,
};

/// How a file system is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Whether nothing is to be written, though the disk takes writes.
    pub read_only: bool,
    /// How many blocks are kept in memory. There can be more while they are to be written.
    pub cache: usize,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            read_only: false,
            cache: 1024,
        }
    }
}

/// The blocks of the file system that a disk has, and what is known of it. If it was not left clean, the journal is
/// replayed: to the disk, or if that takes no writes, to memory.
pub(crate) fn mount<D: Disk>(
    mut disk: D,
    options: &Options,
) -> Result<(Store<D>, Geometry), MountError> {
    let is_read_only = options.read_only || disk.is_read_only();
    let sectors = disk.sectors();
    if sectors < 2 * SUPERBLOCK_SECTORS {
        return Err(MountError::NotExt);
    }
    let mut bytes = vec![0; superblock::SIZE];
    disk.read(SUPERBLOCK_SECTORS, &mut bytes)?;
    let geometry = Geometry::new(&bytes, sectors)?;
    let mut mount = Mount {
        device: Device::new(disk, geometry.block_size),
        sectors,
        geometry,
        superblock: bytes,
        home: Contents::new(),
        runs: Vec::new(),
    };
    let mut journal = mount.journal()?;
    mount.recover(journal.as_mut(), is_read_only, options.cache)?;

    let is_writable = !is_read_only;
    if is_writable {
        mount.check_writable()?;
        let journal = journal.as_mut().ok_or(MountError::NoJournal)?;
        if journal.has_errors() {
            return Err(HAS_ERRORS);
        }
        journal.upgrade(&mount.geometry);
    }
    let store = Store::new(
        mount.device,
        mount.geometry.clone(),
        options.cache.max(LEAST_CACHE),
        journal.filter(|_| is_writable),
        Zones::new(journal::blocks(&mount.runs)),
        mount.home,
    );
    Ok((store, mount.geometry))
}

/// Where the superblock is, and how long.
const SUPERBLOCK_SECTORS: u64 = (superblock::SIZE / SECTOR) as u64;

/// An operation changes a few blocks, and all of them stay in memory.
const LEAST_CACHE: usize = 16;

const HAS_ERRORS: MountError = MountError::Corrupt("an error was found before");
const BAD_SUPERBLOCK: MountError = MountError::Corrupt("the checksum of the superblock");

/// What is known so far.
struct Mount<D> {
    device: Device<D>,
    sectors: u64,
    geometry: Geometry,
    superblock: Vec<u8>,
    /// What the journal has, if it cannot be put in its places.
    home: Contents,
    /// The journal's blocks.
    runs: Vec<Run>,
}

impl<D: Disk> Mount<D> {
    /// The journal, if there is one.
    fn journal(&mut self) -> Result<Option<Journal>, MountError> {
        if !self.geometry.compat.contains(Compat::HAS_JOURNAL) {
            return Ok(None);
        }
        if self.geometry.journal_inode == 0 {
            return Err(MountError::JournalElsewhere);
        }
        self.runs = journal::runs(&mut self.device, &self.geometry)?;
        let (mut blocks, count) = (0, self.runs.iter().map(|run| u64::from(run.len)).sum());
        for (start, end) in Zones::new(journal::blocks(&self.runs)).into_ranges() {
            blocks += end - start;
        }
        if blocks != count {
            return Err(MountError::Corrupt("blocks that the journal has twice"));
        }
        let journal = Journal::load(&mut self.device, &self.geometry, self.runs.clone())?;
        Ok(Some(journal))
    }

    /// Sees to it that the superblock and all that it leads to are what they were when the last transaction was
    /// committed.
    ///
    /// The superblock has two sectors, with its checksum in the second, and power can go when one of them was written.
    /// Then the checksum is wrong, and the journal has the whole of it; or it was being written only to say that there
    /// is something in the journal, or that there is nothing any more.
    fn recover(
        &mut self,
        journal: Option<&mut Journal>,
        is_read_only: bool,
        cache: usize,
    ) -> Result<(), MountError> {
        let mut must_recover = self.geometry.incompat.contains(Incompat::RECOVER);
        let is_sealed = superblock(&mut self.superblock)?.is_sealed();
        let Some(journal) = journal else {
            return match (is_sealed, must_recover) {
                (false, _) => Err(BAD_SUPERBLOCK),
                (_, true) => Err(MountError::Corrupt("there is no journal to be replayed")),
                _ => Ok(()),
            };
        };
        let found = journal.find(&mut self.device)?;
        let mut must_write = false;
        if !is_sealed {
            must_recover = true;
            let turned = superblock(&mut self.superblock)?;
            set_recover(turned, !self.geometry.incompat.contains(Incompat::RECOVER));
            must_write = turned.is_sealed();
            if !must_write && !found.has(self.geometry.superblock) {
                return Err(BAD_SUPERBLOCK);
            }
        }
        if !must_recover {
            return Ok(());
        }
        let journal_zones = Zones::new(journal::blocks(&self.runs));
        for block in found.blocks() {
            let blocks = self.geometry.first_block..self.geometry.blocks;
            if !blocks.contains(&block) || journal_zones.touch(block, 1) {
                return Err(MountError::Corrupt("what the journal has copies of"));
            }
        }
        if is_read_only {
            if found.blocks().len() > cache {
                return Err(MountError::NeedsRecovery);
            }
            self.replay_to_memory(journal, &found)?;
            return self.look_again(&found);
        }
        self.replay(journal, &found)?;
        self.look_again(&found)?;
        if journal::runs(&mut self.device, &self.geometry)? != self.runs {
            return Err(MountError::Corrupt("the journal has moved"));
        }
        let it = superblock(&mut self.superblock)?;
        if must_write
            || Incompat::from_bits_retain(it.feature_incompat.get()).contains(Incompat::RECOVER)
        {
            set_recover(it, false);
            it.seal();
            self.write_superblock()?;
        }
        Ok(())
    }

    /// Puts what was found in its places, and empties the journal.
    fn replay(&mut self, journal: &mut Journal, found: &Found) -> Result<(), MountError> {
        let mut bytes = vec![0; self.geometry.block_size];
        for block in found.blocks() {
            journal.read_copy(&mut self.device, found, block, &mut bytes)?;
            self.device.write(block, &bytes)?;
        }
        if !journal.is_empty() {
            self.device.flush()?;
            journal.empty(&mut self.device)?;
            self.device.flush()?;
            journal.emptied();
        }
        Ok(())
    }

    /// Keeps what was found, as if it were in its places.
    fn replay_to_memory(&mut self, journal: &Journal, found: &Found) -> Result<(), MountError> {
        for block in found.blocks() {
            let mut bytes = vec![0; self.geometry.block_size];
            journal.read_copy(&mut self.device, found, block, &mut bytes)?;
            self.home.insert(block, bytes.into());
        }
        Ok(())
    }

    /// Reads the superblock again, if it was among what was found.
    fn look_again(&mut self, found: &Found) -> Result<(), MountError> {
        let block = self.geometry.superblock;
        if !found.has(block) {
            return Ok(());
        }
        let mut bytes = vec![0; self.geometry.block_size];
        match self.home.get(&block) {
            Some(copy) => bytes.copy_from_slice(copy),
            None => self.device.read(block, &mut bytes)?,
        }
        let at = self.geometry.superblock_at;
        self.superblock = bytes.split_off(at.min(bytes.len()));
        self.superblock.truncate(superblock::SIZE);
        if !superblock(&mut self.superblock)?.is_sealed() {
            return Err(BAD_SUPERBLOCK);
        }
        let geometry = Geometry::new(&self.superblock, self.sectors)?;
        if geometry.block_size != self.geometry.block_size {
            return Err(MountError::Corrupt("the size of blocks in the journal"));
        }
        self.geometry = geometry;
        Ok(())
    }

    /// Writes the superblock to its place.
    fn write_superblock(&mut self) -> Result<(), MountError> {
        let block = self.geometry.superblock;
        let mut bytes = vec![0; self.geometry.block_size];
        self.device.read(block, &mut bytes)?;
        let at = self.geometry.superblock_at;
        if let Some(place) = bytes.get_mut(at..at + superblock::SIZE) {
            place.copy_from_slice(&self.superblock);
        }
        self.device.write(block, &bytes)?;
        Ok(self.device.flush()?)
    }

    /// Whether this crate may write.
    fn check_writable(&mut self) -> Result<(), MountError> {
        let unknown = self.geometry.ro_compat.difference(RoCompat::KNOWN);
        if !unknown.is_empty() {
            return Err(MountError::FeaturesToWrite(unknown.bits()));
        }
        if superblock(&mut self.superblock)?.state.get() & superblock::STATE_ERRORS != 0 {
            return Err(HAS_ERRORS);
        }
        Ok(())
    }
}

fn superblock(bytes: &mut [u8]) -> Result<&mut Superblock, MountError> {
    let found = Superblock::mut_from_prefix(bytes);
    found.map(|(it, _)| it).map_err(|_| MountError::NotExt)
}

/// Sets or clears that there is something in the journal.
fn set_recover(superblock: &mut Superblock, is_set: bool) {
    let mut incompat = Incompat::from_bits_retain(superblock.feature_incompat.get());
    incompat.set(Incompat::RECOVER, is_set);
    superblock.feature_incompat = incompat.bits().into();
}
