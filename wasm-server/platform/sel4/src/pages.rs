// SPDX-License-Identifier: BSD-2-Clause
//! What is mapped in a guest's part of the address space, and the budget that it is made of.

use alloc::{sync::Arc, vec::Vec};
use core::{mem, ops::Range};

use sel4::{CapRights, cap};
use wasm_server_core::platform::Failure;

use crate::{
    access,
    account::{Account, PAGE, UNIT, frame},
    cspace,
    frames::Frames,
    image::CodeArea,
    place::COVERED,
    region::{Chunk, Region},
    space::{ARENA_BYTES, WASM_PAGE},
    steps::{Step, mark},
    vspace::{self, TableLevel},
};

/// Pages that the arena grows by at least.
const ARENA_GROWTH: usize = 4;

/// See the module. Methods are for whoever holds the space's lock.
pub struct Pages {
    pub account: Account,
    /// Page tables reach from the start to here, and from where views are to there.
    tables_to: usize,
    view_tables_to: usize,
    /// Where modules are.
    pub code: CodeArea,
    stack: Range<usize>,
    /// The slot of the lowest page of the stack; the others follow.
    stack_slots: u64,
    arena: usize,
    /// Pages of the arena that are promised, and how many of them its heap has.
    arena_pages: usize,
    arena_taken: usize,
    /// The first slots of each 64 KiB of the arena.
    arena_slots: Vec<u64>,
    memory: usize,
    /// The linear memory, by wasm pages.
    pages: Vec<Page>,
    /// Where its frames are for devices, as far as these were told.
    frames: Frames,
    /// What the next growth of the memory is, if not fresh frames.
    pub staged: Option<(Arc<Region>, bool)>,
    /// Where windows were taken away, and the guest may not know: the first wasm page, and how many.
    lost: Vec<(usize, usize)>,
    /// Where windows were that the guest has given up, likewise.
    holes: Vec<(usize, usize)>,
    /// The private page that holes show; made with the first window, so that it is always there.
    spare: Option<u64>,
    /// Whether a hole was touched, so that there may be something in the spare page.
    spare_is_used: bool,
    /// Frames that a region gave back, zeroed.
    kept: Vec<Chunk>,
}

/// Where the parts of a guest's address space are.
pub struct Layout {
    /// First address of all.
    pub start: usize,
    /// See [`crate::space`].
    pub arena: usize,
    /// The last page has the IPC buffer, too.
    pub stack: Range<usize>,
    /// See [`crate::space`].
    pub memory: usize,
    /// See [`crate::space`].
    pub views: usize,
    /// See [`crate::space`].
    pub code: usize,
}

/// What a page of the linear memory is, each with the first of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// The guest's own. A slot that is empty is a frame that was not touched yet, and is promised.
    Own(u64),
    /// A window, whose slots hold copies of a region's frames.
    Window { slots: u64, write: bool },
    /// It was a window. Its slots hold copies of the spare frame, as far as they were touched, and are
    /// empty if it is `clean`.
    Hole { slots: u64, clean: bool },
}

impl Pages {
    /// Promises the stack, and makes the last pages of it and the first of the arena, so many of each.
    pub fn new(
        mut account: Account,
        layout: &Layout,
        (stack_pages, arena_pages): (usize, usize),
    ) -> Result<Self, Failure> {
        let count = layout.stack.len() / PAGE;
        let stack_slots = account.take_slots(count as u64 + UNIT)?;
        account.promise(count + arena_pages)?;
        let mut pages = Self {
            account,
            tables_to: layout.start + COVERED,
            view_tables_to: layout.views,
            code: CodeArea::new(layout.code),
            stack: layout.stack.clone(),
            stack_slots,
            arena: layout.arena,
            arena_pages,
            arena_taken: 0,
            arena_slots: Vec::from([stack_slots + count as u64]),
            memory: layout.memory,
            pages: Vec::new(),
            frames: Frames::default(),
            staged: None,
            lost: Vec::new(),
            holes: Vec::new(),
            spare: None,
            spare_is_used: false,
            kept: Vec::new(),
        };
        pages.ensure_tables(layout.memory)?;
        // The slots of the arena follow those of the stack.
        let slot = stack_slots + (count - stack_pages) as u64;
        pages
            .account
            .make_promised(slot, stack_pages + arena_pages)
            .map_err(cspace::no_memory)?;
        let stack = layout.stack.end - stack_pages * PAGE..layout.stack.end;
        let arena = layout.arena..layout.arena + arena_pages * PAGE;
        for (slot, page) in (slot..).zip(stack.chain(arena).step_by(PAGE)) {
            map_own(slot, page)?;
        }
        Ok(pages)
    }

