// SPDX-License-Identifier: BSD-2-Clause
//! Maps of files' blocks come from extent trees on the disk, and go there.

use alloc::{vec, vec::Vec};

use crate::{
    Disk, Error, Kind,
    blocks::Reserve,
    bytes::{get32, put32},
    extents::{Extent, IN_INODE, Map},
    inode::{self, Inode},
    layout::checksum,
    node::{self, Node},
    volume::Volume,
};

/// What is read of a tree: the places in the file that it can be about, and how many blocks are still possible.
struct Reading<'a> {
    map: &'a mut Map,
    seed: Option<u32>,
    left: u64,
}

impl<D: Disk> Volume<D> {
    /// Makes a new inode one whose blocks are told by extents, of which it has none.
    pub fn make_file(&self, inode: &mut Inode) -> Map {
        inode.flags |= inode::EXTENTS;
        node::encode_leaf(&mut inode.block, &[]);
        Map::new(node::room(self.geometry.block_size))
    }

    /// Where all blocks of a file, a directory or a long symbolic link are.
    pub fn load_map(&mut self, inode: &Inode) -> Result<Map, Error> {
        if inode.kind() == Kind::Other || inode.is_short_link() {
            return Err(Error::WrongKind);
        }
        if inode.flags & inode::INLINE != 0 {
            return Err(Error::Corrupt("contents in an inode"));
        }
        let mut map = Map::new(node::room(self.geometry.block_size));
        if inode.flags & inode::EXTENTS == 0 {
            self.load_old_map(inode, &mut map)?;
            return Ok(map);
        }
        let depth = node::depth(&inode.block)?;
        map.levels = vec![Vec::new(); usize::from(depth).saturating_sub(1)];
        let root = node::decode(&inode.block, depth)?;
        let mut reading = Reading {
            map: &mut map,
            seed: self.seed(inode),
            left: self.geometry.blocks,
        };
        self.load_node(&mut reading, None, root, depth, (0, 1 << 32))?;
        Ok(map)
    }

    /// Adds a node and all below it. No node is read twice: each is about other places in the file, and says about
    /// which. The calls are no deeper than a tree.
    fn load_node(
        &mut self,
        reading: &mut Reading<'_>,
        block: Option<u64>,
        node: Node,
        depth: u16,
        places: (u64, u64),
    ) -> Result<(), Error> {
        let bad = Error::Corrupt("a node of an extent tree");
        let children = match node {
            Node::Leaf(extents) => return self.load_leaf(reading, block, extents, places),
            Node::Index(children) => children,
        };
        for (at, (first, block)) in children.iter().enumerate() {
            let first = u64::from(*first);
            let next = children
                .get(at + 1)
                .map_or(places.1, |next| u64::from(next.0));
            if first < places.0 || next > places.1 || !self.is_for_files(*block, 1) {
                return Err(bad);
            }
            let bytes = self.store.read(*block)?;
            if let Some(seed) = reading.seed {
                let tail = node::checksum_at(bytes);
                let known = get32(bytes, tail);
                if tail + 4 > bytes.len() || checksum::of_extent_block(seed, bytes, tail) != known {
                    return Err(Error::Corrupt("the checksum of a node of an extent tree"));
                }
            }
            let child = node::decode(bytes, depth - 1)?;
            if depth > 1
                && let Some(level) = reading.map.levels.get_mut(usize::from(depth) - 2)
            {
                level.push(*block);
            }
            self.load_node(reading, Some(*block), child, depth - 1, (first, next))?;
        }
        if children.is_empty() {
            Err(bad)
        } else {
            Ok(())
        }
    }

    fn load_leaf(
        &self,
        reading: &mut Reading<'_>,
        block: Option<u64>,
        extents: Vec<Extent>,
        places: (u64, u64),
    ) -> Result<(), Error> {
        if let (Some(first), Some(last)) = (extents.first(), extents.last()) {
            if u64::from(first.logical) < places.0 || last.end() > places.1 {
                return Err(Error::Corrupt("an extent out of its place"));
            }
        } else if block.is_some() {
            return Err(Error::Corrupt("a node of an extent tree that is empty"));
        }
        for extent in &extents {
            let len = u64::from(extent.len);
            let left = reading.left.checked_sub(len);
            if left.is_none() || !self.is_for_files(extent.physical, len) {
                return Err(Error::Corrupt("an extent of blocks that no file can have"));
            }
            reading.left = left.unwrap_or(0);
        }
        if !extents.is_empty() {
            reading.map.load(block, extents);
        }
        Ok(())
    }

