// SPDX-License-Identifier: BSD-2-Clause
//! The address space of one guest inside the server's: stack, linear memory, windows, and the
//! server's own view of the regions that the guest made.
//!
//! Each guest has a [`Place`], which is laid out like this:
//!
//! | from | what |
//! |---|---|
//! | 0 | unmapped |
//! | [`SCRATCH`] | frames that are being zeroed |
//! | [`ARENA`] | the guest's own heap, as far as it has grown |
//! | unmapped page | |
//! | [`STACK`] | stack; at its end thread-local storage and the IPC buffer, in the same page |
//! | unmapped page | |
//! | next MiB | linear memory: 4 GiB and a guard of 32 MiB, as far as it has grown |
//! | [`VIEWS`] | regions, as far as the server has read or written them |
//! | [`CODE`] | the modules that the guest has loaded |
//!
//! Arena, stack and linear memory are promised by the budget, and made page by page as they are
//! touched: the fault thread maps a page that is not there yet. What every guest touches before it
//! runs is there from the start.

use alloc::{sync::Arc, vec::Vec};
use core::{
    alloc::Layout,
    ops::ControlFlow,
    sync::atomic::{AtomicUsize, Ordering},
};

use lock_api::Mutex;
use sel4::{ObjectBlueprint, cap};
use wasm_server_core::platform::{BadAddress, Extent, Failure, MemoryUsage};

use crate::{
    access,
    account::{Account, PAGE, UNIT},
    arena::Spills,
    device::Pair,
    lock::{SpaceLock, SpillLock},
    pages::{self, Pages},
    place::{CODE, Place, SPAN},
    region::{Chunk, Region},
};

/// Offset of a page of wasm that is mapped to be zeroed.
const SCRATCH: usize = PAGE;
/// Offset of the guest's own heap.
const ARENA: usize = 128 << 10;
/// Bytes of it at most.
pub const ARENA_BYTES: usize = 512 << 10;
/// Offset of the stack; the page before is its guard.
const STACK: usize = ARENA + ARENA_BYTES + PAGE;
/// Pages at the stack's end and at the arena's start that are there from the start: what a guest uses
/// until its first instruction.
const FIRST_PAGES: (usize, usize) = (2, 2);
/// Linear memories start at a multiple of this.
const MEMORY_ALIGN: usize = 1 << 20;
/// Offset of the views; what is before holds the largest stack and memory.
const VIEWS: usize = 6 << 30;
/// Bytes of stack at most.
const MAX_STACK: usize = 1 << 30;

/// Bytes of a page of wasm: what memories grow by, and regions consist of. Its frames' capabilities are
/// in a unit of slots.
pub const WASM_PAGE: usize = PAGE * UNIT as usize;

/// See the module.
pub struct Space {
    number: u64,
    start: usize,
    /// The last page of the stack.
    control: usize,
    memory: usize,
    /// Bytes of linear memory; all of them are mapped, promised, or holes.
    size: AtomicUsize,
    inner: Mutex<SpaceLock, Inner>,
    /// What the arena had no room for, on the server's heap.
    spills: Mutex<SpillLock, Spills>,
}

struct Inner {
    /// What is mapped, and the budget.
    pages: Pages,
    /// Given back when everything made for the guest is.
    place: Option<Place>,
    /// Where the next view is.
    next_view: usize,
    /// Pages of virtqueues that are used no more.
    queue_pages: Vec<Pair>,
}

impl Space {
    /// Makes the address space of a guest with `stack` bytes of stack, in a place of its own.
    /// Everything comes from `account`.
    pub fn new(place: Place, account: Account, stack: usize) -> Result<Self, Failure> {
        if stack > MAX_STACK {
            return Err(Failure::Refused("a stack of that size"));
        }
        let (number, start) = (place.number(), place.start());
        // The last page has the IPC buffer and thread-local storage, too.
        let end = start + STACK + (stack + PAGE).next_multiple_of(PAGE);
        let memory = start + (end - start + PAGE).next_multiple_of(MEMORY_ALIGN);
        let layout = pages::Layout {
            start,
            arena: start + ARENA,
            stack: start + STACK..end,
            memory,
            views: start + VIEWS,
            code: start + CODE,
        };
        let pages = Pages::new(account, &layout, FIRST_PAGES)?;
        Ok(Self {
            number,
            start,
            control: end - PAGE,
            memory,
            size: AtomicUsize::new(0),
            inner: Mutex::new(Inner {
                pages,
                place: Some(place),
                next_view: start + VIEWS,
                queue_pages: Vec::new(),
            }),
            spills: Mutex::new(Spills::default()),
        })
    }