    /// Takes back everything that was made.
    pub fn close(&mut self) {
        self.pages.clear();
        self.frames = Frames::default();
        self.lost.clear();
        self.holes.clear();
        self.kept.clear();
        self.code.close();
        self.arena_pages = 0;
        self.arena_taken = 0;
        self.stack = 0..0;
        self.spare = None;
        self.account.close();
        mark(Step::Revoked);
    }

    /// The slot of the stack's last page.
    pub fn last_of_stack(&self) -> u64 {
        self.stack_slots + (self.stack.len() / PAGE) as u64 - 1
    }

    /// Pages that regions gave back.
    pub fn kept(&self) -> usize {
        self.kept.len() * UNIT as usize
    }

    /// Whether the page of an address was promised or is a hole, and is there now.
    pub fn touch(&mut self, address: usize) -> bool {
        let page = address & !(PAGE - 1);
        match self.slot_of(page) {
            Some(slot) => self.commit(slot, page),
            None => self.fill_hole(page),
        }
    }

    /// The slot of a page that is the guest's own.
    fn slot_of(&self, page: usize) -> Option<u64> {
        if self.stack.contains(&page) {
            return Some(self.stack_slots + ((page - self.stack.start) / PAGE) as u64);
        }
        let unit = |offset: usize| (offset / WASM_PAGE, (offset % WASM_PAGE / PAGE) as u64);
        if let Some(offset) = page.checked_sub(self.memory) {
            let (index, inside) = unit(offset);
            return match self.pages.get(index)? {
                Page::Own(slots) => Some(slots + inside),
                _ => None,
            };
        }
        let (index, inside) = unit(page.checked_sub(self.arena)?);
        let slots = self.arena_slots.get(index)?;
        (page < self.arena + self.arena_pages * PAGE).then_some(slots + inside)
    }

    fn commit(&mut self, slot: u64, page: usize) -> bool {
        match self.account.make_promised(slot, 1) {
            Ok(()) => map_own(slot, page).is_ok(),
            // Another thread touched it, too.
            Err(error) => error == sel4::Error::DeleteFirst,
        }
    }

    fn fill_hole(&mut self, page: usize) -> bool {
        let Some(offset) = page.checked_sub(self.memory) else {
            return false;
        };
        let (Some(Page::Hole { slots, clean }), Some(spare)) =
            (self.pages.get_mut(offset / WASM_PAGE), self.spare)
        else {
            return false;
        };
        let slot = *slots + (offset % WASM_PAGE / PAGE) as u64;
        *clean = false;
        self.spare_is_used = true;
        match cspace::path(slot).copy(&cspace::path(spare), CapRights::read_write()) {
            Ok(()) => map_own(slot, page).is_ok(),
            // As in `commit`.
            Err(error) => error == sel4::Error::DeleteFirst,
        }
    }

    /// Gives the arena's heap at least so many bytes behind what it has; answers where, and how many.
    pub fn grow_arena(&mut self, bytes: usize) -> Option<(usize, usize)> {
        let least = self.arena_taken.checked_add(bytes.div_ceil(PAGE))?;
        if let Some(missing) = least.checked_sub(self.arena_pages).filter(|n| *n > 0) {
            let grown = self.arena_pages + missing.max(ARENA_GROWTH);
            if grown > ARENA_BYTES / PAGE {
                return None;
            }
            while self.arena_slots.len() * (UNIT as usize) < grown {
                self.arena_slots.push(self.account.take_slots(UNIT).ok()?);
            }
            self.account.promise(grown - self.arena_pages).ok()?;
            self.arena_pages = grown;
        }
        let taken = mem::replace(&mut self.arena_taken, self.arena_pages);
        let range = self.arena + taken * PAGE..self.arena + self.arena_pages * PAGE;
        Some((range.start, range.len()))
    }

    /// Whether no part of a range of the memory is or was a window; all of it is there then.
    pub fn is_private(&mut self, address: usize, len: usize) -> bool {
        let end = address.saturating_add(len);
        let pages = self.pages.get(address / WASM_PAGE..end.div_ceil(WASM_PAGE));
        if !pages.is_some_and(|pages| pages.iter().all(|page| matches!(page, Page::Own(_)))) {
            return false;
        }
        let first = (self.memory + address) & !(PAGE - 1);
        (first..self.memory + end)
            .step_by(PAGE)
            .all(|page| self.touch(page))
    }