    /// Makes the tree on the disk, and the inode, which is the caller's to save, what the map is. Nodes stay where they
    /// are, and only those that are different are changed.
    pub fn save_map(&mut self, inode: &mut Inode, map: &mut Map) -> Result<(), Error> {
        if map.is_saved() {
            return Ok(());
        }
        if inode.flags & inode::EXTENTS == 0 {
            map.reshaped = true;
            map.spare.append(&mut map.old);
        }
        if map.is_small() {
            self.save_small(inode, map);
        } else {
            self.save_leaves(inode, map)?;
            if map.reshaped {
                self.save_levels(inode, map)?;
            }
        }
        inode.flags |= inode::EXTENTS;
        map.reshaped = false;
        self.free_spare(inode, map)
    }

    fn save_small(&mut self, inode: &mut Inode, map: &mut Map) {
        let nodes: Vec<u64> = map.levels.drain(..).flatten().collect();
        map.spare.extend(nodes);
        let mut own = None;
        if let Some(leaf) = map.leaves_mut().first_mut() {
            node::encode_leaf(&mut inode.block, &leaf.extents);
            own = leaf.block.take();
            leaf.dirty = false;
        }
        map.spare.extend(own);
    }

    fn save_leaves(&mut self, inode: &mut Inode, map: &mut Map) -> Result<(), Error> {
        let seed = self.seed(inode);
        let mut reshaped = map.reshaped;
        for leaf in map.leaves_mut() {
            if !leaf.dirty && leaf.block.is_some() {
                continue;
            }
            let block = match leaf.block {
                Some(block) => block,
                None => {
                    reshaped = true;
                    let goal = leaf.extents.first().map_or(0, |first| first.physical);
                    let block = self.allocate_node(inode, goal)?;
                    leaf.block = Some(block);
                    block
                }
            };
            let bytes = self.store.change(block)?;
            node::encode_leaf(bytes, &leaf.extents);
            seal(bytes, seed);
            leaf.dirty = false;
        }
        map.reshaped = reshaped;
        Ok(())
    }

    fn save_levels(&mut self, inode: &mut Inode, map: &mut Map) -> Result<(), Error> {
        let seed = self.seed(inode);
        let child =
            |leaf: &crate::extents::Leaf| Some((leaf.extents.first()?.logical, leaf.block?));
        let mut children: Vec<(u32, u64)> = map.leaves().iter().filter_map(child).collect();
        let mut old = core::mem::take(&mut map.levels).into_iter();
        let mut depth = 1;
        let room = node::room(self.geometry.block_size);
        while children.len() > IN_INODE {
            let mut known = old.next().unwrap_or_default().into_iter();
            let mut level = Vec::new();
            for some in children.chunks(room) {
                let Some((first, goal)) = some.first().copied() else {
                    continue;
                };
                let block = match known.next() {
                    Some(block) => block,
                    None => self.allocate_node(inode, goal)?,
                };
                let mut bytes = vec![0; self.geometry.block_size];
                node::encode_index(&mut bytes, some, depth);
                seal(&mut bytes, seed);
                if self.store.read(block)? != bytes {
                    self.store.change(block)?.copy_from_slice(&bytes);
                }
                level.push((first, block));
            }
            map.spare.extend(known);
            map.levels
                .push(level.iter().map(|(_, block)| *block).collect());
            children = level;
            depth += 1;
        }
        map.spare.extend(old.flatten());
        if depth > node::DEEPEST {
            return Err(Error::TooLarge);
        }
        node::encode_index(&mut inode.block, &children, depth);
        Ok(())
    }

    /// A block for a node, which must not fail for what only becomes smaller.
    fn allocate_node(&mut self, inode: &mut Inode, goal: u64) -> Result<u64, Error> {
        let block = self.allocate(goal, 1, Reserve::Use)?.start;
        self.store.fresh(block)?;
        inode.sectors += self.sectors(1);
        Ok(block)
    }

    /// Frees nodes that hold nothing any more.
    pub fn free_spare(&mut self, inode: &mut Inode, map: &mut Map) -> Result<(), Error> {
        for block in core::mem::take(&mut map.spare) {
            self.free(block, 1)?;
            self.store.forget(block);
            inode.sectors = inode.sectors.saturating_sub(self.sectors(1));
        }
        Ok(())
    }

    /// As many sectors as so many blocks, as they are counted in inodes.
    pub fn sectors(&self, blocks: u64) -> u64 {
        blocks.saturating_mul(self.geometry.block_size as u64 / 512)
    }
}

/// Sets the checksum of a node's block, if it has one.
fn seal(block: &mut [u8], seed: Option<u32>) {
    if let Some(seed) = seed {
        let tail = node::checksum_at(block);
        let sum = checksum::of_extent_block(seed, block, tail);
        put32(block, tail, sum);
    }
}
