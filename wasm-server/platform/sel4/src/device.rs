// SPDX-License-Identifier: BSD-2-Clause
//! Devices: their registers (of virtio devices, virtio 1.2, 4.2.2), their interrupts, and the memory of
//! virtqueues. No guest reaches any of these itself; eight virtio devices share a page of registers, which page
//! rights cannot tell apart.

use alloc::sync::Arc;
use core::{
    arch::asm,
    ptr,
    sync::atomic::{AtomicU16, AtomicU64, Ordering},
};

use lock_api::Mutex;
use sel4::{CapRights, cap};
use wasm_server_core::platform::{Failure, Page, QueueMemory, Registers, Width};

use crate::{access, account::PAGE, console, cspace, lock::InnerLock, space::Space};

/// A device that the spec gives to guests of this server.
pub struct Device {
    /// The server's address of the registers.
    registers: usize,
    /// Bytes of them.
    len: u32,
    irq: cap::IrqHandler,
    /// A slot for the notification that the interrupt signals, once there is one.
    badged: Mutex<InnerLock, Option<u64>>,
}

impl Device {
    /// The one whose registers the server has at an address.
    ///
    /// # Safety
    /// So many bytes there are a device's registers, mapped as device memory, read-write, for good. If what is
    /// written there can have the device access memory, who writes sees to it that it is memory for that.
    pub unsafe fn new(registers: usize, len: u32, irq: cap::IrqHandler) -> Self {
        Self {
            registers,
            len,
            irq,
            badged: Mutex::new(None),
        }
    }

    /// Has the interrupt signal a notification from now on, with this badge.
    pub fn interrupt(&self, notification: cap::Notification, badge: u64) -> Result<(), Failure> {
        let refused = |_| Failure::Refused("to receive a device's interrupt");
        let mut badged = self.badged.lock();
        let slot = match *badged {
            Some(slot) => slot,
            None => *badged.insert(cspace::take_own(1)?),
        };
        // Cannot fail: the slot is empty, or holds a notification that another guest had.
        let _ = cspace::path(slot).delete();
        let source = cspace::path(notification.bits());
        cspace::path(slot)
            .mint(&source, CapRights::write_only(), badge)
            .map_err(refused)?;
        self.irq
            .irq_handler_set_notification(cap::Notification::from_bits(slot))
            .map_err(refused)?;
        self.unmask();
        Ok(())
    }

    /// Lets the next interrupt come.
    pub fn unmask(&self) {
        // Cannot fail: the capability is the server's for good.
        let _ = self.irq.irq_handler_ack();
    }

    fn address(&self, offset: u32, width: Width) -> Option<usize> {
        let bytes = width.bytes();
        let is_there = offset.is_multiple_of(bytes) && offset.checked_add(bytes)? <= self.len;
        is_there.then_some(self.registers + offset as usize)
    }
}

impl Registers for Device {
    fn read(&self, offset: u32, width: Width) -> u32 {
        let Some(at) = self.address(offset, width) else {
            return 0;
        };
        let at = ptr::with_exposed_provenance::<u32>(at);
        // SAFETY: `new` was promised that these are a device's registers. Reading one has the effect that
        // the device gives it, and never one on memory.
        let value = unsafe {
            match width {
                Width::Byte => at.cast::<u8>().read_volatile().into(),
                Width::Half => at.cast::<u16>().read_volatile().into(),
                Width::Word => at.read_volatile(),
            }
        };
        full_barrier();
        value
    }

    fn write(&self, offset: u32, width: Width, value: u32) {
        let Some(at) = self.address(offset, width) else {
            return;
        };
        let at = ptr::with_exposed_provenance_mut::<u32>(at);
        full_barrier();
        // SAFETY: as in `read`. What a write has a virtio device do to memory is what the virtqueues say, which
        // the caller keeps (`wasm_virtio`): they name nothing but frames of the guest that drives it. Other
        // devices do nothing to memory.
        unsafe {
            match width {
                Width::Byte => at.cast::<u8>().write_volatile(value as u8),
                Width::Half => at.cast::<u16>().write_volatile(value as u16),
                Width::Word => at.write_volatile(value),
            }
        }
        full_barrier();
        console::note_write(at.addr(), value);
    }
}

