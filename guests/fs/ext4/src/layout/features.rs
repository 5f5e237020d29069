// SPDX-License-Identifier: BSD-2-Clause
//! What a file system may use, as the superblock says it, and what of that this crate knows.

use bitflags::bitflags;

bitflags! {
    /// Who does not know one of these may read and write all the same.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Compat: u32 {
        const HAS_JOURNAL = 0x4;
        const EXT_ATTR = 0x8;
        const RESIZE_INODE = 0x10;
        const DIR_INDEX = 0x20;
        const SPARSE_SUPER2 = 0x200;
        const FAST_COMMIT = 0x400;
        const ORPHAN_FILE = 0x1000;
        const _ = !0;
    }

    /// Who does not know one of these must leave the file system alone.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct Incompat: u32 {
        const FILETYPE = 0x2;
        /// The journal has transactions that are to be replayed.
        const RECOVER = 0x4;
        const META_BG = 0x10;
        const EXTENTS = 0x40;
        const BITS_64 = 0x80;
        const FLEX_BG = 0x200;
        const CSUM_SEED = 0x2000;
        const _ = !0;
    }

    /// Who does not know one of these may read.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub(crate) struct RoCompat: u32 {
        const SPARSE_SUPER = 0x1;
        const LARGE_FILE = 0x2;
        const HUGE_FILE = 0x8;
        const GDT_CSUM = 0x10;
        const DIR_NLINK = 0x20;
        const EXTRA_ISIZE = 0x40;
        const BIGALLOC = 0x200;
        const METADATA_CSUM = 0x400;
        const _ = !0;
    }
}

impl Incompat {
    /// Those that this crate knows.
    pub(crate) const KNOWN: Self = Self::FILETYPE
        .union(Self::RECOVER)
        .union(Self::META_BG)
        .union(Self::EXTENTS)
        .union(Self::BITS_64)
        .union(Self::FLEX_BG)
        .union(Self::CSUM_SEED);
}

impl RoCompat {
    /// Those that this crate can write with. A file of orphans (0x10000 says that it has entries) is none of them: it
    /// is left alone, which it may be when it is empty.
    pub(crate) const KNOWN: Self = Self::SPARSE_SUPER
        .union(Self::LARGE_FILE)
        .union(Self::HUGE_FILE)
        .union(Self::GDT_CSUM)
        .union(Self::DIR_NLINK)
        .union(Self::EXTRA_ISIZE)
        .union(Self::METADATA_CSUM);
}