    /// The guest's number, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// Takes back everything that was made for it; its addresses are free for another guest.
    pub fn close(&self) {
        let mut inner = self.inner.lock();
        inner.pages.close();
        inner.queue_pages.clear();
        inner.place = None;
        drop(inner);
        *self.spills.lock() = Spills::default();
    }

    /// The address of the page with thread-local storage and IPC buffer, and the capability of its
    /// frame.
    pub fn control(&self) -> (usize, cap::Granule) {
        let frame = self.inner.lock().pages.last_of_stack();
        (self.control, cap::Granule::from_bits(frame))
    }

    /// First address of the guest's own heap.
    pub fn arena(&self) -> usize {
        self.start + ARENA
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
        inner.pages.account.usage(inner.pages.kept())
    }

    /// Makes one kernel object; answers its capability pointer.
    pub fn make(&self, blueprint: ObjectBlueprint) -> Result<u64, Failure> {
        self.inner.lock().pages.account.make(blueprint)
    }

    /// The same in this slot, which is empty.
    pub fn make_at(&self, blueprint: ObjectBlueprint, slot: u64) -> Result<(), Failure> {
        self.inner.lock().pages.account.make_at(blueprint, slot)
    }

    /// An untyped of `1 << bits` bytes for a child.
    pub fn lend(&self, bits: usize) -> Result<cap::Untyped, Failure> {
        self.inner.lock().pages.account.lend(bits)
    }

    /// A child's untyped is back, with nothing left of what was made of it.
    pub fn take_back(&self, untyped: cap::Untyped) {
        self.inner.lock().pages.account.take_back(untyped);
    }

    /// Frames for a region.
    pub fn take_chunks(&self, count: usize) -> Result<Vec<Chunk>, Failure> {
        self.inner.lock().pages.take_chunks(count)
    }

    /// Keeps the frames of a region that is gone, for the next one or for the memory.
    pub fn keep(&self, chunks: impl Iterator<Item = Chunk>) {
        let mut inner = self.inner.lock();
        if !inner.pages.account.is_open() {
            return;
        }
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
            inner.pages.keep(chunk);
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
        if !inner.pages.account.is_open() || view + WASM_PAGE > self.start + CODE {
            return Err(Failure::Exhausted("addresses for its view of a region"));
        }
        inner.pages.ensure_view_tables(view + WASM_PAGE)?;
        chunk.map(view)?;
        inner.next_view += WASM_PAGE;
        Ok(view)
    }

    /// Frames for a module, mapped one after the other at addresses of their own; answers the first.
    pub fn take_code(&self, count: usize) -> Result<(usize, Vec<Chunk>), Failure> {
        self.inner.lock().pages.take_code(count)
    }

    /// Takes them back; nobody uses what is there.
    pub fn keep_code(&self, start: usize, chunks: Vec<Chunk>) {
        if !self.inner.lock().pages.account.is_open() {
            return;
        }
        chunks.iter().for_each(Chunk::unmap);
        self.keep(chunks.into_iter());
        // Not before: then another may be mapped there.
        self.inner.lock().pages.code.give_up(start);
    }

    /// See [`wasm_server_core::platform::Home::stage`].
    pub fn stage(&self, region: Option<(&Arc<Region>, bool)>) {
        self.inner.lock().pages.staged = region.map(|(region, write)| (region.clone(), write));
    }

