// SPDX-License-Identifier: BSD-2-Clause
//! How full a channel is, seen from outside: from the words that its ends keep in the region, without a look at what
//! they send. Guests write those words at any time, so what comes of them is for show: it is bounded by the size of
//! the region, and means nothing else if somebody tampers with it.

use atoll_abi::channel::{
    DESCRIPTOR_BYTES, FLAG_PIPE, Geometry, MAGIC, ROLE_JOINING, ROLE_STRONG, SLOT_BYTES, VERSION,
};

/// Offsets in the header.
const GEOMETRY: u32 = 12;
const TAIL: u32 = 64;
/// Offset of the cursor in a slot.
const CURSOR: u32 = 16;

/// How full a channel is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fill {
    /// Frames that the slowest strong reader has not released.
    pub frames: u32,
    /// Bytes of the data ring that they take.
    pub bytes: u32,
    /// Frames that there is room for.
    pub most_frames: u32,
    /// Bytes that there is room for.
    pub most_bytes: u32,
    /// Slots of writers that are taken.
    pub writers: u32,
    /// Slots of readers that are taken.
    pub readers: u32,
}

/// Words of a region, read one by one.
struct Words<F>(F);

impl<F: FnMut(u32, &mut [u8]) -> Option<()>> Words<F> {
    fn word(&mut self, at: u32) -> Option<u32> {
        let mut bytes = [0; 4];
        (self.0)(at, &mut bytes)?;
        Some(u32::from_le_bytes(bytes))
    }

    fn pair(&mut self, at: u32) -> Option<(u32, u32)> {
        Some((self.word(at)?, self.word(at.checked_add(4)?)?))
    }
}

/// How full the channel is that begins at this offset of a region of so many bytes, and how many bytes the channel
/// takes; none if there is no channel. `read` copies bytes of the region.
pub fn fill_at(
    offset: u32,
    bytes: u32,
    read: impl FnMut(u32, &mut [u8]) -> Option<()>,
) -> Option<(Fill, u32)> {
    let mut words = Words(read);
    if words.word(offset)? != MAGIC || words.word(offset + 4)? != VERSION {
        return None;
    }
    let is_pipe = words.word(offset + 8)? & FLAG_PIPE != 0;
    let (frames, data) = words.pair(offset + GEOMETRY)?;
    let (writers, readers) = words.pair(offset + GEOMETRY + 8)?;
    let geometry = Geometry {
        frames,
        data,
        writers,
        readers,
    };
    let end = geometry.is_valid().then(|| geometry.bytes())?;
    if offset.checked_add(end)? > bytes {
        return None;
    }
    let mut fill = Fill {
        most_frames: frames,
        most_bytes: data,
        ..Fill::default()
    };
    for slot in 0..writers {
        let owner = words.word(offset + Geometry::WRITERS + slot * SLOT_BYTES)?;
        fill.writers += u32::from(owner != 0);
    }
    let tail = words.pair(offset + TAIL)?;
    for slot in 0..readers {
        let at = offset + geometry.readers_at() + slot * SLOT_BYTES;
        let (owner, role) = words.pair(at)?;
        fill.readers += u32::from(owner != 0);
        let cursor = words.pair(at + CURSOR)?;
        // A pipe's reader keeps its place when it goes.
        let counts = owner != 0 && (role == ROLE_STRONG || role == ROLE_JOINING);
        if !counts && !is_pipe {
            continue;
        }
        let written = if is_pipe {
            let ring = offset + geometry.descriptors_at();
            words.end_of_pipe(ring, frames, cursor)?
        } else {
            tail
        };
        fill.frames = fill.frames.max(written.0.wrapping_sub(cursor.0));
        fill.bytes = fill.bytes.max(written.1.wrapping_sub(cursor.1));
    }
    fill.frames = fill.frames.min(frames);
    fill.bytes = fill.bytes.min(data);
    Some((fill, end))
}