    /// Where a page of the linear memory is for devices; none: they may not use it, or not so. It is there
    /// afterwards, and stays until it is unmapped as a window or the memory is closed.
    pub fn physical(&mut self, address: usize, write: bool) -> Option<u64> {
        let (index, inside) = (address / WASM_PAGE, address % WASM_PAGE / PAGE);
        let (slots, is_own) = match *self.pages.get(index)? {
            Page::Own(slots) => (slots, true),
            Page::Window { write: false, .. } if write => return None,
            Page::Window { slots, .. } => (slots, false),
            Page::Hole { .. } => return None,
        };
        if let Some(physical) = self.frames.get(index, inside) {
            return Some(physical);
        }
        let slot = slots + inside as u64;
        if is_own && !self.commit(slot, self.memory + (address & !(PAGE - 1))) {
            return None;
        }
        let physical = cap::Granule::from_bits(slot).frame_get_address().ok()? as u64;
        self.frames.set(index, inside, physical);
        Some(physical)
    }

    fn ensure_tables(&mut self, end: usize) -> Result<(), Failure> {
        Self::ensure(&mut self.account, &mut self.tables_to, end)
    }

    /// Has page tables there for views up to this address.
    pub fn ensure_view_tables(&mut self, end: usize) -> Result<(), Failure> {
        Self::ensure(&mut self.account, &mut self.view_tables_to, end)
    }

    /// Has page tables there up to `end`.
    pub fn ensure(account: &mut Account, to: &mut usize, end: usize) -> Result<(), Failure> {
        while *to < end {
            for level in [TableLevel::Directory, TableLevel::Table] {
                if to.is_multiple_of(level.covers()) {
                    vspace::map_table(account.make(level.blueprint())?, level, *to)?;
                }
            }
            *to += TableLevel::Table.covers();
        }
        Ok(())
    }

    /// Promises `count` times 64 KiB; answers the first of the slots of each.
    fn promise_units(&mut self, count: usize) -> Result<Vec<u64>, Failure> {
        let pages = count * UNIT as usize;
        self.account.promise(pages)?;
        let slots: Result<Vec<_>, _> = (0..count).map(|_| self.account.take_slots(UNIT)).collect();
        slots.inspect_err(|_| self.account.take_back_promise(pages))
    }

    /// Frames for a region.
    pub fn take_chunks(&mut self, count: usize) -> Result<Vec<Chunk>, Failure> {
        let fresh = count.saturating_sub(self.kept.len());
        // Before anything is made that would have to be given back.
        if fresh * UNIT as usize > self.account.pages() {
            return Err(Failure::NoMemory("the pages"));
        }
        let mut chunks = self.kept.split_off(self.kept.len() - (count - fresh));
        for _ in 0..fresh {
            let slots = self.account.take_slots(UNIT);
            match slots.and_then(|slots| {
                self.account.make_frames(slots, UNIT as usize)?;
                Ok(slots)
            }) {
                Ok(slots) => chunks.push(Chunk::new(slots)),
                Err(failure) => {
                    self.kept.append(&mut chunks);
                    return Err(failure);
                }
            }
        }
        Ok(chunks)
    }

    /// Maps frames, so many times 64 KiB, where there is room for code; answers where.
    pub fn take_code(&mut self, count: usize) -> Result<(usize, Vec<Chunk>), Failure> {
        if !self.account.is_open() {
            return Err(Failure::NoMemory("the module"));
        }
        let start = self.code.take(count * WASM_PAGE)?;
        let made = self
            .code
            .ensure_tables(&mut self.account, start + count * WASM_PAGE)
            .and_then(|()| self.take_chunks(count));
        let mut chunks = made.inspect_err(|_| self.code.give_up(start))?;
        let mapped = chunks.iter().enumerate().try_for_each(|(i, chunk)| {
            chunk.unmap();
            chunk.map(start + i * WASM_PAGE)
        });
        match mapped {
            Ok(()) => Ok((start, chunks)),
            Err(failure) => {
                chunks.iter().for_each(Chunk::unmap);
                self.kept.append(&mut chunks);
                self.code.give_up(start);
                Err(failure)
            }
        }
    }

    /// Keeps frames that a region gave back.
    pub fn keep(&mut self, chunk: Chunk) {
        self.kept.push(chunk);
    }

    /// Grows the memory by so many wasm pages, zeroed.
    pub fn grow_by_own(&mut self, count: usize) -> Result<(), Failure> {
        let old = self.memory + self.pages.len() * WASM_PAGE;
        // The budget is asked before any page table is made that a growth beyond it would be left with.
        let fresh = count.saturating_sub(self.kept.len());
        let slots = self.promise_units(fresh)?;
        if let Err(failure) = self.ensure_tables(old + count * WASM_PAGE) {
            self.account.take_back_promise(fresh * UNIT as usize);
            return Err(failure);
        }
        let kept = self.kept.split_off(self.kept.len() - (count - fresh));
        for (i, chunk) in kept.iter().enumerate() {
            chunk.unmap();
            chunk.map(old + i * WASM_PAGE)?;
        }
        self.pages
            .extend(kept.iter().map(|chunk| Page::Own(chunk.slots())));
        self.pages.extend(slots.into_iter().map(Page::Own));
        Ok(())
    }

