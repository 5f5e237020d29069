// SPDX-License-Identifier: BSD-2-Clause
//! The global allocator: dlmalloc over a static array.

use core::{
    alloc::{GlobalAlloc, Layout},
    cell::UnsafeCell,
    ptr,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
};

use dlmalloc::{Allocator, Dlmalloc};
use sel4::{cap, init_thread::slot};
use sel4_sync::{RawLazyNotificationMutex, lock_api::Mutex};

/// dlmalloc asks for multiples of this.
const GRANULARITY: usize = 64 * 1024;

/// Memory for a heap of `N` bytes, 64 KiB at least.
#[repr(C, align(4096))]
#[derive(Debug)]
pub struct StaticHeap<const N: usize>(UnsafeCell<[u8; N]>);

// SAFETY: Nothing reads or writes the array through this type; `StaticDlmalloc` takes it over.
unsafe impl<const N: usize> Sync for StaticHeap<N> {}

impl<const N: usize> StaticHeap<N> {
    /// Zeros.
    pub const fn new() -> Self {
        const { assert!(N >= GRANULARITY, "a heap has 64 KiB at least") };
        Self(UnsafeCell::new([0; N]))
    }
}

impl<const N: usize> Default for StaticHeap<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Gives the array to dlmalloc, once.
struct Arena {
    memory: *mut u8,
    size: usize,
    taken: AtomicBool,
}

// SAFETY: The array is handed out once, whoever asks; the pointer itself belongs to no thread.
unsafe impl Send for Arena {}

// SAFETY: `alloc` returns the whole array or null, and the array never goes away; nothing is ever
// moved or given back. The array is zero until it is handed out.
unsafe impl Allocator for Arena {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        if size > self.size || self.taken.swap(true, Ordering::Relaxed) {
            return (ptr::null_mut(), 0, 0);
        }
        (self.memory, self.size, 0)
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

/// dlmalloc behind a mutex.
pub struct StaticDlmalloc(Mutex<RawLazyNotificationMutex, Dlmalloc<Arena>>);

impl StaticDlmalloc {
    /// A heap in `memory`, which no other allocator may be given.
    pub const fn new<const N: usize>(memory: &'static StaticHeap<N>) -> Self {
        let arena = Arena {
            memory: memory.0.get().cast(),
            size: N,
            taken: AtomicBool::new(false),
        };
        Self(Mutex::from_raw(
            RawLazyNotificationMutex::new(mutex_notification),
            Dlmalloc::new_with_allocator(arena),
        ))
    }
}

impl core::fmt::Debug for StaticDlmalloc {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("StaticDlmalloc")
    }
}

// SAFETY: dlmalloc fulfils the contract of an allocator, and the mutex gives it one caller at a time.
unsafe impl GlobalAlloc for StaticDlmalloc {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promises are the same.
        unsafe { self.0.lock().malloc(layout.size(), layout.align()) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: The caller's promises are the same.
        unsafe { self.0.lock().calloc(layout.size(), layout.align()) }
    }

    unsafe fn dealloc(&self, ptr: *mut u8, layout: Layout) {
        // SAFETY: The caller's promises are the same.
        unsafe { self.0.lock().free(ptr, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, ptr: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: The caller's promises are the same.
        unsafe {
            self.0
                .lock()
                .realloc(ptr, layout.size(), layout.align(), new_size)
        }
    }
}

static MUTEX_NOTIFICATION: AtomicU64 = AtomicU64::new(slot::NULL.cptr_bits());

/// Names the notification on which threads wait for the heap. Until then, two threads that need the
/// heap at once abort the program.
pub fn set_global_allocator_mutex_notification(notification: cap::Notification) {
    MUTEX_NOTIFICATION.store(notification.bits(), Ordering::Relaxed);
}

fn mutex_notification() -> cap::Notification {
    let bits = MUTEX_NOTIFICATION.load(Ordering::Relaxed);
    if bits == slot::NULL.cptr_bits() {
        crate::abort!("two threads use the heap, and its mutex has no notification");
    }
    cap::Notification::from_bits(bits)
}