impl<F: FnMut(u32, &mut [u8]) -> Option<()>> Words<F> {
    /// Up to where a pipe is written whose reader is there: only the writer itself has that in a word, but the frames
    /// behind the reader are stamped one after the other.
    fn end_of_pipe(&mut self, ring: u32, frames: u32, cursor: (u32, u32)) -> Option<(u32, u32)> {
        let place = |n: u32| ring + (cursor.0.wrapping_add(n) & (frames - 1)) * DESCRIPTOR_BYTES;
        let mut low = 0;
        let mut high = frames;
        while low < high {
            let middle = low + (high - low) / 2;
            let number = cursor.0.wrapping_add(middle).wrapping_add(1);
            if self.word(place(middle))? == number {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        let Some(last) = low.checked_sub(1) else {
            return Some(cursor);
        };
        let len = self.word(place(last) + 4)?;
        let position = self.word(place(last) + 8)?;
        Some((cursor.0.wrapping_add(low), position.wrapping_add(len)))
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::{vec, vec::Vec};

    const GEOMETRY: Geometry = Geometry {
        frames: 8,
        data: 512,
        writers: 2,
        readers: 2,
    };

    struct Region(Vec<u8>);

    impl Region {
        fn new(flags: u32) -> Self {
            let mut region = Self(vec![0; GEOMETRY.bytes() as usize]);
            let Geometry {
                frames,
                data,
                writers,
                readers,
            } = GEOMETRY;
            for (n, word) in [MAGIC, VERSION, flags, frames, data, writers, readers]
                .into_iter()
                .enumerate()
            {
                region.set(n as u32 * 4, word);
            }
            region
        }

        fn set(&mut self, at: u32, word: u32) {
            let at = at as usize;
            self.0[at..at + 4].copy_from_slice(&word.to_le_bytes());
        }

        fn pair(&mut self, at: u32, (one, two): (u32, u32)) {
            self.set(at, one);
            self.set(at + 4, two);
        }

        fn reader(&mut self, slot: u32, owner: u32, role: u32, cursor: (u32, u32)) {
            let at = GEOMETRY.readers_at() + slot * SLOT_BYTES;
            self.pair(at, (owner, role));
            self.pair(at + CURSOR, cursor);
        }

        fn fill(&self) -> Option<Fill> {
            let len = self.0.len() as u32;
            fill_at(0, len, |at, out| {
                let at = at as usize;
                out.copy_from_slice(self.0.get(at..at + out.len())?);
                Some(())
            })
            .map(|(fill, _)| fill)
        }
    }

    #[test]
    fn the_slowest_strong_reader_counts() {
        let mut region = Region::new(0);
        region.pair(TAIL, (3, 96));
        region.set(Geometry::WRITERS, 7);
        let fill = |region: &Region| region.fill().map(|fill| (fill.frames, fill.bytes));
        assert_eq!(fill(&region), Some((0, 0)));
        region.reader(0, 5, ROLE_STRONG, (2, 64));
        assert_eq!(fill(&region), Some((1, 32)));
        region.reader(1, 6, ROLE_STRONG, (u32::MAX, u32::MAX - 31));
        assert_eq!(fill(&region), Some((4, 128)));
        let all = region.fill().unwrap();
        assert_eq!((all.writers, all.readers), (1, 2));
        assert_eq!((all.most_frames, all.most_bytes), (8, 512));
        // Of a weak one nobody waits, and of one that has gone.
        region.reader(1, 6, 2, (u32::MAX, u32::MAX));
        assert_eq!(fill(&region), Some((1, 32)));
        region.reader(0, 0, ROLE_STRONG, (0, 0));
        assert_eq!(fill(&region), Some((0, 0)));
    }

    #[test]
    fn a_pipe_is_as_full_as_it_has_stamps() {
        let mut region = Region::new(FLAG_PIPE);
        for count in 0..=8_u32 {
            let first = u32::MAX - 2;
            region.reader(0, 5, ROLE_STRONG, (first, 0));
            for n in 0..8 {
                // What was there a turn of the ring before.
                let number = first.wrapping_add(n).wrapping_sub(8);
                let at = GEOMETRY.descriptors_at() + (number & 7) * DESCRIPTOR_BYTES;
                region.set(at, number.wrapping_add(1));
            }
            for n in 0..count {
                let number = first.wrapping_add(n);
                let at = GEOMETRY.descriptors_at() + (number & 7) * DESCRIPTOR_BYTES;
                region.pair(at, (number.wrapping_add(1), 10));
                region.pair(at + 8, (n * 16, 0));
            }
            let fill = region.fill().unwrap();
            assert_eq!(fill.frames, count);
            assert_eq!(fill.bytes, count.saturating_sub(1) * 16 + 10 * count.min(1));
        }
    }

    #[test]
    fn what_is_no_channel_has_no_fill() {
        assert_eq!(Region(vec![0; 4096]).fill(), None);
        let mut long = Region::new(0);
        long.set(16, 1 << 20);
        assert_eq!(long.fill(), None);
        let mut odd = Region::new(0);
        odd.set(12, 7);
        assert_eq!(odd.fill(), None);
    }

    proptest! {
        /// Whatever is written there, the answer is within the channel.
        #[test]
        fn nonsense_stays_within_the_channel(
            pipe in any::<bool>(),
            words in proptest::collection::vec((7_u32..200, any::<u32>()), 0..64),
        ) {
            let mut region = Region::new(if pipe { FLAG_PIPE } else { 0 });
            for (at, word) in words {
                region.set(at * 4, word);
            }
            if let Some(fill) = region.fill() {
                prop_assert!(fill.frames <= fill.most_frames && fill.bytes <= fill.most_bytes);
            }
        }
    }
}
