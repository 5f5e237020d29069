// SPDX-License-Identifier: BSD-2-Clause
//! Maps of files that were made before there were extents: twelve blocks in the inode, then one that lists blocks, one
//! that lists such, and one that lists those.

use alloc::{collections::BTreeSet, vec::Vec};

use crate::{
    Disk, Error,
    bytes::get32,
    extents::{Extent, Map},
    inode::Inode,
    volume::Volume,
};

const DIRECT: usize = 12;

/// What is read of such a map.
struct Reading<'a> {
    map: &'a mut Map,
    /// The next place in the file.
    logical: u64,
    left: u64,
    /// Lists that were read: none may be twice.
    seen: BTreeSet<u64>,
}

impl<D: Disk> Volume<D> {
    /// Fills an empty map. The lists become spare: they are freed when it is saved, as a tree.
    pub fn load_old_map(&mut self, inode: &Inode, map: &mut Map) -> Result<(), Error> {
        let left = self.geometry.blocks;
        let mut reading = Reading {
            map,
            logical: 0,
            left,
            seen: BTreeSet::new(),
        };
        let entry = |at: usize| u64::from(get32(&inode.block, at * 4));
        for at in 0..DIRECT {
            self.load_block(&mut reading, entry(at))?;
        }
        for levels in 1..=3 {
            self.load_list(&mut reading, entry(DIRECT - 1 + levels), levels as u32)?;
        }
        let lists = reading.seen;
        // Nothing of this is to be done before the map is changed.
        for leaf in map.leaves_mut() {
            leaf.dirty = false;
        }
        map.old = lists.into_iter().collect();
        map.reshaped = false;
        Ok(())
    }

    fn load_block(&self, reading: &mut Reading<'_>, block: u64) -> Result<(), Error> {
        let logical = reading.logical;
        reading.logical += 1;
        if block == 0 {
            return Ok(());
        }
        let bad = Error::Corrupt("a file's block that cannot be one");
        reading.left = reading.left.checked_sub(1).ok_or(bad)?;
        let logical = u32::try_from(logical).map_err(|_| bad)?;
        if logical == u32::MAX || !self.is_for_files(block, 1) {
            return Err(bad);
        }
        reading.map.insert(Extent {
            logical,
            len: 1,
            unwritten: false,
            physical: block,
        });
        Ok(())
    }

    /// Adds what is in a list of lists, `levels` deep: no deeper than three calls.
    fn load_list(
        &mut self,
        reading: &mut Reading<'_>,
        block: u64,
        levels: u32,
    ) -> Result<(), Error> {
        let each = self.geometry.block_size as u64 / 4;
        if block == 0 {
            reading.logical += each.pow(levels);
            return Ok(());
        }
        if !self.is_for_files(block, 1) || !reading.seen.insert(block) {
            return Err(Error::Corrupt("a list of a file's blocks"));
        }
        let bytes = self.store.read(block)?;
        let entries: Vec<u64> = (0..bytes.len() / 4)
            .map(|at| get32(bytes, at * 4).into())
            .collect();
        for entry in entries {
            if levels == 1 {
                self.load_block(reading, entry)?;
            } else {
                self.load_list(reading, entry, levels - 1)?;
            }
        }
        Ok(())
    }
}
