// SPDX-License-Identifier: BSD-2-Clause
//! The channel: how frames lie in a shared region. Guests agree on it among themselves; the server backs
//! the region and rings its doorbell.
//!
//! | from | what | written by |
//! |---|---|---|
//! | 0 | [`Header`](self#header), [`HEADER_BYTES`] | see below |
//! | [`HEADER_BYTES`] | a slot for each writer, [`SLOT_BYTES`] | that writer |
//! | behind | a slot for each reader, [`SLOT_BYTES`] | that reader |
//! | behind | the frame ring: descriptors, [`DESCRIPTOR_BYTES`] each | the writer of that frame |
//! | behind | the data ring | the writer of that frame |
//!
//! Everything begins at a multiple of 64 bytes. Numbers are little-endian. Counters of frames and
//! positions in the data ring are free-running, of 32 bits, and wrap; a place is a counter modulo the
//! ring's size, which is a power of two.
//!
//! # Header
//!
//! | offset | word | |
//! |---|---|---|
//! | 0 | [`MAGIC`] | stored last, when the rest is there |
//! | 4 | [`VERSION`] | |
//! | 8 | flags: [`FLAG_PIPE`], [`FLAG_DROP`], [`FLAG_TAPS`] | |
//! | 12 | frames of the frame ring | a power of two, at most [`MAX_FRAMES`] |
//! | 16 | bytes of the data ring | a power of two, from [`MIN_DATA`] |
//! | 20 | slots for writers | a power of two, at most [`MAX_SLOTS`] |
//! | 24 | slots for readers | a power of two, at most [`MAX_SLOTS`] |
//! | 28 | credits | frames that one writer may have out, 0 for as many as fit |
//! | 32 | who makes the channel | the process id, while it does |
//! | 36 | strong writers so far | counts up |
//! | 64 | tail, two words | frames reserved so far, and up to which position |
//! | 128 | the readers' word | bits [`SLEEPS`], [`DRAINS`], [`TERMINATED`], [`ALWAYS`], [`SHARED`] |
//! | 192 | the writers' word | bits [`SLEEPS`], [`DRAINS`], [`TERMINATED`], [`SHARED`] |
//!
//! # Slot
//!
//! | offset | word | |
//! |---|---|---|
//! | 0 | owner | its process id, 0 for nobody |
//! | 4 | role | [`ROLE_STRONG`], [`ROLE_WEAK`] or [`ROLE_JOINING`], 0 for none yet |
//! | 8 | generation | counts the owners, the present one included |
//! | 12 | lost | frames that passed a reader unseen, or a writer dropped |
//! | 16 | cursor, two words | a reader: frames released, and up to which position. A writer: the number of the frame that it reserves, and its position plus 1, or 0 and 0 |
//! | 32 | name | UTF-8, zeros behind |
//!
//! # Descriptor
//!
//! Two words of 64 bits. The stamp: in the low half the number of the frame, plus 1, when it is
//! committed; in the high half its length. The place: in the low half its position in the data ring, in
//! the high half its writer: the slot below, the low 16 bits of that slot's generation above.
//! A frame that was given up has the length [`VOID`].

use crate::describe::constants;

constants! {
    /// The first word of a channel: `ATCH`.
    MAGIC: u32 = u32::from_le_bytes(*b"ATCH");
    /// Layout version.
    VERSION: u32 = 1;
    /// One writer and one strong reader.
    FLAG_PIPE: u32 = 1;
    /// A frame that finds no room is dropped; without it, its writer waits.
    FLAG_DROP: u32 = 2;
    /// Readers without a slot are rung at every frame.
    FLAG_TAPS: u32 = 4;
    /// Most frames of a frame ring.
    MAX_FRAMES: u32 = 1 << 20;
    /// Fewest bytes of a data ring.
    MIN_DATA: u32 = 64;
    /// Most slots for writers, and for readers.
    MAX_SLOTS: u32 = 256;
    /// Bytes of the header.
    HEADER_BYTES: u32 = 256;
    /// Bytes of a slot.
    SLOT_BYTES: u32 = 64;
    /// Bytes of a descriptor.
    DESCRIPTOR_BYTES: u32 = 16;
    /// A frame's data begins at a multiple of so many bytes.
    ALIGN: u32 = 16;
    /// Longest name of an end, in bytes.
    MAX_NAME: u32 = 32;
    /// A role: readers of this one hold writers back, writers of this one keep the channel open.
    ROLE_STRONG: u32 = 1;
    /// The other role.
    ROLE_WEAK: u32 = 2;
    /// A strong reader to be: it holds writers back, and has not found out yet which frame is its first.
    ROLE_JOINING: u32 = 3;
    /// In a side's word: one of that side sleeps, or is about to.
    SLEEPS: u32 = 1;
    /// In a side's word: what is there is read, and nothing more is written.
    DRAINS: u32 = 2;
    /// In a side's word: nothing is read or written any more.
    TERMINATED: u32 = 4;
    /// In the readers' word: somebody who cannot say so may sleep.
    ALWAYS: u32 = 8;
    /// In a side's word: this is no pipe, and more is to be done after each frame.
    SHARED: u32 = 16;
    /// The bell of the readers: there is a frame.
    BELL_READERS: u32 = 1;
    /// The bell of the writers: there is room.
    BELL_WRITERS: u32 = 2;
    /// In place of a length: the frame was given up.
    VOID: u32 = u32::MAX;
}

