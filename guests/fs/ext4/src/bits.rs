// SPDX-License-Identifier: BSD-2-Clause
//! Bitmaps: a set bit is in use. And what must not be used although its bit is clear.

use alloc::{collections::BTreeMap, vec, vec::Vec};

/// Clear bits, one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Run {
    pub start: u32,
    pub len: u32,
}

pub fn is_set(bitmap: &[u8], bit: u32) -> bool {
    bitmap
        .get((bit / 8) as usize)
        .is_none_or(|byte| byte >> (bit % 8) & 1 == 1)
}

/// Sets or clears bits. Behind the end there are none.
pub fn fill(bitmap: &mut [u8], start: u32, len: u32, set: bool) {
    for bit in start..start.saturating_add(len) {
        let at = (bit / 8) as usize;
        if bit % 8 == 0 && start + len - bit >= 8 {
            // Seven more are written along with it, and again, the same.
            if let Some(byte) = bitmap.get_mut(at) {
                *byte = if set { 0xff } else { 0 };
            }
        } else if let Some(byte) = bitmap.get_mut(at) {
            let mask = 1 << (bit % 8);
            *byte = if set { *byte | mask } else { *byte & !mask };
        }
    }
}

/// Whether all of these bits are set.
pub fn all_set(bitmap: &[u8], start: u32, len: u32) -> bool {
    (start..start.saturating_add(len)).all(|bit| is_set(bitmap, bit))
}

/// 64 bits, as they are with those of `also` set too. Behind the end they are all set.
fn word(bitmap: &[u8], also: &[u8], at: u32) -> u64 {
    let from = at as usize * 8;
    let of = |bytes: &[u8], behind: u8| {
        let rest = bytes.get(from..).unwrap_or(&[]);
        match rest.first_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => {
                let mut word = [behind; 8];
                for (to, from) in word.iter_mut().zip(rest) {
                    *to = *from;
                }
                u64::from_le_bytes(word)
            }
        }
    };
    of(bitmap, 0xff) | of(also, 0)
}

/// The first bit from `from` on, before `end`, that is set in neither or (`set`) in one of them.
fn next(bitmap: &[u8], also: &[u8], from: u32, end: u32, set: bool) -> Option<u32> {
    let mut at = from;
    while at < end {
        let word = word(bitmap, also, at / 64);
        let word = if set { word } else { !word } & (u64::MAX << (at % 64));
        if word != 0 {
            return Some(at / 64 * 64 + word.trailing_zeros()).filter(|found| *found < end);
        }
        at = (at / 64 + 1) * 64;
    }
    None
}

/// Bits from `from` on, before `end`, that are clear in both: the first `want` that are one behind the other, or
/// if there are nowhere so many, the longest run.
pub fn find(bitmap: &[u8], also: &[u8], from: u32, end: u32, want: u32) -> Option<Run> {
    let mut best: Option<Run> = None;
    let mut at = from;
    while let Some(start) = next(bitmap, also, at, end, false) {
        let most = end.min(start.saturating_add(want));
        let stop = next(bitmap, also, start, most, true).unwrap_or(most);
        let run = Run {
            start,
            len: stop - start,
        };
        if best.is_none_or(|best| best.len < run.len) {
            best = Some(run);
        }
        if run.len >= want {
            break;
        }
        at = stop;
    }
    best
}

/// Blocks that were freed in a transaction that is not on the disk yet: until it is, a crash would bring them back, so
/// nobody else may write them.
#[derive(Debug, Default)]
pub struct Pinned {
    /// By group, a bitmap.
    groups: BTreeMap<u32, Vec<u8>>,
    count: u64,
    /// What the running operation has added.
    running: Vec<(u32, Run)>,
}

impl Pinned {
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// A bitmap of those in a group.
    pub fn of(&self, group: u32) -> &[u8] {
        self.groups.get(&group).map_or(&[], Vec::as_slice)
    }

    /// Adds blocks of a group that has `bits`.
    pub fn add(&mut self, group: u32, run: Run, bits: u32) {
        let bitmap = self
            .groups
            .entry(group)
            .or_insert_with(|| vec![0; bits.div_ceil(8) as usize]);
        fill(bitmap, run.start, run.len, true);
        self.count += u64::from(run.len);
        self.running.push((group, run));
    }

    /// The running operation is done.
    pub fn finish(&mut self) {
        self.running.clear();
    }

    /// The running operation has not been.
    pub fn abort(&mut self) {
        for (group, run) in self.running.drain(..) {
            if let Some(bitmap) = self.groups.get_mut(&group) {
                fill(bitmap, run.start, run.len, false);
                self.count = self.count.saturating_sub(run.len.into());
            }
        }
    }

    /// The transaction is on the disk.
    pub fn clear(&mut self) {
        self.groups.clear();
        self.running.clear();
        self.count = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_filled_and_found() {
        for (start, len) in [(0, 1), (3, 5), (3, 13), (8, 8), (7, 130), (0, 200)] {
            let mut bitmap = [0; 25];
            fill(&mut bitmap, start, len, true);
            for bit in 0..200 {
                assert_eq!(is_set(&bitmap, bit), (start..start + len).contains(&bit));
            }
            assert!(all_set(&bitmap, start, len));
            assert!(!all_set(&bitmap, start, len + 1) || start + len == 200);
            fill(&mut bitmap, start, len, false);
            assert_eq!(bitmap, [0; 25]);
        }
    }

    #[test]
    fn the_first_run_that_fits_or_the_longest() {
        let mut bitmap = [0xff; 32];
        fill(&mut bitmap, 10, 3, false);
        fill(&mut bitmap, 60, 70, false);
        let run = |start, len| Some(Run { start, len });
        assert_eq!(find(&bitmap, &[], 0, 256, 2), run(10, 2));
        assert_eq!(find(&bitmap, &[], 0, 256, 4), run(60, 4));
        assert_eq!(find(&bitmap, &[], 0, 256, 400), run(60, 70));
        assert_eq!(find(&bitmap, &[], 11, 62, 40), run(11, 2));
        assert_eq!(find(&bitmap, &[], 130, 256, 1), None);
        let mut also = [0; 32];
        fill(&mut also, 60, 60, true);
        assert_eq!(find(&bitmap, &also, 0, 256, 400), run(120, 10));
    }

    #[test]
    fn pins_go_with_their_operation() {
        let mut pinned = Pinned::default();
        pinned.add(3, Run { start: 5, len: 9 }, 64);
        pinned.finish();
        pinned.add(3, Run { start: 20, len: 2 }, 64);
        pinned.abort();
        assert!(is_set(pinned.of(3), 13) && !is_set(pinned.of(3), 20));
        assert_eq!(pinned.count(), 9);
    }
}
