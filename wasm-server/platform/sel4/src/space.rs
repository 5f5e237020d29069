// SPDX-License-Identifier: BSD-2-Clause
//! The address space of one guest inside the server's: stack, linear memory, windows, and the
//! server's own view of the regions that the guest made.
//!
//! Each guest has [`SPAN`] bytes of addresses, with page tables of its own below the first level:
//!
//! | from | what |
//! |---|---|
//! | 0 | unmapped |
//! | [`CONTROL`] | one page: IPC buffer, then thread-local storage |
//! | [`SCRATCH`] | frames that are being zeroed |
//! | [`STACK`] | stack |
//! | unmapped page | |
//! | next MiB | linear memory: 4 GiB and a guard of 32 MiB, mapped as far as it has grown |
//! | [`VIEWS`] | regions, as far as the server has read or written them |

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};

use lock_api::Mutex;
use sel4::{CapRights, ObjectBlueprint, cap};
use wasm_server_core::platform::{Failure, MemoryUsage};

use crate::{
    access,
    account::{Account, PAGE, UNIT, frame},
    cspace,
    lock::WordLock,
    region::{Chunk, Region},
    vspace::{self, TableLevel},
};

/// Bytes of addresses of one guest.
pub const SPAN: usize = 8 << 30;
/// Offset of the page with IPC buffer and thread-local storage.
const CONTROL: usize = PAGE;
/// Offset of a page of wasm that is mapped to be zeroed.
const SCRATCH: usize = 2 * PAGE;
/// Offset of the stack; the page before is its guard.
const STACK: usize = SCRATCH + WASM_PAGE + PAGE;
/// Linear memories start at a multiple of this.
const MEMORY_ALIGN: usize = 1 << 20;
/// Offset of the views; what is before holds the largest stack and memory.
const VIEWS: usize = 6 << 30;
/// Bytes of stack at most.
const MAX_STACK: usize = 1 << 30;
/// First address of the first guest; a multiple of what one top-level entry covers, so that no page
/// table is shared with what the root task mapped.
const FIRST: usize = 512 << 30;

/// Bytes of a page of wasm: what memories grow by, and regions consist of. Its frames' capabilities are
/// in a unit of slots.
pub const WASM_PAGE: usize = PAGE * UNIT as usize;

/// See the module.
pub struct Space {
    number: u64,
    start: usize,
    stack_top: usize,
    memory: usize,
    /// Bytes of linear memory; all of them are mapped, or holes.
    size: AtomicUsize,
    inner: Mutex<WordLock, Inner>,
}

struct Inner {
    account: Account,
    /// Page tables reach from the start to here, and from [`VIEWS`] to there.
    tables_to: usize,
    view_tables_to: usize,
    /// The linear memory, by wasm pages.
    pages: Vec<Page>,
    /// What the next growth of the memory is, if not fresh frames.
    staged: Option<(Arc<Region>, bool)>,
    /// Where windows were and no other is: the first wasm page, and how many.
    holes: Vec<(usize, usize)>,
    /// The private page that holes show; made with the first window, so that it is always there.
    spare: Option<u64>,
    /// Frames that a region gave back, zeroed.
    kept: Vec<Chunk>,
    /// Where the next view is.
    next_view: usize,
}

/// What a page of the linear memory is, each with the first of its slots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Page {
    /// The guest's own.
    Own,
    /// A window, whose slots hold copies of a region's frames.
    Window(u64),
    /// It was a window. Its slots hold copies of the spare frame, as far as they were touched, and are
    /// empty if it is `clean`.
    Hole { slots: u64, clean: bool },
}

impl Space {
    /// Makes the address space of a guest with `stack` bytes of stack, mapped. Everything comes from
    /// `account`; page tables that guests share come from `pool`.
    pub fn new(pool: cap::Untyped, account: Account, stack: usize) -> Result<Self, Failure> {
        if stack > MAX_STACK {
            return Err(Failure::Refused("a stack of that size"));
        }
        let number = account.number();
        let start = FIRST + (number as usize - 1) * SPAN;
        let stack = stack.next_multiple_of(PAGE);
        let memory = start + (STACK + stack + PAGE).next_multiple_of(MEMORY_ALIGN);
        let space = Self {
            number,
            start,
            stack_top: start + STACK + stack,
            memory,
            size: AtomicUsize::new(0),
            inner: Mutex::new(Inner {
                account,
                tables_to: start,
                view_tables_to: start + VIEWS,
                pages: Vec::new(),
                staged: None,
                holes: Vec::new(),
                spare: None,
                kept: Vec::new(),
                next_view: start + VIEWS,
            }),
        };
        vspace::cover(pool, start)?;
        let mut inner = space.inner.lock();
        inner.ensure_tables(memory)?;
        for page in (start + STACK..space.stack_top).step_by(PAGE) {
            inner.map_fresh(page)?;
        }
        drop(inner);
        Ok(space)
    }

