// SPDX-License-Identifier: BSD-2-Clause
//! A guest's memory budget: one untyped, and the kernel objects that are made of it.
//!
//! The kernel makes objects of an untyped from one end to the other and takes none back, so here is
//! counted as the kernel does: up to where an untyped is used, objects aligned to their size. What is
//! given back (a region's frames, a child's part) is kept, and serves the next one. What is to be made
//! later, when it is touched, is promised: nothing else can take it, and making it does not fail.

use alloc::{sync::Arc, vec::Vec};
use core::ops::Range;

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
/// log2 of the slots of the first CNode that is made; each further one has [`DIRECTORY_GROWTH`] more
/// bits.
const FIRST_DIRECTORY: usize = 8;
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
    /// Pages that are to be made later, and that nothing else may take.
    promised: usize,
    /// Free slots of the guest's place.
    place: Range<u64>,
    /// CNodes of the guest's own, and free slots of the newest.
    directories: Vec<Directory>,
    own: Range<u64>,
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
            0
        } else {
            self.pages_from(self.used)
        }
    }

    fn pages_from(&self, used: usize) -> usize {
        (1usize << self.bits).saturating_sub(used.next_multiple_of(PAGE)) / PAGE
    }
}

impl Account {
    /// Of an untyped of `1 << bits` bytes that nothing was made of; the parent gets it back. The slots
    /// are those of the guest's place.
    pub fn new(
        untyped: cap::Untyped,
        bits: usize,
        parent: Option<Arc<Space>>,
        place: Range<u64>,
    ) -> Self {
        let budget = Source {
            untyped,
            bits,
            used: 0,
            lent: false,
        };
        Self {
            untyped,
            bits,
            parent,
            sources: Vec::from([budget]),
            promised: 0,
            place,
            directories: Vec::new(),
            own: 0..0,
        }
    }

    /// Whether something can still be made: it is not closed.
    pub fn is_open(&self) -> bool {
        !self.sources.is_empty()
    }

    /// Takes back everything that was made.
    pub fn close(&mut self) {
        if self.sources.is_empty() {
            return;
        }
        self.sources.clear();
        self.promised = 0;
        // Thread, notification, frames, page tables and CNodes: all of it. Cannot fail: it is an untyped.
        let _ = cspace::path(self.untyped.bits()).revoke();
        // The CNodes' places are free only when they are empty.
        self.directories.clear();
        (self.place, self.own) = (0..0, 0..0);
        if let Some(parent) = self.parent.take() {
            parent.take_back(self.untyped);
        }
    }

    /// What is spent of it; `kept` pages more can be had again.
    pub fn usage(&self, kept: usize) -> MemoryUsage {
        let budget = 1 << self.bits;
        let left = (kept + self.pages()) * PAGE;
        MemoryUsage {
            budget,
            spent: budget - left as u64,
        }
    }

    /// Pages that can be made or promised.
    pub fn pages(&self) -> usize {
        let left: usize = self.sources.iter().map(Source::pages).sum();
        left - self.promised
    }

    /// Sets pages aside for [`Self::make_promised`].
    pub fn promise(&mut self, pages: usize) -> Result<(), Failure> {
        if self.pages() < pages {
            return Err(Failure::NoMemory("the pages"));
        }
        self.promised += pages;
        Ok(())
    }

    /// What was promised is not needed.
    pub fn take_back_promise(&mut self, pages: usize) {
        self.promised -= pages;
    }

    /// Makes one kernel object; answers its capability pointer.
    pub fn make(&mut self, blueprint: ObjectBlueprint) -> Result<u64, Failure> {
        let slot = self.take_slots(1)?;
        self.make_at(blueprint, slot)?;
        Ok(slot)
    }

    /// Makes frames that were not promised, with their capabilities in the slot `first` and those
    /// behind it.
    pub fn make_frames(&mut self, first: u64, count: usize) -> Result<(), Failure> {
        self.promise(count)?;
        match self.make_promised(first, count) {
            Ok(()) => Ok(()),
            Err(error) => {
                self.promised -= count;
                Err(cspace::no_memory(error))
            }
        }
    }

    /// Makes frames of what was promised.
    ///
    /// # Errors
    /// `DeleteFirst` where one of the slots is taken, that is, where the frame was made before.
    pub fn make_promised(&mut self, first: u64, count: usize) -> sel4::Result<()> {
        let mut done = 0;
        for source in &mut self.sources {
            let here = source.pages().min(count - done);
            if let Some(end) = source.place(PAGE, here).filter(|_| here > 0) {
                cspace::retype(source.untyped, frame(), first + done as u64, here)?;
                source.used = end;
                self.promised -= here;
                done += here;
            }
        }
        Ok(())
    }

    /// Takes `count` consecutive empty slots for what is made of this budget. They are never given back.
    pub fn take_slots(&mut self, count: u64) -> Result<u64, Failure> {
        match take(&mut self.place, count) {
            Some(first) => Ok(first),
            None => self.take_own_slots(count),
        }
    }

    /// The same for capabilities to what others own: these are in CNodes made of the budget, so that
    /// they vanish with it.
    pub fn take_own_slots(&mut self, count: u64) -> Result<u64, Failure> {
        if let Some(first) = take(&mut self.own, count) {
            return Ok(first);
        }
        self.add_directory(count)?;
        take(&mut self.own, count).ok_or(Failure::Refused("slots of a CNode"))
    }

    /// An untyped of `1 << bits` bytes for a child.
    pub fn lend(&mut self, bits: usize) -> Result<cap::Untyped, Failure> {
        let free = self.pages();
        let idle = self
            .sources
            .iter_mut()
            .skip(1)
            .find(|s| !s.lent && s.bits == bits && s.used == 0 && s.pages() <= free);
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

    /// The same in this slot, which is empty.
    pub fn make_at(&mut self, blueprint: ObjectBlueprint, slot: u64) -> Result<(), Failure> {
        let size = 1 << blueprint.physical_size_bits();
        let free = self.pages();
        for source in &mut self.sources {
            let Some(end) = source.place(size, 1) else {
                continue;
            };
            let before = source.pages();
            if before - source.pages_from(end) > free {
                continue;
            }
            cspace::retype(source.untyped, blueprint, slot, 1).map_err(cspace::no_memory)?;
            source.used = end;
            return Ok(());
        }
        Err(Failure::NoMemory("a kernel object"))
    }

    fn add_directory(&mut self, least: u64) -> Result<(), Failure> {
        let bits = FIRST_DIRECTORY + DIRECTORY_GROWTH * self.directories.len();
        let bits = bits.max(least.next_power_of_two().ilog2() as usize);
        let directory = Directory::new(bits, |blueprint, slot| self.make_at(blueprint, slot))?;
        self.own = directory.slots();
        self.directories.push(directory);
        Ok(())
    }
}

fn take(slots: &mut Range<u64>, count: u64) -> Option<u64> {
    let first = slots.start;
    (slots.end - first >= count).then(|| {
        slots.start += count;
        first
    })
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
