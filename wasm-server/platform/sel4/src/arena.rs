// SPDX-License-Identifier: BSD-2-Clause
//! The heap of one guest: what wasmtime allocates for it, in the guest's own memory.
//!
//! A guest's thread allocates here while it is charged. The heap lies in the guest's part of the
//! address space, and what it is managed with in the thread's own storage: only that thread uses it,
//! without a lock, and it needs no end of its own, because the guest's memory is taken back whole.
//!
//! What the budget does not cover is spilled: it comes from the server's heap, up to
//! 64 KiB, and is freed at the guest's end if not before. Beyond that an allocation fails.
//! wasmtime takes that as the failure of a growth or of an instantiation; what it cannot do without,
//! the report of a trap above all, is smaller than the limit.

use alloc::vec::Vec;
use core::{
    alloc::Layout,
    cell::{Cell, RefCell},
    ptr,
};

use dlmalloc::Dlmalloc;

use crate::{account::PAGE, heap, home, place::Place, space::ARENA_BYTES};

/// Bytes of the server's heap that stand in for the budget of one guest.
const SPILL_BYTES: usize = 64 << 10;
/// Blocks in these at most.
const SPILL_BLOCKS: usize = 512;

/// Whether allocations of this thread are the guest's.
#[thread_local]
static CHARGED: Cell<bool> = Cell::new(false);
/// First address of the arena of the guest that runs on this thread.
#[thread_local]
static START: Cell<usize> = Cell::new(0);
/// Blocks of this guest on the server's heap.
#[thread_local]
static SPILLED: Cell<usize> = Cell::new(0);
#[thread_local]
static ARENA: RefCell<Dlmalloc<Growth>> = RefCell::new({
    let mut arena = Dlmalloc::new_with_allocator(Growth);
    // It asks for no more than it needs: pages that it only marks the end of would be made for that.
    assert!(arena.set_granularity(PAGE));
    arena
});

/// Where the arena grows: the guest's address space.
struct Growth;

// SAFETY: what it hands out is the next part of the guest's arena, which is mapped read-write as it is
// touched, zeroed, nobody else's, and there for as long as the guest's thread.
unsafe impl dlmalloc::Allocator for Growth {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        match home::with_space(|space| space.grow_arena(size)).flatten() {
            Some((start, len)) => (ptr::with_exposed_provenance_mut(start), len, 0),
            None => (ptr::null_mut(), 0, 0),
        }
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        ptr::null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

/// The thread is that of the guest whose arena starts there.
pub fn enter(start: usize) {
    START.set(start);
}

/// Runs `f` with this thread's allocations in the guest's arena, or on the server's heap.
pub fn charge<R>(charged: bool, f: impl FnOnce() -> R) -> R {
    let before = CHARGED.replace(charged);
    let result = f();
    CHARGED.set(before);
    result
}

/// Has this thread allocate on the server's heap from here on.
pub fn leave() {
    CHARGED.set(false);
}

/// Whether allocations of this thread are the guest's.
pub fn is_charged() -> bool {
    CHARGED.get()
}

/// Allocates for the guest.
///
/// # Safety
/// As for [`core::alloc::GlobalAlloc::alloc`].
pub unsafe fn allocate(layout: Layout, zeroed: bool) -> *mut u8 {
    charge(false, || {
        let mut arena = ARENA.borrow_mut();
        let (size, align) = (layout.size(), layout.align());
        // SAFETY: the caller's promise.
        let pointer = unsafe {
            if zeroed {
                arena.calloc(size, align)
            } else {
                arena.malloc(size, align)
            }
        };
        if pointer.is_null() {
            spill(layout)
        } else {
            pointer
        }
    })
}

/// Whose memory a block is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The server's heap.
    Server,
    /// The arena of the guest that runs on this thread.
    Arena,
    /// The server's heap, for the guest that runs on this thread.
    Spill,
    /// Another guest's arena, which goes with that guest.
    Other,
}

