// SPDX-License-Identifier: BSD-2-Clause
//! The global allocator: dlmalloc over the heap that the spec gives the task.

use core::alloc::{GlobalAlloc, Layout};
use core::ptr;
use core::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use dlmalloc::{Allocator, Dlmalloc};
use native_handoff::vspace;
use sel4::cap;
use sel4_sync::{RawLazyNotificationMutex, lock_api::Mutex};

/// Bytes of the heap that dlmalloc has not been given yet.
static BYTES: AtomicUsize = AtomicUsize::new(0);

/// Tells the allocator how large the heap is.
pub fn init(bytes: u64) {
    BYTES.store(bytes as usize, Ordering::Relaxed);
}

/// Gives the heap to dlmalloc, once.
struct Arena;

// SAFETY: `alloc` returns the whole heap or null: `swap` has it returned once. The root task has mapped it for the life
// of the program, zeroed, at an address that belongs to no object of it; nothing is ever moved or given back.
unsafe impl Allocator for Arena {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        let bytes = BYTES.swap(0, Ordering::Relaxed);
        if size > bytes {
            // Too much at once; less may be asked for later.
            BYTES.store(bytes, Ordering::Relaxed);
            return (ptr::null_mut(), 0, 0);
        }
        let heap = ptr::with_exposed_provenance_mut(vspace::HEAP as usize);
        (heap, bytes, 0)
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

struct Heap(Mutex<RawLazyNotificationMutex, Dlmalloc<Arena>>);

// SAFETY: dlmalloc fulfils the contract of an allocator, and the mutex gives it one caller at a time.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the same.
        unsafe { self.0.lock().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are the same.
        unsafe { self.0.lock().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: the caller's promises are the same.
        unsafe { self.0.lock().free(ptr, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promises are the same.
        unsafe {
            self.0
                .lock()
                .realloc(ptr, layout.size(), layout.align(), new_size)
        }
    }
}

#[global_allocator]
static HEAP: Heap = Heap(Mutex::from_raw(
    RawLazyNotificationMutex::new(mutex_notification),
    Dlmalloc::new_with_allocator(Arena),
));

static MUTEX_NOTIFICATION: AtomicU64 = AtomicU64::new(native_handoff::slot::NULL);

/// Names the notification on which threads wait for the heap, which nothing else may signal. Until then, two
/// threads that need the heap at once end the program.
pub fn set_global_allocator_mutex_notification(notification: cap::Notification) {
    MUTEX_NOTIFICATION.store(notification.bits(), Ordering::Relaxed);
}

fn mutex_notification() -> cap::Notification {
    let bits = MUTEX_NOTIFICATION.load(Ordering::Relaxed);
    assert!(
        bits != native_handoff::slot::NULL,
        "two threads use the heap, and its mutex has no notification"
    );
    cap::Notification::from_bits(bits)
}
