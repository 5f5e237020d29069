// SPDX-License-Identifier: BSD-2-Clause
//! What an inode says: the fields that matter here, from and to the bytes of its slot in an inode table. What else is
//! in the slot, as its owner and attributes, stays.
//!
//! Shape: <https://docs.kernel.org/filesystems/ext4/inodes.html>.

use crate::{
    Kind, Time,
    bytes::{get16, get32, put16, put32},
};

/// `i_flags`: it cannot be changed.
pub const IMMUTABLE: u32 = 0x10;
/// `i_flags`: it can only grow.
pub const APPEND: u32 = 0x20;
/// `i_flags`: the directory has an index.
pub const INDEX: u32 = 0x1000;
/// `i_flags`: `i_blocks` is in blocks of the file system.
const HUGE: u32 = 0x4_0000;
/// `i_flags`: where its blocks are is told by extents.
pub const EXTENTS: u32 = 0x8_0000;
/// `i_flags`: contents are in the inode itself.
pub const INLINE: u32 = 0x1000_0000;

/// Bytes of an inode that was made before inodes had sizes.
const OLD: usize = 128;
/// Bytes of `i_block`.
pub const BLOCK: usize = 60;
const BLOCK_AT: usize = 0x28;

/// What an inode says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Inode {
    pub ino: u32,
    pub mode: u16,
    pub links: u16,
    pub flags: u32,
    pub generation: u32,
    pub size: u64,
    /// Sectors of 512 bytes that it has, those of the tree and of attributes too.
    pub sectors: u64,
    pub accessed: Time,
    pub changed: Time,
    pub modified: Time,
    pub created: Time,
    /// `i_dtime`: when it was deleted, or the next one that waits for that.
    pub deleted: u32,
    /// The block of attributes, or none.
    pub attributes: u64,
    /// `i_block`: the root of its extent tree, or an old block map, or the target of a short symbolic link.
    pub block: [u8; BLOCK],
}

/// What a file system's inodes have in common.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// Bytes that are counted as `i_blocks` in inodes of huge files.
    pub block_size: usize,
    /// `i_extra_isize` of new inodes.
    pub extra: u16,
}

impl Inode {
    /// What the slot of inode `ino` says.
    pub fn decode(ino: u32, raw: &[u8], shape: Shape) -> Self {
        let flags = get32(raw, 0x20);
        let mode = get16(raw, 0);
        let high = if kind_of(mode) == Kind::File {
            get32(raw, 0x6c)
        } else {
            0
        };
        let blocks = u64::from(get32(raw, 0x1c)) | u64::from(get16(raw, 0x74)) << 32;
        let unit = if flags & HUGE != 0 {
            shape.block_size as u64 / 512
        } else {
            1
        };
        let mut block = [0; BLOCK];
        if let Some(bytes) = raw.get(BLOCK_AT..BLOCK_AT + BLOCK) {
            block.copy_from_slice(bytes);
        }
        Self {
            ino,
            mode,
            links: get16(raw, 0x1a),
            flags,
            generation: get32(raw, 0x64),
            size: u64::from(get32(raw, 4)) | u64::from(high) << 32,
            sectors: blocks.saturating_mul(unit),
            accessed: time(raw, 0x08, 0x8c),
            changed: time(raw, 0x0c, 0x84),
            modified: time(raw, 0x10, 0x88),
            created: time(raw, 0x90, 0x94),
            deleted: get32(raw, 0x14),
            attributes: u64::from(get32(raw, 0x68)) | u64::from(get16(raw, 0x76)) << 32,
            block,
        }
    }

    /// Puts it into its slot. The checksum is the caller's to set.
    pub fn encode(&self, raw: &mut [u8], shape: Shape) {
        let mut flags = self.flags & !HUGE;
        let mut blocks = self.sectors;
        if blocks >> 48 != 0 {
            flags |= HUGE;
            blocks /= shape.block_size as u64 / 512;
        }
        put16(raw, 0, self.mode);
        put32(raw, 4, self.size as u32);
        if self.kind() == Kind::File {
            put32(raw, 0x6c, (self.size >> 32) as u32);
        }
        put16(raw, 0x1a, self.links);
        put32(raw, 0x1c, blocks as u32);
        put16(raw, 0x74, (blocks >> 32) as u16);
        put32(raw, 0x20, flags);
        put32(raw, 0x64, self.generation);
        set_time(raw, 0x08, 0x8c, self.accessed);
        set_time(raw, 0x0c, 0x84, self.changed);
        set_time(raw, 0x10, 0x88, self.modified);
        if has(raw, 0x90) {
            set_time(raw, 0x90, 0x94, self.created);
        }
        put32(raw, 0x14, self.deleted);
        put32(raw, 0x68, self.attributes as u32);
        put16(raw, 0x76, (self.attributes >> 32) as u16);
        if let Some(bytes) = raw.get_mut(BLOCK_AT..BLOCK_AT + BLOCK) {
            bytes.copy_from_slice(&self.block);
        }
    }