    /// The guest's number, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Takes back everything that was made for it; its addresses are free for another guest.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.pages.clear();
        inner.holes.clear();
        inner.kept.clear();
        inner.spare = None;
        inner.account.close();
    }

    /// Maps the page with IPC buffer and thread-local storage; answers its address and the capability
    /// of its frame. Once.
    pub fn make_control(&self) -> Result<(usize, cap::Granule), Failure> {
        let control = self.control();
        let frame = self.inner.lock().map_fresh(control)?;
        Ok((control, cap::Granule::from_bits(frame)))
    }

    /// The address of the page with IPC buffer and thread-local storage.
    pub fn control(&self) -> usize {
        self.start + CONTROL
    }

    /// End of the stack.
    pub fn stack_top(&self) -> usize {
        self.stack_top
    }

    /// First address of the linear memory.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Bytes of the linear memory.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    /// Whether an address of the server belongs to this guest.
    pub fn contains(&self, address: usize) -> bool {
        (self.start..self.start + SPAN).contains(&address)
    }

    /// What of the budget is spent.
    pub fn usage(&self) -> MemoryUsage {
        let inner = self.inner.lock();
        inner.account.usage(inner.kept.len() * UNIT as usize)
    }

    /// Makes one kernel object; answers its capability pointer.
    pub fn make(&self, blueprint: ObjectBlueprint) -> Result<u64, Failure> {
        self.inner.lock().account.make(blueprint)
    }

    /// An empty slot.
    pub fn slot(&self) -> Result<u64, Failure> {
        self.inner.lock().account.take_slots(1)
    }

    /// An untyped of `1 << bits` bytes for a child.
    pub fn lend(&self, bits: usize) -> Result<cap::Untyped, Failure> {
        self.inner.lock().account.lend(bits)
    }

    /// A child's untyped is back, with nothing left of what was made of it.
    pub fn take_back(&self, untyped: cap::Untyped) {
        self.inner.lock().account.take_back(untyped);
    }

    /// Frames for a region.
    pub fn take_chunks(&self, count: usize) -> Result<Vec<Chunk>, Failure> {
        let mut inner = self.inner.lock();
        inner.take_chunks(count)
    }

    /// Keeps the frames of a region that is gone, for the next one or for the memory.
    pub fn keep(&self, chunks: impl Iterator<Item = Chunk>) {
        let mut inner = self.inner.lock();
        for chunk in chunks {
            chunk.revoke();
            let view = chunk.view();
            let scratch = view.is_none().then_some(self.start + SCRATCH);
            // Fails only for frames that are gone.
            if let Some(Err(_)) = scratch.map(|scratch| chunk.map(scratch)) {
                continue;
            }
            if let Some(address) = view.or(scratch) {
                // SAFETY: mapped there, and nobody else's: scratch is used under the lock.
                unsafe { access::zero(address, WASM_PAGE) };
            }
            if scratch.is_some() {
                chunk.unmap();
            }
            inner.kept.push(chunk);
        }
    }

    /// The address at which the server sees a region's chunk.
    pub fn view(&self, chunk: &Chunk) -> Result<usize, Failure> {
        let mut inner = self.inner.lock();
        // Somebody else may have made it meanwhile.
        if let Some(view) = chunk.view() {
            return Ok(view);
        }
        let view = inner.next_view;
        if view + WASM_PAGE > self.start + SPAN {
            return Err(Failure::Exhausted("addresses for its view of a region"));
        }
        inner.ensure_view_tables(view + WASM_PAGE)?;
        chunk.map(view)?;
        inner.next_view += WASM_PAGE;
        Ok(view)
    }

    /// See [`wasm_server_core::platform::Home::stage`].
    pub fn stage(&self, region: Option<(&Arc<Region>, bool)>) {
        self.inner.lock().staged = region.map(|(region, write)| (region.clone(), write));
    }

    /// Grows the linear memory to this many bytes: by the staged region, or by fresh frames.
    pub fn grow_to(&self, size: usize) -> Result<(), Failure> {
        let mut inner = self.inner.lock();
        let old = self.size();
        let bytes = size
            .checked_sub(old)
            .filter(|bytes| bytes.is_multiple_of(WASM_PAGE))
            .ok_or(Failure::Refused("a memory of that size"))?;
        match inner.staged.take() {
            Some((region, write)) if region.bytes() == bytes => {
                inner.grow_by_window(self.memory + old, &region, write)?;
            }
            Some(_) => return Err(Failure::Refused("a window of another size")),
            None => inner.grow_by_own(self.memory + old, bytes / WASM_PAGE)?,
        }
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// See [`wasm_server_core::platform::Home::reuse`].
    pub fn reuse(&self, region: &Region, write: bool) -> Option<usize> {
        let mut inner = self.inner.lock();
        let count = region.bytes() / WASM_PAGE;
        let at = inner.holes.iter().position(|hole| hole.1 == count)?;
        let (first, _) = inner.holes.swap_remove(at);
        let address = first * WASM_PAGE;
        if inner.map_window(self.memory + address, first, region, write) {
            Some(address)
        } else {
            inner.holes.push((first, count));
            None
        }
    }

    /// See [`wasm_server_core::platform::Home::is_private`].
    pub fn is_private(&self, address: usize, len: usize) -> bool {
        let end = address.saturating_add(len);
        let inner = self.inner.lock();
        inner
            .pages
            .get(address / WASM_PAGE..end.div_ceil(WASM_PAGE))
            .is_some_and(|pages| pages.iter().all(|page| *page == Page::Own))
    }

    /// Takes a window's frames away.
    pub fn unmap(&self, address: usize, bytes: usize) {
        let (first, count) = (address / WASM_PAGE, bytes / WASM_PAGE);
        let mut inner = self.inner.lock();
        inner.clear(first, count);
        inner.holes.push((first, count));
    }

    /// A fault at this address of the server: if it is a page of a hole, the spare page is there
    /// afterwards, and the instruction can be tried again.
    pub fn fill_hole(&self, address: usize) -> bool {
        let Some(offset) = address.checked_sub(self.memory) else {
            return false;
        };
        let mut inner = self.inner.lock();
        let spare = inner.spare;
        let (Some(Page::Hole { slots, clean }), Some(spare)) =
            (inner.pages.get_mut(offset / WASM_PAGE), spare)
        else {
            return false;
        };
        let cptr = *slots + (offset % WASM_PAGE / PAGE) as u64;
        *clean = false;
        cspace::path(cptr)
            .copy(&cspace::path(spare), CapRights::read_write())
            .and_then(|()| vspace::map(cptr, address & !(PAGE - 1), CapRights::read_write()))
            .is_ok()
    }
}

