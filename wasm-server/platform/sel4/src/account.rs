// SPDX-License-Identifier: BSD-2-Clause
//! A guest's memory budget: one untyped, and the kernel objects that are made of it.
//!
//! The kernel makes objects of an untyped from one end to the other and takes none back, so here is
//! counted as the kernel does: up to where an untyped is used, objects aligned to their size. What is
//! given back (a region's frames, a child's part) is kept, and serves the next one.

use alloc::{sync::Arc, vec::Vec};

use sel4::{FrameObjectType, ObjectBlueprint, cap};
use wasm_server_core::platform::{Failure, MemoryUsage};

use crate::{
    cspace::{self, Directory},
    space::Space,
};

/// Bytes of the pages that memory is counted in.
pub const PAGE: usize = 1 << PAGE_BITS;
const PAGE_BITS: usize = FrameObjectType::GRANULE.bits();
/// Slots of a unit.
pub const UNIT: u64 = 16;
/// log2 of the slots of the first CNode; each further one has [`DIRECTORY_GROWTH`] more bits.
const FIRST_DIRECTORY: usize = 7;
const DIRECTORY_GROWTH: usize = 2;

/// See the module. With its end everything that was made is gone.
pub struct Account {
    untyped: cap::Untyped,
    bits: usize,
    /// Whose budget this one is a part of.
    parent: Option<Arc<Space>>,
    /// The untyped of the budget, and parts of it that were children's. None: nothing can be made any
    /// more.
    sources: Vec<Source>,
    directories: Vec<Directory>,
    /// The next free slot, and the end of its directory.
    next_slot: u64,
    end_slot: u64,
}

/// An untyped that objects are made of.
struct Source {
    untyped: cap::Untyped,
    bits: usize,
    /// How far the kernel has used it.
    used: usize,
    /// It is the budget of a child.
    lent: bool,
}

impl Source {
    /// Where objects of this size would lie, if there is room for so many.
    fn place(&self, size: usize, count: usize) -> Option<usize> {
        let end = self.used.next_multiple_of(size) + count * size;
        (!self.lent && end <= 1 << self.bits).then_some(end)
    }

    /// Whole pages that are left.
    fn pages(&self) -> usize {
        if self.lent {
            return 0;
        }
        (1usize << self.bits).saturating_sub(self.used.next_multiple_of(PAGE)) / PAGE
    }
}

impl Account {
    /// Of an untyped of `1 << bits` bytes that nothing was made of; the parent gets it back.
    pub fn new(
        untyped: cap::Untyped,
        bits: usize,
        parent: Option<Arc<Space>>,
    ) -> Result<Self, Failure> {
        let budget = Source {
            untyped,
            bits,
            used: 0,
            lent: false,
        };
        let mut account = Self {
            untyped,
            bits,
            parent,
            sources: Vec::from([budget]),
            directories: Vec::new(),
            next_slot: 0,
            end_slot: 0,
        };
        account.add_directory(1)?;
        Ok(account)
    }

    /// The first CNode's number, which no other guest has at the same time.
    pub fn number(&self) -> u64 {
        self.directories.first().map_or(0, Directory::index)
    }

    /// Takes back everything that was made.
    pub fn close(&mut self) {
        if self.sources.is_empty() {
            return;
        }
        self.sources.clear();
        // Thread, notification, frames, page tables and CNodes: all of it. Cannot fail: it is an untyped.
        let _ = cspace::path(self.untyped.bits()).revoke();
        // The CNodes' places are free only when they are empty.
        self.directories.clear();
        self.next_slot = self.end_slot;
        if let Some(parent) = self.parent.take() {
            parent.take_back(self.untyped);
        }
    }

    /// What is spent of it; `kept` pages more can be had again.
    pub fn usage(&self, kept: usize) -> MemoryUsage {
        let budget = 1 << self.bits;
        let left = kept + self.sources.iter().map(Source::pages).sum::<usize>();
        MemoryUsage {
            budget,
            spent: budget - (left * PAGE) as u64,
        }
    }

    /// Pages that can be made.
    pub fn pages(&self) -> usize {
        self.sources.iter().map(Source::pages).sum()
    }

    /// Makes one kernel object; answers its capability pointer.
    pub fn make(&mut self, blueprint: ObjectBlueprint) -> Result<u64, Failure> {
        let slot = self.take_slots(1)?;
        self.make_at(blueprint, slot)?;
        Ok(slot)
    }

    /// Makes frames with their capabilities in the slot `first` and those behind it.
    pub fn make_frames(&mut self, first: u64, count: usize) -> Result<(), Failure> {
        if self.pages() < count {
            return Err(Failure::NoMemory("the pages"));
        }
        let mut done = 0;
        for source in &mut self.sources {
            let here = source.pages().min(count - done);
            if let Some(end) = source.place(PAGE, here).filter(|_| here > 0) {
                let at = first + done as u64;
                cspace::retype(source.untyped, frame(), at, here).map_err(cspace::no_memory)?;
                source.used = end;
                done += here;
            }
        }
        Ok(())
    }

    /// Takes `count` consecutive empty slots, [`UNIT`] at most. They are never given back: what was in
    /// them is there again after the next use of the same kind.
    pub fn take_slots(&mut self, count: u64) -> Result<u64, Failure> {
        if self.next_slot + count > self.end_slot {
            self.add_directory(count)?;
        }
        let first = self.next_slot;
        self.next_slot += count;
        Ok(first)
    }

    /// An untyped of `1 << bits` bytes for a child.
    pub fn lend(&mut self, bits: usize) -> Result<cap::Untyped, Failure> {
        let idle = self
            .sources
            .iter_mut()
            .skip(1)
            .find(|s| !s.lent && s.bits == bits && s.used == 0);
        if let Some(source) = idle {
            source.lent = true;
            return Ok(source.untyped);
        }
        let size_bits = bits;
        let cptr = self.make(ObjectBlueprint::Untyped { size_bits })?;
        let untyped = cap::Untyped::from_bits(cptr);
        self.sources.push(Source {
            untyped,
            bits,
            used: 0,
            lent: true,
        });
        Ok(untyped)
    }

    /// A child's untyped is back, with nothing left of what was made of it.
    pub fn take_back(&mut self, untyped: cap::Untyped) {
        let lent = self.sources.iter_mut().find(|s| s.untyped == untyped);
        if let Some(source) = lent {
            source.lent = false;
        }
    }

    fn make_at(&mut self, blueprint: ObjectBlueprint, slot: u64) -> Result<(), Failure> {
        let size = 1 << blueprint.physical_size_bits();
        for source in &mut self.sources {
            if let Some(end) = source.place(size, 1) {
                cspace::retype(source.untyped, blueprint, slot, 1).map_err(cspace::no_memory)?;
                source.used = end;
                return Ok(());
            }
        }
        Err(Failure::NoMemory("a kernel object"))
    }

    fn add_directory(&mut self, least: u64) -> Result<(), Failure> {
        if self.sources.is_empty() {
            return Err(Failure::NoMemory("a kernel object"));
        }
        let bits = FIRST_DIRECTORY + DIRECTORY_GROWTH * self.directories.len();
        let bits = bits.max(least.next_power_of_two().ilog2() as usize);
        let directory = Directory::new(bits, |blueprint, slot| self.make_at(blueprint, slot))?;
        let slots = directory.slots();
        (self.next_slot, self.end_slot) = (slots.start, slots.end);
        self.directories.push(directory);
        Ok(())
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        self.close();
    }
}

/// What to retype for a frame.
pub const fn frame() -> ObjectBlueprint {
    FrameObjectType::GRANULE.blueprint()
}
