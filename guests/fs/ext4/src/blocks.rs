// SPDX-License-Identifier: BSD-2-Clause
//! Blocks are allocated and freed.

use crate::{
    Disk, Error,
    bits::{self, Run},
    layout::group::GroupFlags,
    volume::Volume,
};

/// Groups that are searched for a run of the wanted length when a shorter one is known.
const SEARCH: u32 = 16;

/// Blocks that lie one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Blocks {
    pub start: u64,
    pub len: u32,
}

/// Who may have the blocks that are kept for the administrator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reserve {
    Keep,
    /// For what must not fail when the file system is full.
    Use,
}

impl<D: Disk> Volume<D> {
    /// Up to `want` free blocks, one behind the other, which nobody else gets from now on: at `goal` if it is free,
    /// or else where there is a run that is long enough.
    ///
    /// # Errors
    ///
    /// [`Error::NoSpace`]: none is free, or only in a transaction that is not on the disk yet.
    pub fn allocate(&mut self, goal: u64, want: u32, reserve: Reserve) -> Result<Blocks, Error> {
        let superblock = self.superblock()?;
        let kept = match reserve {
            Reserve::Keep => superblock.reserved_blocks_count(),
            Reserve::Use => 0,
        };
        let left = superblock
            .free_blocks_count()
            .saturating_sub(kept.saturating_add(self.pinned.count()));
        let want = u32::try_from(left).unwrap_or(u32::MAX).min(want);
        if want == 0 {
            return Err(Error::NoSpace);
        }
        let goal = if (self.geometry.first_block..self.geometry.blocks).contains(&goal) {
            goal
        } else {
            self.geometry.first_block
        };
        let (group, run) = self.find_free(goal, want)?.ok_or(Error::NoSpace)?;
        self.take(group, run)?;
        let start = self.geometry.group_start(group) + u64::from(run.start);
        self.next = start + u64::from(run.len);
        Ok(Blocks {
            start,
            len: run.len,
        })
    }

    /// The group of the best run, and the run.
    fn find_free(&mut self, goal: u64, want: u32) -> Result<Option<(u32, Run)>, Error> {
        let (first, offset) = self.geometry.group_of(goal);
        let mut best: Option<(u32, Run)> = None;
        // The first group comes last once more, for what is before the goal.
        for skipped in 0..=self.geometry.groups {
            if best.is_some() && skipped > SEARCH {
                break;
            }
            let number =
                ((u64::from(first) + u64::from(skipped)) % u64::from(self.geometry.groups)) as u32;
            let mut group = self.group(number)?;
            if group.free_blocks == 0 {
                continue;
            }
            self.ready_blocks(number, &mut group)?;
            let end = self.geometry.group_blocks(number);
            let from = if skipped == 0 { offset } else { 0 };
            let bitmap = self.store.read(group.block_bitmap)?;
            let Some(run) = bits::find(bitmap, self.pinned.of(number), from, end, want) else {
                continue;
            };
            if run.len >= want {
                return Ok(Some((number, run)));
            }
            // A file that goes on where it stopped has fewer extents, if it is not by a few blocks only.
            if skipped == 0 && run.start == offset && run.len >= SEARCH {
                return Ok(Some((number, run)));
            }
            if best.is_none_or(|(_, best)| best.len < run.len) {
                best = Some((number, run));
            }
        }
        Ok(best)
    }

    /// Marks blocks of a group as used.
    fn take(&mut self, number: u32, run: Run) -> Result<(), Error> {
        let start = self.geometry.group_start(number) + u64::from(run.start);
        if !self.is_for_files(start, run.len.into()) {
            return Err(Error::Corrupt(
                "a bitmap that has the file system's own blocks as free",
            ));
        }
        let mut group = self.group(number)?;
        let bitmap = self.store.change(group.block_bitmap)?;
        bits::fill(bitmap, run.start, run.len, true);
        group.seal_block_bitmap(&self.geometry, bitmap);
        group.free_blocks = group
            .free_blocks
            .checked_sub(run.len)
            .ok_or(Error::Corrupt("the number of a group's free blocks"))?;
        self.set_group(number, &group)?;
        self.change_superblock(|it| {
            it.set_free_blocks_count(it.free_blocks_count().saturating_sub(run.len.into()));
        })
    }

    /// Gives blocks back. Nobody gets them before the transaction is on the disk.
    pub fn free(&mut self, start: u64, len: u64) -> Result<(), Error> {
        if !self.is_for_files(start, len) {
            return Err(Error::Corrupt(
                "a file that has the file system's own blocks",
            ));
        }
        let mut at = start;
        while at < start + len {
            let (number, first) = self.geometry.group_of(at);
            let here = (self.geometry.group_blocks(number) - first).min((start + len - at) as u32);
            self.give(
                number,
                Run {
                    start: first,
                    len: here,
                },
            )?;
            at += u64::from(here);
        }
        Ok(())
    }

    fn give(&mut self, number: u32, run: Run) -> Result<(), Error> {
        let twice = Error::Corrupt("a block that is in use and free");
        let mut group = self.group(number)?;
        if self.has_unused() && group.flags.contains(GroupFlags::BLOCK_UNINIT) {
            return Err(twice);
        }
        self.ready_blocks(number, &mut group)?;
        let size = self.geometry.group_blocks(number);
        let bitmap = self.store.change(group.block_bitmap)?;
        if !bits::all_set(bitmap, run.start, run.len) {
            return Err(twice);
        }
        bits::fill(bitmap, run.start, run.len, false);
        group.seal_block_bitmap(&self.geometry, bitmap);
        group.free_blocks += run.len;
        if group.free_blocks > size {
            return Err(Error::Corrupt("the number of a group's free blocks"));
        }
        self.set_group(number, &group)?;
        let blocks = self.geometry.blocks;
        self.change_superblock(|it| {
            let count = it.free_blocks_count().saturating_add(run.len.into());
            it.set_free_blocks_count(count.min(blocks));
        })?;
        self.pinned.add(number, run, size);
        Ok(())
    }
}