/// Whose memory a block is that was allocated and not freed.
pub fn owner_of(pointer: *mut u8) -> Owner {
    let address = pointer.expose_provenance();
    if Place::at(address).is_none() {
        if SPILLED.get() != 0 && home::with_space(|space| space.is_spill(pointer)) == Some(true) {
            return Owner::Spill;
        }
        return Owner::Server;
    }
    if START.get() != 0 && address.wrapping_sub(START.get()) < ARENA_BYTES {
        Owner::Arena
    } else {
        Owner::Other
    }
}

/// Frees what [`owner_of`] says is this arena's.
///
/// # Safety
/// As for [`core::alloc::GlobalAlloc::dealloc`].
pub unsafe fn free(pointer: *mut u8, layout: Layout) {
    // SAFETY: the caller's promise.
    unsafe {
        ARENA
            .borrow_mut()
            .free(pointer, layout.size(), layout.align())
    }
}

/// Moves or resizes what [`owner_of`] says is this arena's; null: there is no room in the arena, and the
/// block is as it was.
///
/// # Safety
/// As for [`core::alloc::GlobalAlloc::realloc`].
pub unsafe fn reallocate(pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
    charge(false, || {
        let mut arena = ARENA.borrow_mut();
        // SAFETY: the caller's promise.
        unsafe { arena.realloc(pointer, layout.size(), layout.align(), size) }
    })
}

/// Frees what [`owner_of`] says is a spill.
pub fn free_spill(pointer: *mut u8) {
    if home::with_space(|space| space.take_spill(pointer)) == Some(true) {
        SPILLED.set(SPILLED.get() - 1);
    }
}

fn spill(layout: Layout) -> *mut u8 {
    let pointer = home::with_space(|space| space.spill(layout)).unwrap_or(ptr::null_mut());
    if !pointer.is_null() {
        SPILLED.set(SPILLED.get() + 1);
    }
    pointer
}

/// Blocks of a guest on the server's heap.
#[derive(Default)]
pub struct Spills {
    blocks: Vec<(usize, Layout)>,
    bytes: usize,
}

impl Spills {
    /// Allocates a zeroed block, if there is room.
    pub fn allocate(&mut self, layout: Layout) -> *mut u8 {
        if self.blocks.capacity() == 0 {
            // Never grows: that would free, and to free is to look here.
            self.blocks = Vec::with_capacity(SPILL_BLOCKS);
        }
        let bytes = self.bytes.saturating_add(layout.size());
        if bytes > SPILL_BYTES || self.blocks.len() == self.blocks.capacity() {
            return ptr::null_mut();
        }
        let pointer = heap::allocate_zeroed(layout);
        if !pointer.is_null() {
            self.bytes = bytes;
            self.blocks.push((pointer.expose_provenance(), layout));
        }
        pointer
    }

    /// Whether a block is one of these.
    pub fn contains(&self, pointer: *mut u8) -> bool {
        self.position(pointer).is_some()
    }

    /// Frees a block; answers whether it was one.
    pub fn release(&mut self, pointer: *mut u8) -> bool {
        let Some(at) = self.position(pointer) else {
            return false;
        };
        let (_, layout) = self.blocks.swap_remove(at);
        self.bytes -= layout.size();
        // SAFETY: `allocate` made it with this layout, and it is in the list no more.
        unsafe { heap::free(pointer, layout) };
        true
    }

    fn position(&self, pointer: *mut u8) -> Option<usize> {
        let address = pointer.expose_provenance();
        self.blocks.iter().position(|block| block.0 == address)
    }
}

/// Nobody uses them: the guest's thread has finished.
impl Drop for Spills {
    fn drop(&mut self) {
        for (address, layout) in self.blocks.drain(..) {
            // SAFETY: `allocate` made it with this layout, and it was not freed.
            unsafe { heap::free(ptr::with_exposed_provenance_mut(address), layout) };
        }
    }
}
