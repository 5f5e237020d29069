// SPDX-License-Identifier: BSD-2-Clause
//! Memory that a native task's device sees: pages that lie next to each other, given out once and for good.

use core::{
    ptr::{self, NonNull},
    sync::atomic::{AtomicUsize, Ordering},
};

use sel4::cap;
use virtio_drivers::{BufferDirection, Hal, PAGE_SIZE, PhysAddr};
use wasm_server_core::platform::Failure;

use crate::vspace;

/// Where the pages are, behind what else the server maps there.
const START: usize = vspace::SERVICE + (1 << 20);
const PAGES: usize = 192;

/// Where the first page is for devices.
static PHYSICAL: AtomicUsize = AtomicUsize::new(0);
/// Pages that were given out.
static TAKEN: AtomicUsize = AtomicUsize::new(0);

/// Makes the pages.
pub fn init(pool: cap::Untyped) -> Result<(), Failure> {
    let first = vspace::map_service(pool, START, PAGES)?;
    let address = |page: usize| cap::Granule::from_bits(first + page as u64).frame_get_address();
    let refused = |_| Failure::Refused("the address of a frame");
    let start = address(0).map_err(refused)?;
    for page in 0..PAGES {
        if address(page).map_err(refused)? != start + page * PAGE_SIZE {
            return Err(Failure::Refused("pages next to each other"));
        }
    }
    PHYSICAL.store(start, Ordering::Relaxed);
    Ok(())
}

/// Takes pages, zeroed; none: there are not as many.
pub fn take(pages: usize) -> Option<NonNull<u8>> {
    let first = TAKEN.fetch_add(pages, Ordering::Relaxed);
    let is_there = first + pages <= PAGES;
    is_there.then(|| NonNull::new(ptr::with_exposed_provenance_mut(START + first * PAGE_SIZE)))?
}

fn physical(address: usize) -> PhysAddr {
    (PHYSICAL.load(Ordering::Relaxed) + (address - START)) as PhysAddr
}

/// See [`Hal`].
pub struct Pages;

// SAFETY: pages are given out once, mapped for good, and fresh from the kernel, which has zeroed them.
unsafe impl Hal for Pages {
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        match take(pages) {
            Some(block) => (physical(block.as_ptr().addr()), block),
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(_: PhysAddr, _: NonNull<u8>, _: usize) -> i32 {
        0
    }

    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::dangling()
    }

    /// Buffers are of these pages, too.
    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        physical(buffer.cast::<u8>().as_ptr().addr())
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}