    /// Makes a slot one of a new inode, with nothing in it that was there before.
    pub fn clear(raw: &mut [u8], shape: Shape) {
        raw.fill(0);
        if raw.len() > OLD {
            put16(raw, 0x80, shape.extra.min((raw.len() - OLD) as u16));
        }
    }

    pub const fn kind(&self) -> Kind {
        kind_of(self.mode)
    }

    /// Whether it is a symbolic link whose target is in the inode.
    pub fn is_short_link(&self) -> bool {
        self.kind() == Kind::Symlink && self.flags & EXTENTS == 0 && self.size < BLOCK as u64
    }
}

/// The kind that the upper bits of `i_mode` tell.
pub const fn kind_of(mode: u16) -> Kind {
    match mode >> 12 {
        8 => Kind::File,
        4 => Kind::Directory,
        10 => Kind::Symlink,
        _ => Kind::Other,
    }
}

/// Whether the slot has the four bytes of a newer field at `at`.
fn has(raw: &[u8], at: usize) -> bool {
    raw.len() > OLD && at + 4 <= OLD + usize::from(get16(raw, 0x80)).min(raw.len() - OLD)
}

/// Seconds since 1970, signed, and in a newer field two more bits of them, and nanoseconds.
fn time(raw: &[u8], seconds: usize, extra: usize) -> Time {
    let low = i64::from(get32(raw, seconds) as i32);
    if !has(raw, extra) {
        return Time {
            seconds: if has(raw, seconds) || seconds < OLD {
                low
            } else {
                0
            },
            nanoseconds: 0,
        };
    }
    let extra = get32(raw, extra);
    let seconds = low + (i64::from(extra & 3) << 32);
    Time {
        seconds,
        nanoseconds: (extra >> 2).min(999_999_999),
    }
}

fn set_time(raw: &mut [u8], seconds: usize, extra: usize, time: Time) {
    put32(raw, seconds, time.seconds as u32);
    if has(raw, extra) {
        let epoch = (time.seconds - i64::from(time.seconds as i32)) >> 32;
        put32(raw, extra, time.nanoseconds << 2 | (epoch & 3) as u32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPE: Shape = Shape {
        block_size: 4096,
        extra: 32,
    };

    #[test]
    fn what_is_encoded_is_decoded() {
        let time = |seconds| Time {
            seconds,
            nanoseconds: 999_999_999,
        };
        let inode = Inode {
            ino: 12,
            mode: 0o100_644,
            links: 3,
            flags: EXTENTS,
            generation: 0xdead_beef,
            size: 1 << 40 | 5,
            sectors: 1 << 40,
            accessed: time(-5),
            changed: time(1 << 31),
            modified: time(3 << 32),
            created: time(0),
            deleted: 9,
            attributes: 1 << 40 | 3,
            block: [7; BLOCK],
        };
        let mut raw = [0xff; 256];
        Inode::clear(&mut raw, SHAPE);
        inode.encode(&mut raw, SHAPE);
        assert_eq!(Inode::decode(12, &raw, SHAPE), inode);

        let huge = Inode {
            sectors: 1 << 50,
            flags: EXTENTS | HUGE,
            ..inode
        };
        huge.encode(&mut raw, SHAPE);
        assert_eq!(Inode::decode(12, &raw, SHAPE), huge);
    }

    #[test]
    fn an_old_inode_has_whole_seconds() {
        let mut raw = [0; 128];
        Inode::clear(&mut raw, SHAPE);
        let mut inode = Inode::decode(12, &raw, SHAPE);
        inode.modified = Time {
            seconds: 77,
            nanoseconds: 5,
        };
        inode.created = inode.modified;
        inode.encode(&mut raw, SHAPE);
        let inode = Inode::decode(12, &raw, SHAPE);
        assert_eq!(
            inode.modified,
            Time {
                seconds: 77,
                nanoseconds: 0
            }
        );
        assert_eq!(
            inode.created,
            Time {
                seconds: 0,
                nanoseconds: 0
            }
        );
    }
}
