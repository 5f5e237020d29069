// SPDX-License-Identifier: BSD-2-Clause
//! A node of an extent tree, byte for byte: a header of twelve bytes, then entries of twelve.
//!
//! The inode has the root, in 60 bytes. All others are blocks, with a checksum behind the last entry that there is
//! room for where metadata has checksums. Shape: <https://docs.kernel.org/filesystems/ext4/ifork.html>.

use alloc::vec::Vec;

use crate::{
    Error,
    bytes::{get16, get32, put16, put32},
    extents::{Extent, MOST},
};

const MAGIC: u16 = 0xf30a;
const ENTRY: usize = 12;
/// Levels of nodes below the root.
pub const DEEPEST: u16 = 5;

const BAD: Error = Error::Corrupt("a node of an extent tree");

/// What a node has.
#[derive(Debug, PartialEq, Eq)]
pub enum Node {
    Leaf(Vec<Extent>),
    /// Nodes one level below: the first place in the file that each is about, and its block.
    Index(Vec<(u32, u64)>),
}

/// How many entries a node of so many bytes has room for.
pub const fn room(bytes: usize) -> usize {
    bytes.saturating_sub(ENTRY) / ENTRY
}

/// Where the checksum of a block is, by what it says of its own room.
pub fn checksum_at(block: &[u8]) -> usize {
    ENTRY * (1 + usize::from(get16(block, 4)))
}

/// How many levels are below a node.
pub fn depth(bytes: &[u8]) -> Result<u16, Error> {
    let depth = get16(bytes, 6);
    if get16(bytes, 0) != MAGIC || depth > DEEPEST {
        Err(BAD)
    } else {
        Ok(depth)
    }
}

/// The entries of a node that `depth` levels are below.
///
/// They are in order, of at least a block each, and within 2^32 blocks. Where they are on the disk is the caller's to
/// check.
pub fn decode(bytes: &[u8], expected: u16) -> Result<Node, Error> {
    let count = usize::from(get16(bytes, 2));
    let most = usize::from(get16(bytes, 4));
    if depth(bytes)? != expected || count > most || most > room(bytes.len()) {
        return Err(BAD);
    }
    let entries = bytes
        .get(ENTRY..ENTRY * (1 + count))
        .ok_or(BAD)?
        .chunks_exact(ENTRY);
    if expected > 0 {
        let mut before = None;
        let children = entries.map(|entry| {
            let first = get32(entry, 0);
            if before.is_some_and(|before| before >= first) {
                return Err(BAD);
            }
            before = Some(first);
            Ok((
                first,
                u64::from(get32(entry, 4)) | u64::from(get16(entry, 8)) << 32,
            ))
        });
        return Ok(Node::Index(children.collect::<Result<_, _>>()?));
    }
    let mut end = 0;
    let extents = entries.map(|entry| {
        let raw = get16(entry, 4);
        let unwritten = raw > MOST;
        let extent = Extent {
            logical: get32(entry, 0),
            len: if unwritten { raw - MOST } else { raw },
            unwritten,
            physical: u64::from(get32(entry, 8)) | u64::from(get16(entry, 6)) << 32,
        };
        if extent.len == 0 || u64::from(extent.logical) < end || extent.end() > 1 << 32 {
            return Err(BAD);
        }
        end = extent.end();
        Ok(extent)
    });
    Ok(Node::Leaf(extents.collect::<Result<_, _>>()?))
}

fn header(bytes: &mut [u8], count: usize, depth: u16) {
    let most = room(bytes.len());
    bytes.fill(0);
    put16(bytes, 0, MAGIC);
    put16(bytes, 2, count as u16);
    put16(bytes, 4, most as u16);
    put16(bytes, 6, depth);
}

/// Fills a node with extents. There is room for them.
pub fn encode_leaf(bytes: &mut [u8], extents: &[Extent]) {
    header(bytes, extents.len(), 0);
    let places = bytes
        .get_mut(ENTRY..)
        .unwrap_or_default()
        .chunks_exact_mut(ENTRY);
    for (place, extent) in places.zip(extents) {
        put32(place, 0, extent.logical);
        put16(
            place,
            4,
            if extent.unwritten {
                extent.len + MOST
            } else {
                extent.len
            },
        );
        put16(place, 6, (extent.physical >> 32) as u16);
        put32(place, 8, extent.physical as u32);
    }
}

/// Fills a node with nodes, as in [`Node::Index`]. There is room for them.
pub fn encode_index(bytes: &mut [u8], children: &[(u32, u64)], depth: u16) {
    header(bytes, children.len(), depth);
    let places = bytes
        .get_mut(ENTRY..)
        .unwrap_or_default()
        .chunks_exact_mut(ENTRY);
    for (place, (first, block)) in places.zip(children) {
        put32(place, 0, *first);
        put32(place, 4, *block as u32);
        put16(place, 8, (block >> 32) as u16);
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn what_is_encoded_is_decoded() {
        let extent = |logical, len, unwritten, physical| Extent {
            logical,
            len,
            unwritten,
            physical,
        };
        let extents = vec![
            extent(0, MOST, false, 0xffff_1234_5678),
            extent(40_000, MOST - 1, true, 7),
            extent(u32::MAX, 1, false, 9),
        ];
        let mut bytes = [0xff; 1024];
        encode_leaf(&mut bytes, &extents);
        assert_eq!(decode(&bytes, 0), Ok(Node::Leaf(extents)));
        assert_eq!(decode(&bytes, 1), Err(BAD));
        assert_eq!(checksum_at(&bytes), 1020);
        let children = vec![(0, 5), (9, 0xffff_0000_0001)];
        encode_index(&mut bytes[..60], &children, 2);
        assert_eq!(decode(&bytes[..60], 2), Ok(Node::Index(children)));
    }

    #[test]
    fn disorder_is_told() {
        let extent = |logical, len| Extent {
            logical,
            len,
            unwritten: false,
            physical: 1,
        };
        let mut bytes = [0; 60];
        for bad in [[extent(5, 1), extent(5, 1)], [extent(0, 1), extent(9, 0)]] {
            encode_leaf(&mut bytes, &bad);
            assert_eq!(decode(&bytes, 0), Err(BAD));
        }
        encode_index(&mut bytes, &[(3, 1), (3, 2)], 1);
        assert_eq!(decode(&bytes, 1), Err(BAD));
        bytes[2] = 200;
        assert_eq!(decode(&bytes, 1), Err(BAD));
    }
}
