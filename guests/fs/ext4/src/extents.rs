// SPDX-License-Identifier: BSD-2-Clause
//! Where a file's blocks are: its extents, in order, in memory.
//!
//! They are held in the same leaves as on the disk, so that a change stays within the leaf that it belongs to, however
//! many a file has. How leaves get to the disk and from it is `tree`'s.

use alloc::{collections::BTreeSet, vec, vec::Vec};

/// Blocks that an extent has at the most: one whose length is larger on the disk is unwritten, by what exceeds this.
pub const MOST: u16 = 1 << 15;
/// Extents in the inode itself.
pub const IN_INODE: usize = 4;

/// Blocks of a file that lie one behind the other on the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Extent {
    /// The first block's place in the file.
    pub logical: u32,
    /// How many. Never zero.
    pub len: u16,
    /// They are the file's, but read as zeros.
    pub unwritten: bool,
    /// The first block's place on the disk.
    pub physical: u64,
}

impl Extent {
    /// The place in the file behind it.
    pub const fn end(&self) -> u64 {
        self.logical as u64 + self.len as u64
    }

    const fn most(&self) -> u16 {
        if self.unwritten { MOST - 1 } else { MOST }
    }

    /// How many blocks of `next` fit onto its end, if it goes on where this stops.
    fn takes(&self, next: &Self) -> u16 {
        let goes_on = self.end() == u64::from(next.logical)
            && self.physical + u64::from(self.len) == next.physical
            && self.unwritten == next.unwritten;
        if goes_on {
            self.most().saturating_sub(self.len).min(next.len)
        } else {
            0
        }
    }
}

/// What is at a place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// Nothing, which reads as zeros.
    Hole,
    /// Contents, from this block.
    Written(u64),
    /// Blocks from this one, which read as zeros.
    Unwritten(u64),
}

/// Extents that are in one node of the tree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// The node's block. None has got one yet, or it is the inode.
    pub block: Option<u64>,
    /// In order. None only if it is the only leaf.
    pub extents: Vec<Extent>,
    /// It is not on the disk like this.
    pub dirty: bool,
}

/// All extents of a file.
#[derive(Clone, Debug)]
pub struct Map {
    /// At least one.
    leaves: Vec<Leaf>,
    /// Extents that a leaf has at the most.
    room: usize,
    /// Blocks of the nodes above the leaves: a list for each level, the lowest first.
    pub levels: Vec<Vec<u64>>,
    /// Blocks of nodes that hold nothing any more.
    pub spare: Vec<u64>,
    /// Blocks of lists that told where the file's are, which they do until this is saved as a tree.
    pub old: Vec<u64>,
    /// Blocks of a directory whose checksums were found to be right.
    pub checked: BTreeSet<u32>,
    /// There are other leaves than on the disk, or they begin elsewhere.
    pub reshaped: bool,
}

impl Map {
    /// A file of no blocks, of whose extents `room`, at least two, go into a leaf.
    pub fn new(room: usize) -> Self {
        let leaf = Leaf {
            block: None,
            extents: Vec::new(),
            dirty: false,
        };
        Self {
            leaves: vec![leaf],
            room: room.max(2),
            levels: Vec::new(),
            spare: Vec::new(),
            old: Vec::new(),
            checked: BTreeSet::new(),
            reshaped: false,
        }
    }

    /// Adds a leaf as it is on the disk, behind all others.
    pub fn load(&mut self, block: Option<u64>, extents: Vec<Extent>) {
        if self.is_empty() {
            self.leaves.clear();
        }
        self.leaves.push(Leaf {
            block,
            extents,
            dirty: false,
        });
    }

    pub fn leaves(&self) -> &[Leaf] {
        &self.leaves
    }

    pub fn leaves_mut(&mut self) -> &mut [Leaf] {
        &mut self.leaves
    }

    #[cfg(test)]
    pub fn extents(&self) -> impl Iterator<Item = &Extent> {
        self.leaves.iter().flat_map(|leaf| leaf.extents.iter())
    }

    pub fn is_empty(&self) -> bool {
        matches!(self.leaves.as_slice(), [only] if only.extents.is_empty())
    }

    /// Whether all of it goes into the inode.
    pub fn is_small(&self) -> bool {
        matches!(self.leaves.as_slice(), [only] if only.extents.len() <= IN_INODE)
    }

    /// Whether all of it is on the disk as it is here.
    pub fn is_saved(&self) -> bool {
        !self.reshaped && self.spare.is_empty() && !self.leaves.iter().any(|leaf| leaf.dirty)
    }

    pub fn last(&self) -> Option<&Extent> {
        self.leaves.last()?.extents.last()
    }

    /// The place behind the last block.
    pub fn end(&self) -> u64 {
        self.last().map_or(0, Extent::end)
    }