impl Inner {
    fn ensure_tables(&mut self, end: usize) -> Result<(), Failure> {
        Self::ensure(&mut self.account, &mut self.tables_to, end)
    }

    fn ensure_view_tables(&mut self, end: usize) -> Result<(), Failure> {
        Self::ensure(&mut self.account, &mut self.view_tables_to, end)
    }

    /// Has page tables there from a multiple of what the largest covers to `end`.
    fn ensure(account: &mut Account, to: &mut usize, end: usize) -> Result<(), Failure> {
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

    /// Maps a fresh page; its page tables are there.
    fn map_fresh(&mut self, address: usize) -> Result<u64, Failure> {
        let cptr = self.account.make(frame())?;
        vspace::map(cptr, address, CapRights::read_write())
            .map_err(|_| Failure::Refused("a page"))?;
        Ok(cptr)
    }

    fn take_chunks(&mut self, count: usize) -> Result<Vec<Chunk>, Failure> {
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

    fn grow_by_own(&mut self, address: usize, count: usize) -> Result<(), Failure> {
        // Before any page table is made that a growth beyond the budget would be left with.
        if count > self.kept.len() + self.account.pages() / UNIT as usize {
            return Err(Failure::NoMemory("the pages"));
        }
        self.ensure_tables(address + count * WASM_PAGE)?;
        let chunks = self.take_chunks(count)?;
        for (i, chunk) in chunks.iter().enumerate() {
            chunk.unmap();
            chunk.map(address + i * WASM_PAGE)?;
        }
        self.pages.extend(chunks.iter().map(|_| Page::Own));
        Ok(())
    }

    fn grow_by_window(
        &mut self,
        address: usize,
        region: &Region,
        write: bool,
    ) -> Result<(), Failure> {
        if self.spare.is_none() {
            self.spare = Some(self.account.make(frame())?);
        }
        self.ensure_tables(address + region.bytes())?;
        let (first, count) = (self.pages.len(), region.bytes() / WASM_PAGE);
        for _ in 0..count {
            match self.account.take_slots(UNIT) {
                Ok(slots) => self.pages.push(Page::Hole { slots, clean: true }),
                Err(failure) => {
                    self.pages.truncate(first);
                    return Err(failure);
                }
            }
        }
        if self.map_window(address, first, region, write) {
            return Ok(());
        }
        self.pages.truncate(first);
        Err(Failure::Refused("the region's frames, which are gone"))
    }

    /// Maps a region into holes; or does not, and they are holes as before.
    fn map_window(&mut self, address: usize, first: usize, region: &Region, write: bool) -> bool {
        self.clear(first, region.bytes() / WASM_PAGE);
        let rights = if write {
            CapRights::read_write()
        } else {
            CapRights::read_only()
        };
        for (i, chunk) in region.chunks().iter().enumerate() {
            let Some(page) = self.pages.get_mut(first + i) else {
                return false;
            };
            let (Page::Hole { slots, .. } | Page::Window(slots)) = *page else {
                return false;
            };
            *page = Page::Window(slots);
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
        for page in self.pages.iter_mut().skip(first).take(count) {
            let (Page::Window(slots)
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
            *page = Page::Hole { slots, clean: true };
        }
    }
}
