// SPDX-License-Identifier: BSD-2-Clause
//! The file that the journal is: where its blocks are. It is read before the file system can be, as that may need the
//! journal to be replayed.

use alloc::{vec, vec::Vec};

use crate::{
    Disk, Error, MountError,
    bytes::{get16, get32},
    journal::ring::Run,
    layout::{checksum, geometry::Geometry, group::Group},
    store::Device,
};

/// In `i_flags`: the file has extents.
const EXTENTS: u32 = 0x8_0000;
/// Where an inode says which blocks the file has, in 60 bytes.
const BLOCKS: usize = 40;
/// What a node of extents begins with.
const EXTENT_MAGIC: u16 = 0xf30a;
/// Levels of nodes above the leaves, at most.
const DEPTH: u16 = 5;

/// The blocks of the journal, which has no holes.
pub(crate) fn runs<D: Disk>(
    device: &mut Device<D>,
    geometry: &Geometry,
) -> Result<Vec<Run>, MountError> {
    let inode = inode(device, geometry)?;
    let size = u64::from(get32(&inode, 4)) | u64::from(get32(&inode, 0x6c)) << 32;
    let count = u32::try_from(size / geometry.block_size as u64);
    let mut file = File {
        device,
        geometry,
        runs: Vec::new(),
        next: 0,
        count: count.map_err(|_| CORRUPT)?,
    };
    let root = inode.get(BLOCKS..BLOCKS + 60).unwrap_or_default();
    if get32(&inode, 0x20) & EXTENTS != 0 {
        file.extents(root, DEPTH + 1)?;
    } else {
        for (number, bytes) in root.as_chunks().0.iter().enumerate() {
            // After twelve blocks, three with the numbers of others.
            file.map(u32::from_le_bytes(*bytes), number.saturating_sub(11))?;
        }
    }
    if file.next == file.count {
        Ok(file.runs)
    } else {
        Err(CORRUPT)
    }
}

const CORRUPT: MountError = MountError::Corrupt("the journal's inode");

/// The bytes of the journal's inode.
fn inode<D: Disk>(device: &mut Device<D>, geometry: &Geometry) -> Result<Vec<u8>, MountError> {
    let number = geometry.journal_inode;
    let index = number.checked_sub(1).ok_or(CORRUPT)?;
    let group = index / geometry.inodes_per_group;
    let mut block = vec![0; geometry.block_size];
    device.read(geometry.descriptor(group).0, &mut block)?;
    let group = Group::load(geometry, group, &block).map_err(from)?;
    let offset = (index % geometry.inodes_per_group) as usize * geometry.inode_size;
    let table_block = group.inode_table + (offset / geometry.block_size) as u64;
    device.read(table_block, &mut block)?;
    let at = offset % geometry.block_size;
    let inode = block.get(at..at + geometry.inode_size).ok_or(CORRUPT)?;

    if geometry.has_checksums() {
        let seed = checksum::of_inode_seed(geometry.seed, number, get32(inode, 0x64));
        let is_wide = inode.len() > 128 && get16(inode, 128) >= 4;
        let high = if is_wide {
            get16(inode, checksum::INODE_HIGH)
        } else {
            0
        };
        let own = u32::from(high) << 16 | u32::from(get16(inode, checksum::INODE_LOW));
        if checksum::of_inode(seed, inode, is_wide) != own {
            return Err(MountError::Corrupt("the checksum of the journal's inode"));
        }
    }
    // A regular file.
    if get16(inode, 0) >> 12 != 8 {
        return Err(CORRUPT);
    }
    Ok(inode.to_vec())
}

/// The journal's blocks, from the first on. As there are no holes, and no node without any, this ends.
struct File<'a, D> {
    device: &'a mut Device<D>,
    geometry: &'a Geometry,
    runs: Vec<Run>,
    /// The number of the first that was not found yet.
    next: u32,
    count: u32,
}

impl<D: Disk> File<'_, D> {
    /// Adds blocks that come next.
    fn add(&mut self, block: u64, len: u32) -> Result<(), MountError> {
        let end = block.checked_add(len.into()).ok_or(CORRUPT)?;
        if block <= self.geometry.superblock
            || end > self.geometry.blocks
            || len == 0
            || len > self.count - self.next
        {
            return Err(CORRUPT);
        }
        match self.runs.last_mut() {
            Some(last) if last.block + u64::from(last.len) == block => last.len += len,
            _ => self.runs.push(Run {
                at: self.next,
                block,
                len,
            }),
        }
        self.next += len;
        Ok(())
    }

    /// Reads a block with places of others.
    fn node(&mut self, block: u64) -> Result<Vec<u8>, MountError> {
        if block <= self.geometry.superblock || block >= self.geometry.blocks {
            return Err(CORRUPT);
        }
        let mut bytes = vec![0; self.geometry.block_size];
        self.device.read(block, &mut bytes)?;
        Ok(bytes)
    }

    /// Adds what a node of extents has, which has fewer than `levels` below it.
    fn extents(&mut self, node: &[u8], levels: u16) -> Result<(), MountError> {
        let (entries, depth) = (get16(node, 2), get16(node, 6));
        if get16(node, 0) != EXTENT_MAGIC || depth >= levels {
            return Err(CORRUPT);
        }
        let bytes = node.get(12..12 + 12 * usize::from(entries));
        let bytes = bytes.filter(|bytes| !bytes.is_empty()).ok_or(CORRUPT)?;
        for entry in bytes.as_chunks::<12>().0 {
            if get32(entry, 0) != self.next {
                return Err(CORRUPT);
            }
            if depth > 0 {
                let block = u64::from(get32(entry, 4)) | u64::from(get16(entry, 8)) << 32;
                let child = self.node(block)?;
                self.extents(&child, depth)?;
            } else {
                let block = u64::from(get32(entry, 8)) | u64::from(get16(entry, 6)) << 32;
                let len = get16(entry, 4);
                // Longer ones were never written.
                if len > 0x8000 {
                    return Err(CORRUPT);
                }
                self.add(block, len.into())?;
            }
        }
        Ok(())
    }

    /// Adds a block, or what is below it in so many levels of blocks with numbers.
    fn map(&mut self, block: u32, levels: usize) -> Result<(), MountError> {
        if self.next == self.count {
            return Ok(());
        }
        let Some(below) = levels.checked_sub(1) else {
            return self.add(block.into(), 1);
        };
        let node = self.node(block.into())?;
        for bytes in node.as_chunks().0 {
            self.map(u32::from_le_bytes(*bytes), below)?;
        }
        Ok(())
    }
}

fn from(error: Error) -> MountError {
    match error {
        Error::Corrupt(what) => MountError::Corrupt(what),
        _ => CORRUPT,
    }
}