/// The pages of one virtqueue that the device sees.
pub struct QueuePages {
    pages: Pair,
    physical: [u64; 2],
    space: Arc<Space>,
}

/// Two pages that are mapped for the server.
#[derive(Clone, Copy)]
pub struct Pair {
    /// The server's address of the first; the other follows.
    pub start: usize,
    /// The slot of the first; the other follows.
    pub slots: u64,
}

impl QueuePages {
    /// Makes them of the memory of the guest that drives the device. They are to be used until that is taken
    /// back, and no longer.
    pub fn new(space: &Arc<Space>) -> Result<Self, Failure> {
        let pages = space.take_queue_pages()?;
        let mut physical = [0; 2];
        for (slot, physical) in (pages.slots..).zip(&mut physical) {
            *physical = cap::Granule::from_bits(slot)
                .frame_get_address()
                .map_err(|_| Failure::Refused("the address of a frame"))?
                as u64;
        }
        // SAFETY: mapped there, and nobody else's: no device was told of them since they were taken.
        unsafe { access::zero(pages.start, 2 * PAGE) };
        Ok(Self {
            pages,
            physical,
            space: space.clone(),
        })
    }

    /// The address of an integer in a page.
    fn at<T>(&self, page: Page, offset: u32) -> *mut T {
        let (bytes, offset) = (size_of::<T>(), offset as usize);
        assert!(
            offset.is_multiple_of(bytes) && offset + bytes <= PAGE,
            "an access outside a virtqueue, at {offset:#x}"
        );
        ptr::with_exposed_provenance_mut(self.pages.start + page as usize * PAGE + offset)
    }

    fn half(&self, page: Page, offset: u32) -> &AtomicU16 {
        // SAFETY: aligned, and in a page that is mapped for as long as this is used: until the guest is
        // evicted, which is after its devices let go of this. Everybody accesses it atomically; the device's
        // accesses are single copies of an integer.
        unsafe { AtomicU16::from_ptr(self.at(page, offset)) }
    }

    fn double(&self, page: Page, offset: u32) -> &AtomicU64 {
        // SAFETY: as in `half`.
        unsafe { AtomicU64::from_ptr(self.at(page, offset)) }
    }
}

/// The device cannot reach them any more: they serve another queue of the guest's.
impl Drop for QueuePages {
    fn drop(&mut self) {
        self.space.keep_queue_pages(self.pages);
    }
}

impl QueueMemory for QueuePages {
    fn physical(&self, page: Page) -> u64 {
        self.physical[page as usize]
    }

    fn load16(&self, page: Page, offset: u32) -> u16 {
        self.half(page, offset).load(Ordering::Relaxed)
    }

    fn load16_acquire(&self, page: Page, offset: u32) -> u16 {
        self.half(page, offset).load(Ordering::Acquire)
    }

    fn load64(&self, page: Page, offset: u32) -> u64 {
        self.double(page, offset).load(Ordering::Relaxed)
    }

    fn store16(&self, page: Page, offset: u32, value: u16) {
        self.half(page, offset).store(value, Ordering::Relaxed);
    }

    fn store16_release(&self, page: Page, offset: u32, value: u16) {
        self.half(page, offset).store(value, Ordering::Release);
    }

    fn store64(&self, page: Page, offset: u32, value: u64) {
        self.double(page, offset).store(value, Ordering::Relaxed);
    }
}

/// Everything before is done, as devices see it, before anything behind. Accesses to registers and to memory
/// are ordered by nothing less (Arm ARM, B2.3).
fn full_barrier() {
    // SAFETY: a barrier has no effect but to order.
    unsafe { asm!("dsb sy", options(nostack, preserves_flags)) };
}
