// SPDX-License-Identifier: BSD-2-Clause
//! Checksums of metadata: CRC-32C without the usual inversion at the end, and CRC-16 of descriptors where the file
//! system is of the time before `metadata_csum`.
//!
//! Each is of the structure with the checksum's own bytes as zeros (or left out), and begins with the file system's
//! seed, so that a block of another file system is told from one's own. What belongs to an inode begins with its number
//! and generation on top ([`of_inode_seed`]), what has a place of its own with that.

/// Tables for eight bytes at a time: `TABLES[n][b]` is what byte `b` comes to with `n` zeros behind it.
static TABLES: [[u32; 256]; 8] = tables();

#[expect(
    clippy::indexing_slicing,
    reason = "evaluated by the compiler, with constant bounds"
)]
const fn tables() -> [[u32; 256]; 8] {
    let mut tables = [[0; 256]; 8];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = (crc >> 1) ^ (0x82f6_3b78 * (crc & 1));
            bit += 1;
        }
        tables[0][byte] = crc;
        byte += 1;
    }
    let mut zeros = 1;
    while zeros < 8 {
        let mut byte = 0;
        while byte < 256 {
            let before = tables[zeros - 1][byte];
            tables[zeros][byte] = (before >> 8) ^ tables[0][(before & 0xff) as usize];
            byte += 1;
        }
        zeros += 1;
    }
    tables
}

/// What goes before the first byte where nothing else does.
pub(crate) const START: u32 = !0;

/// CRC-32C of `bytes` after what came to `crc`.
pub(crate) fn crc32c(crc: u32, bytes: &[u8]) -> u32 {
    let [t0, t1, t2, t3, t4, t5, t6, t7] = &TABLES;
    // A byte is always an index.
    let at = |table: &[u32; 256], byte: u8| table[usize::from(byte)];
    let (eights, rest) = bytes.as_chunks::<8>();
    let mut crc = crc;
    for [b0, b1, b2, b3, b4, b5, b6, b7] in eights {
        let [c0, c1, c2, c3] = crc.to_le_bytes();
        crc = at(t7, b0 ^ c0)
            ^ at(t6, b1 ^ c1)
            ^ at(t5, b2 ^ c2)
            ^ at(t4, b3 ^ c3)
            ^ at(t3, *b4)
            ^ at(t2, *b5)
            ^ at(t1, *b6)
            ^ at(t0, *b7);
    }
    for byte in rest {
        let [c0, ..] = crc.to_le_bytes();
        crc = at(t0, byte ^ c0) ^ (crc >> 8);
    }
    crc
}

/// CRC-16 (polynomial 0x8005, reflected) of `bytes` after what came to `crc`.
pub(crate) fn crc16(crc: u16, bytes: &[u8]) -> u16 {
    let mut crc = crc;
    for byte in bytes {
        crc ^= u16::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xa001 * (crc & 1));
        }
    }
    crc
}

/// CRC-32C of `bytes`, of which those from `hole` on, `size` of them, count as zeros.
pub(crate) fn with_hole(crc: u32, bytes: &[u8], hole: usize, size: usize) -> u32 {
    let (before, rest) = bytes.split_at(hole.min(bytes.len()));
    let (own, after) = rest.split_at(size.min(rest.len()));
    let mut crc = crc32c(crc, before);
    for _ in own {
        crc = crc32c(crc, &[0]);
    }
    crc32c(crc, after)
}

/// What checksums of what belongs to an inode begin with: its extent blocks and directory blocks, and itself.
pub(crate) fn of_inode_seed(seed: u32, inode: u32, generation: u32) -> u32 {
    crc32c(
        crc32c(seed, &inode.to_le_bytes()),
        &generation.to_le_bytes(),
    )
}

/// Where an inode has the lower half of its checksum, `i_checksum_lo`.
pub(crate) const INODE_LOW: usize = 0x7c;
/// And where the upper, `i_checksum_hi`, in inodes that reach beyond it.
pub(crate) const INODE_HIGH: usize = 0x82;

/// That of an inode, of all its bytes on the disk. `is_wide`: it has an upper half (its extra fields reach beyond
/// [`INODE_HIGH`]); else only the lower 16 bits count.
pub(crate) fn of_inode(inode_seed: u32, bytes: &[u8], is_wide: bool) -> u32 {
    let (base, extra) = bytes.split_at(bytes.len().min(128));
    let crc = with_hole(inode_seed, base, INODE_LOW, 2);
    if is_wide {
        with_hole(crc, extra, INODE_HIGH - 128, 2)
    } else {
        crc32c(crc, extra) & 0xffff
    }
}

/// That of a block of an extent tree; `tail`: where its checksum is, behind the last entry that there is room for.
pub(crate) fn of_extent_block(inode_seed: u32, block: &[u8], tail: usize) -> u32 {
    crc32c(inode_seed, block.get(..tail).unwrap_or(block))
}

/// That of a directory block with entries: all of it but the twelve bytes of its tail.
pub(crate) fn of_directory_block(inode_seed: u32, block: &[u8]) -> u32 {
    of_extent_block(inode_seed, block, block.len().saturating_sub(12))
}

/// That of a block with extended attributes: its place, and itself without its checksum at 16.
pub(crate) fn of_attribute_block(seed: u32, number: u64, block: &[u8]) -> u32 {
    with_hole(crc32c(seed, &number.to_le_bytes()), block, 16, 4)
}

/// That of a bitmap for `count` blocks or inodes.
pub(crate) fn of_bitmap(seed: u32, bitmap: &[u8], count: u32) -> u32 {
    let bytes = usize::try_from(count / 8).unwrap_or(usize::MAX);
    crc32c(seed, bitmap.get(..bytes).unwrap_or(bitmap))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(!crc32c(START, b"123456789"), 0xe306_9283);
        assert_eq!(crc16(0, b"123456789"), 0xbb3d);
        // Whatever the tables for eight bytes say, one byte at a time says the same.
        let bytes: [u8; 61] = core::array::from_fn(|at| (at * 37) as u8);
        let slowly = bytes.iter().fold(7, |crc, byte| crc32c(crc, &[*byte]));
        assert_eq!(crc32c(7, &bytes), slowly);
        let mut holed = bytes;
        holed[13..17].fill(0);
        assert_eq!(with_hole(7, &bytes, 13, 4), crc32c(7, &holed));
    }
}