/// The size of a channel's parts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    /// Descriptors in the frame ring; a power of two.
    pub frames: u32,
    /// Bytes of the data ring; a power of two.
    pub data: u32,
    /// Slots for writers; a power of two.
    pub writers: u32,
    /// Slots for readers; a power of two.
    pub readers: u32,
}

impl Geometry {
    /// Where the writers' slots begin.
    pub const WRITERS: u32 = HEADER_BYTES;

    /// Whether a channel can be so.
    pub const fn is_valid(&self) -> bool {
        self.frames.is_power_of_two()
            && self.frames <= MAX_FRAMES
            && self.data.is_power_of_two()
            && self.data >= MIN_DATA
            && self.data <= 1 << 30
            && self.writers.is_power_of_two()
            && self.writers <= MAX_SLOTS
            && self.readers.is_power_of_two()
            && self.readers <= MAX_SLOTS
    }

    /// Where the readers' slots begin, if this is valid; the same for those below.
    pub const fn readers_at(&self) -> u32 {
        Self::WRITERS + self.writers * SLOT_BYTES
    }

    /// Where the frame ring begins.
    pub const fn descriptors_at(&self) -> u32 {
        self.readers_at() + self.readers * SLOT_BYTES
    }

    /// Where the data ring begins.
    pub const fn data_at(&self) -> u32 {
        (self.descriptors_at() + self.frames * DESCRIPTOR_BYTES).next_multiple_of(64)
    }

    /// Bytes of the whole.
    pub const fn bytes(&self) -> u32 {
        self.data_at() + self.data
    }

    /// Bytes of the longest frame: half the data ring, so that one fits wherever the last one ended.
    pub const fn max_frame(&self) -> u32 {
        self.data / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: Geometry = Geometry {
        frames: 8,
        data: 512,
        writers: 2,
        readers: 4,
    };

    #[test]
    fn parts_lie_one_behind_the_other() {
        assert_eq!(SMALL.readers_at(), 256 + 2 * 64);
        assert_eq!(SMALL.descriptors_at(), 256 + 6 * 64);
        assert_eq!(SMALL.data_at(), 256 + 6 * 64 + 128);
        assert_eq!(SMALL.bytes(), SMALL.data_at() + 512);
        let odd = Geometry { frames: 1, ..SMALL };
        assert!(odd.data_at().is_multiple_of(64));
    }

    #[test]
    fn what_no_channel_can_be() {
        assert!(SMALL.is_valid());
        for wrong in [
            Geometry { frames: 0, ..SMALL },
            Geometry { frames: 3, ..SMALL },
            Geometry {
                frames: MAX_FRAMES * 2,
                ..SMALL
            },
            Geometry { data: 32, ..SMALL },
            Geometry { data: 100, ..SMALL },
            Geometry {
                data: 1 << 31,
                ..SMALL
            },
            Geometry {
                writers: 0,
                ..SMALL
            },
            Geometry {
                readers: 3,
                ..SMALL
            },
            Geometry {
                readers: MAX_SLOTS * 2,
                ..SMALL
            },
        ] {
            assert!(!wrong.is_valid(), "{wrong:?}");
        }
        let largest = Geometry {
            frames: MAX_FRAMES,
            data: 1 << 30,
            writers: MAX_SLOTS,
            readers: MAX_SLOTS,
        };
        assert!(largest.is_valid() && largest.bytes() > 1 << 30);
    }
}
