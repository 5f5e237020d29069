// SPDX-License-Identifier: BSD-2-Clause
//! Memory for devices: the guest's own.

use alloc::alloc::{alloc_zeroed, dealloc};
use core::{alloc::Layout, ptr::NonNull};

use virtio_drivers::{BufferDirection, PAGE_SIZE, PhysAddr};

/// The [`Hal`](virtio_drivers::Hal) of guests: an address for the device is the address in the guest's memory, and
/// whatever the guest has can be shared without a copy.
#[derive(Debug)]
pub struct Hal;

/// So many pages; none: there are not as many addresses.
fn layout(pages: usize) -> Option<Layout> {
    let bytes = pages.checked_mul(PAGE_SIZE)?;
    Layout::from_size_align(bytes, PAGE_SIZE).ok()
}

// SAFETY: what `dma_alloc` answers is a block of the global allocator, zeroed and aligned to a page, which is
// nobody else's until `dma_dealloc`. The other methods make no memory up.
unsafe impl virtio_drivers::Hal for Hal {
    /// Pages that lie next to each other for the guest. For the device they need not: the server translates
    /// page by page. Answers the address 0, which the caller takes for a failure, if there are none left.
    fn dma_alloc(pages: usize, _: BufferDirection) -> (PhysAddr, NonNull<u8>) {
        let block = match layout(pages) {
            // SAFETY: the layout has a size.
            Some(layout) if layout.size() != 0 => NonNull::new(unsafe { alloc_zeroed(layout) }),
            _ => None,
        };
        match block {
            // Exposed, because the server writes there by address.
            Some(block) => (block.as_ptr().expose_provenance() as PhysAddr, block),
            None => (0, NonNull::dangling()),
        }
    }

    unsafe fn dma_dealloc(_: PhysAddr, block: NonNull<u8>, pages: usize) -> i32 {
        if let Some(layout) = layout(pages) {
            // SAFETY: the block is from `dma_alloc` with as many pages, so with this layout, and is not used any
            // more, as the caller promises.
            unsafe { dealloc(block.as_ptr(), layout) };
        }
        0
    }

    /// For devices behind PCI. A guest has none, so nobody can promise what a call asks for.
    unsafe fn mmio_phys_to_virt(_: PhysAddr, _: usize) -> NonNull<u8> {
        NonNull::dangling()
    }

    unsafe fn share(buffer: NonNull<[u8]>, _: BufferDirection) -> PhysAddr {
        buffer.cast::<u8>().as_ptr().expose_provenance() as PhysAddr
    }

    unsafe fn unshare(_: PhysAddr, _: NonNull<[u8]>, _: BufferDirection) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use virtio_drivers::Hal as _;

    #[test]
    fn pages_are_aligned_and_zero() {
        for pages in 1..5 {
            let (address, block) = Hal::dma_alloc(pages, BufferDirection::Both);
            assert_eq!(address, block.as_ptr().addr() as PhysAddr);
            assert_eq!(address % PAGE_SIZE as PhysAddr, 0);
            // SAFETY: as many bytes were allocated, and nobody else has them.
            let bytes =
                unsafe { core::slice::from_raw_parts_mut(block.as_ptr(), pages * PAGE_SIZE) };
            assert!(bytes.iter().all(|byte| *byte == 0));
            // The next one to get them sees zeros all the same.
            bytes.fill(0xa5);
            // SAFETY: from `dma_alloc`, with as many pages.
            assert_eq!(unsafe { Hal::dma_dealloc(address, block, pages) }, 0);
        }
    }

    #[test]
    fn what_there_is_not_is_refused() {
        for pages in [0, usize::MAX / PAGE_SIZE, usize::MAX] {
            assert_eq!(Hal::dma_alloc(pages, BufferDirection::Both).0, 0);
        }
    }
}
