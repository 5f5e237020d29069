// SPDX-License-Identifier: BSD-2-Clause
//! Where the journal's blocks are.

use alloc::vec::Vec;

/// Blocks of the journal's file that are next to each other on the disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Run {
    /// The number of the first in the file.
    pub at: u32,
    /// Where that is.
    pub block: u64,
    pub len: u32,
}

/// The log: the journal's blocks but the first few, of which the first follows the last.
#[derive(Clone, Debug)]
pub(super) struct Ring {
    /// From the file's first block to its last.
    runs: Vec<Run>,
    /// The first block that is the log's.
    first: u32,
    /// The one behind its last.
    end: u32,
}

impl Ring {
    /// `first` and `end` are inside the file, and there are blocks between them.
    pub(super) const fn new(runs: Vec<Run>, first: u32, end: u32) -> Self {
        Self { runs, first, end }
    }

    /// How many blocks the log has.
    pub(super) const fn len(&self) -> u32 {
        self.end - self.first
    }

    pub(super) fn has(&self, at: u32) -> bool {
        (self.first..self.end).contains(&at)
    }

    /// The place `count` blocks, no more than there are, behind a place in the log.
    pub(super) const fn after(&self, at: u32, count: u32) -> u32 {
        let left = self.end - at;
        if count < left {
            at + count
        } else {
            self.first + (count - left)
        }
    }

    /// Where a block of the file is on the disk.
    pub(super) fn block(&self, at: u32) -> u64 {
        let behind = self.runs.partition_point(|run| run.at <= at);
        let run = behind.checked_sub(1).and_then(|run| self.runs.get(run));
        // Those of the file are all in runs.
        run.map_or(0, |run| run.block + u64::from(at - run.at))
    }
}

/// The blocks of runs: ranges, the first and the one behind the last.
pub(crate) fn blocks(runs: &[Run]) -> Vec<(u64, u64)> {
    let range = |run: &Run| (run.block, run.block + u64::from(run.len));
    runs.iter().map(range).collect()
}