    /// What is there, and how many blocks go on like that.
    pub fn at(&self, logical: u32) -> (Piece, u64) {
        let (leaf, behind) = self.place(logical);
        let here = self.leaves.get(leaf).map_or(&[][..], |leaf| &leaf.extents);
        let found = behind.checked_sub(1).and_then(|at| here.get(at));
        if let Some(extent) = found.filter(|extent| u64::from(logical) < extent.end()) {
            let block = extent.physical + u64::from(logical - extent.logical);
            let piece = if extent.unwritten {
                Piece::Unwritten(block)
            } else {
                Piece::Written(block)
            };
            return (piece, extent.end() - u64::from(logical));
        }
        let next = here
            .get(behind)
            .or_else(|| self.leaves.get(leaf + 1)?.extents.first());
        let end = next.map_or(1 << 32, |next| u64::from(next.logical));
        (Piece::Hole, end - u64::from(logical))
    }

    /// The block that comes before the one at `logical` in the file, and how far away it is: where the next one were
    /// best on the disk.
    pub fn goal(&self, logical: u32) -> Option<u64> {
        let (leaf, behind) = self.place(logical);
        let extent = self.leaves.get(leaf)?.extents.get(behind.checked_sub(1)?)?;
        Some(extent.physical + u64::from(logical - extent.logical))
    }

    /// The leaf that has or would have this place, and how many of its extents begin there or before.
    fn place(&self, logical: u32) -> (usize, usize) {
        let begins = |leaf: &Leaf| leaf.extents.first().is_some_and(|it| it.logical <= logical);
        let leaf = self.leaves.partition_point(begins).saturating_sub(1);
        let extents = self.leaves.get(leaf).map_or(&[][..], |leaf| &leaf.extents);
        (
            leaf,
            extents.partition_point(|extent| extent.logical <= logical),
        )
    }

    /// Puts an extent where there was a hole.
    pub fn insert(&mut self, mut extent: Extent) {
        let (at, behind) = self.place(extent.logical);
        let Some(leaf) = self.leaves.get_mut(at) else {
            return;
        };
        leaf.dirty = true;
        if let Some(before) = behind
            .checked_sub(1)
            .and_then(|at| leaf.extents.get_mut(at))
        {
            let taken = before.takes(&extent);
            before.len += taken;
            extent.len -= taken;
            extent.logical = extent.logical.wrapping_add(taken.into());
            extent.physical += u64::from(taken);
            if extent.len == 0 {
                self.join(at, behind);
                return;
            }
        }
        if let Some(after) = leaf.extents.get_mut(behind)
            && extent.takes(after) == after.len
        {
            extent.len += after.len;
            *after = extent;
            self.reshaped |= behind == 0;
            return;
        }
        leaf.extents.insert(behind, extent);
        self.reshaped |= behind == 0;
        if leaf.extents.len() > self.room {
            // A file that only ever grows has full leaves.
            let grows = behind == self.room && at + 1 == self.leaves.len();
            self.split(at, if grows { behind } else { self.room / 2 });
        }
    }

    /// Makes one of the extents on both sides of a boundary, if they go on.
    fn join(&mut self, at: usize, boundary: usize) {
        let Some(leaf) = self.leaves.get_mut(at) else {
            return;
        };
        let Some(after) = leaf.extents.get(boundary).copied() else {
            return;
        };
        if let Some(before) = boundary
            .checked_sub(1)
            .and_then(|at| leaf.extents.get_mut(at))
            && before.takes(&after) == after.len
        {
            before.len += after.len;
            leaf.extents.remove(boundary);
        }
    }

    fn split(&mut self, at: usize, keep: usize) {
        let Some(leaf) = self.leaves.get_mut(at) else {
            return;
        };
        let extents = leaf.extents.split_off(keep.min(leaf.extents.len()));
        self.leaves.insert(
            at + 1,
            Leaf {
                block: None,
                extents,
                dirty: true,
            },
        );
        self.reshaped = true;
    }

    /// Blocks that were unwritten have contents now. All of them are in one extent.
    pub fn set_written(&mut self, logical: u32, len: u16) {
        let (at, behind) = self.place(logical);
        let Some(leaf) = self.leaves.get_mut(at) else {
            return;
        };
        let Some(whole) = behind
            .checked_sub(1)
            .and_then(|at| leaf.extents.get(at))
            .copied()
        else {
            return;
        };
        let before = logical.saturating_sub(whole.logical) as u16;
        let len = len.min(whole.len.saturating_sub(before));
        let after = whole.len - before - len;
        self.remove(at, behind - 1);
        let part = |skip: u16, len: u16, unwritten| Extent {
            logical: whole.logical + u32::from(skip),
            physical: whole.physical + u64::from(skip),
            len,
            unwritten,
        };
        for extent in [
            part(0, before, true),
            part(before, len, false),
            part(before.saturating_add(len), after, true),
        ] {
            if extent.len > 0 {
                self.insert(extent);
            }
        }
    }

