// SPDX-License-Identifier: BSD-2-Clause
//! The server's heap: dlmalloc over the range that the root task mapped for it.

use core::{
    alloc::{GlobalAlloc, Layout},
    ptr,
    sync::atomic::{AtomicUsize, Ordering},
};

use dlmalloc::Dlmalloc;
use lock_api::Mutex;
use wasm_handoff::Range;

use crate::{
    arena::{self, Owner},
    lock::InnerLock,
};

/// Gives the whole range away at the first request.
struct Arena {
    start: AtomicUsize,
    len: AtomicUsize,
}

// SAFETY: the one region it hands out is mapped, zeroed, read-write and nobody else's, as the root
// task promises in the handoff; it is handed out once, because taking it leaves an empty one behind.
unsafe impl dlmalloc::Allocator for Arena {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let len = self.len.load(Ordering::Relaxed);
        if size > len {
            return (ptr::null_mut(), 0, 0);
        }
        self.len.store(0, Ordering::Relaxed);
        (
            ptr::with_exposed_provenance_mut(self.start.load(Ordering::Relaxed)),
            len,
            0,
        )
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

/// Bytes of the heap.
static SIZE: AtomicUsize = AtomicUsize::new(0);
/// Bytes that were asked for and not freed.
static USED: AtomicUsize = AtomicUsize::new(0);

/// Bytes of the heap, and of these in use.
pub fn usage() -> (u64, u64) {
    let (size, used) = (SIZE.load(Ordering::Relaxed), USED.load(Ordering::Relaxed));
    (size as u64, used as u64)
}

struct Heap(Mutex<InnerLock, Dlmalloc<Arena>>);

#[global_allocator]
static HEAP: Heap = Heap(Mutex::new(Dlmalloc::new_with_allocator(Arena {
    start: AtomicUsize::new(0),
    len: AtomicUsize::new(0),
})));

/// Makes the range the heap; before this every allocation fails.
pub fn init(range: Range) {
    SIZE.store(range.len as usize, Ordering::Relaxed);
    let mut heap = HEAP.0.lock();
    *heap = Dlmalloc::new_with_allocator(Arena {
        start: AtomicUsize::new(range.vaddr as usize),
        len: AtomicUsize::new(range.len as usize),
    });
}

/// Allocates a zeroed block of the server's heap, whoever is charged.
pub fn allocate_zeroed(layout: Layout) -> *mut u8 {
    // SAFETY: a layout has a valid size and alignment.
    HEAP.count(layout, |heap| unsafe {
        heap.calloc(layout.size(), layout.align())
    })
}

/// Frees a block of the server's heap.
///
/// # Safety
/// It was allocated there with this layout, and nobody uses it any more.
pub unsafe fn free(pointer: *mut u8, layout: Layout) {
    USED.fetch_sub(layout.size(), Ordering::Relaxed);
    // SAFETY: the caller's promise.
    unsafe {
        HEAP.0.lock().free(pointer, layout.size(), layout.align());
    }
}

impl Heap {
    /// Makes an allocation under the lock, and counts it.
    fn count(
        &self,
        layout: Layout,
        allocate: impl FnOnce(&mut Dlmalloc<Arena>) -> *mut u8,
    ) -> *mut u8 {
        let pointer = allocate(&mut self.0.lock());
        if !pointer.is_null() {
            USED.fetch_add(layout.size(), Ordering::Relaxed);
        }
        pointer
    }
}

// SAFETY: dlmalloc's own contract, behind a lock or in an arena that is one thread's; a block goes back
// to where it came from.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if arena::is_charged() {
            // SAFETY: the layout is valid, as the trait demands of the caller.
            return unsafe { arena::allocate(layout, false) };
        }
        // SAFETY: as above.
        self.count(layout, |heap| unsafe {
            heap.malloc(layout.size(), layout.align())
        })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if arena::is_charged() {
            // SAFETY: as above.
            return unsafe { arena::allocate(layout, true) };
        }
        allocate_zeroed(layout)
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        match arena::owner_of(pointer) {
            // SAFETY: the pointer came from `alloc` with this layout, as the trait demands of the caller.
            Owner::Server => unsafe { free(pointer, layout) },
            // SAFETY: as above.
            Owner::Arena => unsafe { arena::free(pointer, layout) },
            Owner::Spill => arena::free_spill(pointer),
            Owner::Other => {}
        }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        let owner = arena::owner_of(pointer);
        if owner == Owner::Server {
            // SAFETY: as above, and `size` is not 0.
            let moved = unsafe {
                self.0
                    .lock()
                    .realloc(pointer, layout.size(), layout.align(), size)
            };
            if !moved.is_null() {
                USED.fetch_add(size, Ordering::Relaxed);
                USED.fetch_sub(layout.size(), Ordering::Relaxed);
            }
            return moved;
        }
        if owner == Owner::Arena {
            // SAFETY: as above.
            let moved = unsafe { arena::reallocate(pointer, layout, size) };
            if !moved.is_null() {
                return moved;
            }
        }
        // SAFETY: the size is valid for the alignment, as the trait demands of the caller.
        let wanted = unsafe { Layout::from_size_align_unchecked(size, layout.align()) };
        // SAFETY: the new block is another one, both have so many bytes, and the old one is the caller's
        // to give up.
        unsafe {
            let moved = self.alloc(wanted);
            if !moved.is_null() {
                ptr::copy_nonoverlapping(pointer, moved, layout.size().min(size));
                self.dealloc(pointer, layout);
            }
            moved
        }
    }
}