    /// Grows the memory by a window onto a region.
    pub fn grow_by_window(&mut self, region: &Region, write: bool) -> Result<(), Failure> {
        if self.spare.is_none() {
            self.spare = Some(self.account.make(frame())?);
        }
        let (first, count) = (self.pages.len(), region.bytes() / WASM_PAGE);
        self.ensure_tables(self.memory + first * WASM_PAGE + region.bytes())?;
        for _ in 0..count {
            match self.account.take_own_slots(UNIT) {
                Ok(slots) => self.pages.push(Page::Hole { slots, clean: true }),
                Err(failure) => {
                    self.pages.truncate(first);
                    return Err(failure);
                }
            }
        }
        if self.map_window(first, region, write) {
            return Ok(());
        }
        self.pages.truncate(first);
        Err(Failure::Refused("the region's frames, which are gone"))
    }

    /// Maps a region where windows of its size were; answers the first wasm page.
    pub fn reuse(&mut self, region: &Region, write: bool) -> Option<usize> {
        let count = region.bytes() / WASM_PAGE;
        let at = self.holes.iter().position(|hole| hole.1 == count)?;
        let (first, _) = self.holes.swap_remove(at);
        if self.map_window(first, region, write) {
            Some(first)
        } else {
            self.holes.push((first, count));
            None
        }
    }

    /// Turns a window into a hole, which shows zeros. `scratch` is where a page can be mapped for a while.
    pub fn unmap(&mut self, first: usize, count: usize, scratch: usize) {
        self.clear(first, count);
        self.lost.push((first, count));
        if let Some(spare) = self.spare.filter(|_| self.spare_is_used) {
            self.spare_is_used = false;
            // Cannot fail: it is a frame. Other holes lose it, and get it again when they are touched.
            let _ = cspace::path(spare).revoke();
            if map_own(spare, scratch).is_ok() {
                // SAFETY: mapped there, and nobody else's: scratch is used under the lock.
                unsafe { access::zero(scratch, PAGE) };
                // Cannot fail: it is a frame.
                let _ = cap::Granule::from_bits(spare).frame_unmap();
            }
        }
    }

    /// Where a window was taken away, another may be from now on; answers whether there was one.
    pub fn give_up(&mut self, first: usize) -> bool {
        let found = self.lost.iter().position(|hole| hole.0 == first);
        if let Some(at) = found {
            let hole = self.lost.swap_remove(at);
            self.holes.push(hole);
        }
        found.is_some()
    }

    /// Maps a region into holes; or does not, and they are holes as before.
    fn map_window(&mut self, first: usize, region: &Region, write: bool) -> bool {
        self.clear(first, region.bytes() / WASM_PAGE);
        let address = self.memory + first * WASM_PAGE;
        let rights = if write {
            CapRights::read_write()
        } else {
            CapRights::read_only()
        };
        for (i, chunk) in region.chunks().iter().enumerate() {
            let Some(page) = self.pages.get_mut(first + i) else {
                return false;
            };
            let (Page::Hole { slots, .. } | Page::Window { slots, .. }) = *page else {
                return false;
            };
            *page = Page::Window { slots, write };
            let mapped = (0..UNIT).try_for_each(|j| {
                cspace::path(slots + j).copy(&cspace::path(chunk.slots() + j), rights)?;
                vspace::map(
                    slots + j,
                    address + i * WASM_PAGE + j as usize * PAGE,
                    rights,
                )
            });
            if mapped.is_err() {
                self.clear(first, i + 1);
                return false;
            }
        }
        true
    }

    /// Turns windows into holes, and holes into ones that nothing is mapped in.
    fn clear(&mut self, first: usize, count: usize) {
        for (i, page) in self.pages.iter_mut().enumerate().skip(first).take(count) {
            let (Page::Window { slots, .. }
            | Page::Hole {
                slots,
                clean: false,
            }) = *page
            else {
                continue;
            };
            for slot in slots..slots + UNIT {
                // Cannot fail: deleting is always possible, from an empty slot, too.
                let _ = cspace::path(slot).delete();
            }
            self.frames.forget(i);
            *page = Page::Hole { slots, clean: true };
        }
    }
}

/// Maps a frame of the guest's own; its page tables are there.
pub fn map_own(slot: u64, page: usize) -> Result<(), Failure> {
    vspace::map(slot, page, CapRights::read_write()).map_err(|_| Failure::Refused("a page"))
}