    /// Takes the last blocks off that are at `from` or behind it, as many as are in one extent. The blocks on the disk.
    pub fn pop(&mut self, from: u32) -> Option<(u64, u16)> {
        let at = self.leaves.len().checked_sub(1)?;
        let leaf = self.leaves.last_mut()?;
        let behind = leaf.extents.len().checked_sub(1)?;
        let last = leaf.extents.last_mut()?;
        if last.end() <= u64::from(from) {
            return None;
        }
        leaf.dirty = true;
        let keep = from.saturating_sub(last.logical) as u16;
        let freed = (last.physical + u64::from(keep), last.len - keep);
        if keep > 0 {
            last.len = keep;
        } else {
            self.remove(at, behind);
        }
        Some(freed)
    }

    fn remove(&mut self, at: usize, extent: usize) {
        let Some(leaf) = self.leaves.get_mut(at) else {
            return;
        };
        if extent >= leaf.extents.len() {
            return;
        }
        leaf.extents.remove(extent);
        leaf.dirty = true;
        self.reshaped |= extent == 0;
        if at + 1 < self.leaves.len() {
            self.unite(at);
        }
        if at > 0 {
            self.unite(at - 1);
        }
    }

    /// Makes one leaf of this and the next if it is half full then at the most, so that a file that has shrunk has no
    /// more nodes than it needs.
    fn unite(&mut self, at: usize) {
        let [.., a, b] = self.leaves.get_mut(..at + 2).unwrap_or(&mut []) else {
            return;
        };
        let sum = a.extents.len() + b.extents.len();
        if sum > self.room / 2 && !a.extents.is_empty() && !b.extents.is_empty() {
            return;
        }
        a.extents.append(&mut b.extents);
        a.dirty = true;
        self.spare.extend(b.block);
        self.leaves.remove(at + 1);
        self.reshaped = true;
    }
}

#[cfg(test)]
mod tests {
    use alloc::collections::BTreeMap;

    use super::*;

    fn written(logical: u32, physical: u64, len: u16) -> Extent {
        Extent {
            logical,
            len,
            unwritten: false,
            physical,
        }
    }

    fn check(map: &Map, blocks: &BTreeMap<u32, (u64, bool)>) {
        for leaf in map.leaves() {
            assert!(leaf.extents.len() <= map.room);
            assert!(map.leaves().len() == 1 || !leaf.extents.is_empty());
        }
        let mut seen = BTreeMap::new();
        let mut end = 0;
        for extent in map.extents() {
            assert!(
                u64::from(extent.logical) >= end && extent.len > 0 && extent.len <= extent.most()
            );
            end = extent.end();
            for at in 0..extent.len {
                let block = (extent.physical + u64::from(at), extent.unwritten);
                seen.insert(extent.logical + u32::from(at), block);
            }
        }
        assert_eq!(&seen, blocks);
    }

    #[test]
    fn growing_makes_one_extent() {
        let mut map = Map::new(4);
        for at in 0..4096 {
            map.insert(written(at * 16, 100 + u64::from(at) * 16, 16));
        }
        assert_eq!(map.extents().count(), 2);
        assert_eq!(map.at(40_000), (Piece::Written(40_100), 65_536 - 40_000));
        assert_eq!(map.goal(65_536), Some(65_636));
    }

    #[test]
    fn like_a_list_of_blocks() {
        let mut state = 1_u64;
        let mut random = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1);
            (state >> 33) % below
        };
        for _ in 0..200 {
            let mut map = Map::new(4);
            let mut blocks = BTreeMap::<u32, (u64, bool)>::new();
            for _ in 0..100 {
                let at = random(100) as u32;
                match random(8) {
                    0 => {
                        while let Some((physical, len)) = map.pop(at) {
                            for _ in 0..len {
                                blocks.pop_last();
                            }
                            assert!(physical >= 1000);
                        }
                        assert!(map.end() <= u64::from(at));
                    }
                    1..4 => {
                        if let (Piece::Unwritten(_), len) = map.at(at) {
                            let len = 1 + random(len);
                            map.set_written(at, len as u16);
                            for at in at..at + len as u32 {
                                blocks.get_mut(&at).unwrap().1 = false;
                            }
                        }
                    }
                    _ => {
                        if let (Piece::Hole, len) = map.at(at) {
                            let len = 1 + random(len.min(8));
                            let unwritten = random(2) == 0;
                            let physical = 1000 + u64::from(at) + 1000 * random(2);
                            map.insert(Extent {
                                unwritten,
                                ..written(at, physical, len as u16)
                            });
                            for skip in 0..len {
                                blocks.insert(at + skip as u32, (physical + skip, unwritten));
                            }
                        }
                    }
                }
                check(&map, &blocks);
            }
        }
    }
}