    /// Grows the linear memory to this many bytes: by the staged region, or by fresh frames.
    pub fn grow_to(&self, size: usize) -> Result<(), Failure> {
        let mut inner = self.inner.lock();
        let bytes = size
            .checked_sub(self.size())
            .filter(|bytes| bytes.is_multiple_of(WASM_PAGE))
            .ok_or(Failure::Refused("a memory of that size"))?;
        match inner.pages.staged.take() {
            Some((region, write)) if region.bytes() == bytes => {
                inner.pages.grow_by_window(&region, write)?;
            }
            Some(_) => return Err(Failure::Refused("a window of another size")),
            None => inner.pages.grow_by_own(bytes / WASM_PAGE)?,
        }
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// See [`wasm_server_core::platform::Home::reuse`].
    pub fn reuse(&self, region: &Region, write: bool) -> Option<usize> {
        let first = self.inner.lock().pages.reuse(region, write)?;
        Some(first * WASM_PAGE)
    }

    /// Whether a range is inside the linear memory and in no part of it is or was a window. Its pages are
    /// there afterwards.
    pub fn is_private(&self, address: usize, len: usize) -> bool {
        self.inner.lock().pages.is_private(address, len)
    }

    /// Takes a window's frames away.
    pub fn unmap(&self, address: usize, bytes: usize) {
        let (first, count) = (address / WASM_PAGE, bytes / WASM_PAGE);
        let scratch = self.start + SCRATCH;
        self.inner.lock().pages.unmap(first, count, scratch);
    }

    /// See [`wasm_server_core::platform::Home::give_up`].
    pub fn give_up(&self, address: usize) -> bool {
        address.is_multiple_of(WASM_PAGE) && self.inner.lock().pages.give_up(address / WASM_PAGE)
    }

    /// A fault at this address of the server: if a page is to be there that was not touched yet, it is
    /// there afterwards, and the instruction can be tried again.
    pub fn touch(&self, address: usize) -> bool {
        self.inner.lock().pages.touch(address)
    }

    /// See [`wasm_server_core::platform::Home::translate`].
    pub fn translate(
        &self,
        address: u32,
        len: u32,
        write: bool,
        mut each: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), BadAddress> {
        let (mut at, end) = (address as usize, address as usize + len as usize);
        if end > self.size() {
            return Err(BadAddress);
        }
        let mut inner = self.inner.lock();
        let mut last: Option<Extent> = None;
        while at < end {
            let len = (PAGE - at % PAGE).min(end - at);
            let page = inner.pages.physical(at, write).ok_or(BadAddress)?;
            let next = Extent {
                physical: page + (at % PAGE) as u64,
                len: len as u32,
            };
            last = match last {
                Some(last) if last.physical + u64::from(last.len) == next.physical => {
                    Some(Extent {
                        len: last.len + next.len,
                        ..last
                    })
                }
                Some(whole) if each(whole).is_break() => return Ok(()),
                _ => Some(next),
            };
            at += len;
        }
        if let Some(last) = last {
            let _ = each(last);
        }
        Ok(())
    }

    /// Two pages that the server sees and the guest does not, which are there until the space is closed. What
    /// is in them is what was there before.
    pub fn take_queue_pages(&self) -> Result<Pair, Failure> {
        let mut inner = self.inner.lock();
        if let Some(pair) = inner.queue_pages.pop() {
            return Ok(pair);
        }
        let start = inner.next_view;
        if start + WASM_PAGE > self.start + CODE {
            return Err(Failure::Exhausted("addresses for a virtqueue"));
        }
        let slots = inner.pages.account.take_slots(2)?;
        inner.pages.account.make_frames(slots, 2)?;
        inner.pages.ensure_view_tables(start + WASM_PAGE)?;
        pages::map_own(slots, start)?;
        pages::map_own(slots + 1, start + PAGE)?;
        inner.next_view += WASM_PAGE;
        Ok(Pair { start, slots })
    }

    /// Keeps them for the next queue.
    pub fn keep_queue_pages(&self, pair: Pair) {
        let mut inner = self.inner.lock();
        if inner.pages.account.is_open() {
            inner.queue_pages.push(pair);
        }
    }

    /// Grows the arena by at least so many bytes; answers where, and by how many.
    pub fn grow_arena(&self, bytes: usize) -> Option<(usize, usize)> {
        self.inner.lock().pages.grow_arena(bytes)
    }

    /// See [`Spills::allocate`].
    pub fn spill(&self, layout: Layout) -> *mut u8 {
        self.spills.lock().allocate(layout)
    }

    /// See [`Spills::contains`].
    pub fn is_spill(&self, pointer: *mut u8) -> bool {
        self.spills.lock().contains(pointer)
    }

    /// See [`Spills::release`].
    pub fn take_spill(&self, pointer: *mut u8) -> bool {
        self.spills.lock().release(pointer)
    }
}
