// SPDX-License-Identifier: BSD-2-Clause
//! A channel's memory as structures (layout: `atoll_abi::channel`).

use atoll_abi::channel::{Geometry, MAX_NAME};

#[cfg(not(loom))]
use super::memory::Memory;
use super::{
    memory::{Cells, Data, Loose, One},
    sync::{AtomicU32, AtomicU64, Ordering::SeqCst},
};

/// What is at the begin, but for the three words that are in use all the time.
#[repr(C, align(64))]
#[cfg_attr(loom, derive(Default))]
pub(crate) struct Header {
    pub magic: AtomicU32,
    pub version: AtomicU32,
    pub flags: AtomicU32,
    pub frames: AtomicU32,
    pub data: AtomicU32,
    pub writers: AtomicU32,
    pub readers: AtomicU32,
    pub credits: AtomicU32,
    pub maker: AtomicU32,
    pub strong_writers: AtomicU32,
    _spare: [AtomicU32; 6],
}

/// What an end says of itself.
#[repr(C, align(64))]
#[cfg_attr(loom, derive(Default))]
pub(crate) struct Slot {
    pub owner: AtomicU32,
    pub role: AtomicU32,
    pub generation: AtomicU32,
    pub lost: AtomicU32,
    pub cursor: AtomicU64,
    _spare: AtomicU64,
    pub name: [AtomicU32; MAX_NAME as usize / 4],
}

#[cfg(not(loom))]
impl Slot {
    /// Zeros.
    pub(crate) const fn new() -> Self {
        Self {
            owner: AtomicU32::new(0),
            role: AtomicU32::new(0),
            generation: AtomicU32::new(0),
            lost: AtomicU32::new(0),
            cursor: AtomicU64::new(0),
            _spare: AtomicU64::new(0),
            name: [const { AtomicU32::new(0) }; _],
        }
    }
}

/// Where a frame is.
#[repr(C, align(16))]
#[cfg_attr(loom, derive(Default))]
pub(crate) struct Descriptor {
    pub stamp: AtomicU64,
    pub place: Loose,
}

#[cfg(not(loom))]
const _: () = {
    use atoll_abi::channel::{DESCRIPTOR_BYTES, SLOT_BYTES};
    use core::mem::offset_of;

    assert!(size_of::<Header>() == TAIL as usize);
    assert!(size_of::<Slot>() == SLOT_BYTES as usize);
    assert!(size_of::<Descriptor>() == DESCRIPTOR_BYTES as usize);
    assert!(offset_of!(Header, credits) == 28);
    assert!(offset_of!(Header, strong_writers) == 36);
    assert!(offset_of!(Slot, cursor) == 16);
    assert!(offset_of!(Slot, name) == 32);
};

/// Offset of the tail.
#[cfg(not(loom))]
const TAIL: u32 = 64;
/// Offsets of the sides' words.
#[cfg(not(loom))]
const READERS_WORD: u32 = 128;
#[cfg(not(loom))]
const WRITERS_WORD: u32 = 192;

/// The parts of a channel whose size is known.
#[cfg_attr(loom, derive(Clone))]
pub(super) struct View {
    pub geometry: Geometry,
    pub header: One<Header>,
    pub tail: One<AtomicU64>,
    pub readers_word: One<AtomicU32>,
    pub writers_word: One<AtomicU32>,
    pub writers: Cells<Slot>,
    pub readers: Cells<Slot>,
    pub descriptors: Cells<Descriptor>,
    pub data: Data,
}

impl View {
    /// The parts in this memory, if all of them are inside.
    #[cfg(not(loom))]
    pub fn of(memory: &Memory, geometry: Geometry) -> Option<Self> {
        if !geometry.is_valid() {
            return None;
        }
        let Geometry {
            frames,
            data,
            writers,
            readers,
        } = geometry;
        Some(Self {
            geometry,
            header: One::of(memory, 0)?,
            tail: One::of(memory, TAIL)?,
            readers_word: One::of(memory, READERS_WORD)?,
            writers_word: One::of(memory, WRITERS_WORD)?,
            writers: Cells::of(memory, Geometry::WRITERS, writers)?,
            readers: Cells::of(memory, geometry.readers_at(), readers)?,
            descriptors: Cells::of(memory, geometry.descriptors_at(), frames)?,
            data: Data::of(memory, geometry.data_at(), data)?,
        })
    }

    /// A channel of its own, all zeros.
    #[cfg(loom)]
    pub fn model(geometry: Geometry) -> Self {
        Self {
            geometry,
            header: One::own(Header::default()),
            tail: One::own(AtomicU64::default()),
            readers_word: One::own(AtomicU32::default()),
            writers_word: One::own(AtomicU32::default()),
            writers: Cells::zeroed(geometry.writers),
            readers: Cells::zeroed(geometry.readers),
            descriptors: Cells::zeroed(geometry.frames),
            data: Data::zeroed(geometry.data),
        }
    }

    pub fn tail(&self) -> Mark {
        Mark::from_word(self.tail.get().load(SeqCst))
    }

    #[inline(always)]
    pub fn header(&self) -> &Header {
        self.header.get()
    }
}

/// A count of frames, and a position in the data ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Mark {
    pub frame: u32,
    pub position: u32,
}

impl Mark {
    #[inline(always)]
    pub const fn from_word(word: u64) -> Self {
        Self {
            frame: word as u32,
            position: (word >> 32) as u32,
        }
    }

    #[inline(always)]
    pub const fn word(self) -> u64 {
        pair(self.frame, self.position)
    }
}

/// Two halves as one word.
#[inline(always)]
pub(super) const fn pair(low: u32, high: u32) -> u64 {
    low as u64 | (high as u64) << 32
}
