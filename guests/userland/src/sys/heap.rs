// SPDX-License-Identifier: BSD-2-Clause
//! The global allocator: dlmalloc, which takes whole pages at the end of the guest's memory and
//! does not mind that windows onto shared regions lie between them.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
};

use dlmalloc::Dlmalloc;

struct Heap(UnsafeCell<Dlmalloc>);

// SAFETY: a guest has one thread, so there is nobody to share it with. (dlmalloc's own global
// allocator refuses to be built for wasm with atomics, because those usually mean threads.)
unsafe impl Sync for Heap {}

#[global_allocator]
static HEAP: Heap = Heap(UnsafeCell::new(Dlmalloc::new()));

impl Heap {
    /// Lets `f` work on the allocator.
    fn with<T>(&self, f: impl FnOnce(&mut Dlmalloc) -> T) -> T {
        // SAFETY: the only reference: dlmalloc calls nothing that would come back here, and there is
        // one thread.
        f(unsafe { &mut *self.0.get() })
    }
}

// SAFETY: dlmalloc upholds what GlobalAlloc asks; the callers' promises are passed on as they are.
// It fails by answering null and does not unwind.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.free(block, layout.size(), layout.align()) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as the caller promises.
        self.with(|heap| unsafe { heap.realloc(block, layout.size(), layout.align(), new_size) })
    }
}
