// SPDX-License-Identifier: BSD-2-Clause
//! Blocks that are the file system's own: whatever a bitmap or an extent says, no file has them.

use alloc::vec::Vec;

/// Ranges of blocks: the first, and the one behind the last.
#[derive(Debug, Default)]
pub struct Zones {
    /// In order; none touches another.
    ranges: Vec<(u64, u64)>,
}

impl Zones {
    /// From ranges in any order.
    pub fn new(mut ranges: Vec<(u64, u64)>) -> Self {
        ranges.retain(|range| range.0 < range.1);
        ranges.sort_unstable();
        ranges.dedup_by(|next, before| {
            let touches = next.0 <= before.1;
            if touches {
                before.1 = before.1.max(next.1);
            }
            touches
        });
        Self { ranges }
    }

    /// The parts of these that are in a range.
    pub fn within(&self, start: u64, end: u64) -> impl Iterator<Item = (u64, u64)> {
        let first = self.ranges.partition_point(|range| range.1 <= start);
        let rest = self.ranges.get(first..).unwrap_or(&[]);
        let parts = rest
            .iter()
            .map(move |range| (range.0.max(start), range.1.min(end)));
        parts.take_while(|range| range.0 < range.1)
    }

    /// Whether any of these blocks is in one.
    pub fn touch(&self, start: u64, len: u64) -> bool {
        self.within(start, start.saturating_add(len))
            .next()
            .is_some()
    }

    /// All of them, to make others from.
    pub fn into_ranges(self) -> Vec<(u64, u64)> {
        self.ranges
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn ranges_are_merged_and_found() {
        let zones = Zones::new(vec![(20, 30), (1, 5), (5, 8), (22, 25), (40, 41)]);
        assert_eq!(zones.ranges, [(1, 8), (20, 30), (40, 41)]);
        assert!(zones.touch(7, 1) && !zones.touch(8, 12) && zones.touch(8, 13));
        assert!(zones.touch(0, u64::MAX) && !zones.touch(41, 9));
        assert_eq!(zones.within(2, 25).collect::<Vec<_>>(), [(2, 8), (20, 25)]);
    }
}
