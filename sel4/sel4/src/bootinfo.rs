// SPDX-License-Identifier: BSD-2-Clause
//! The kernel's description of the machine for the first thread.

use core::{
    ops::{Deref, Range},
    ptr, slice,
};

use crate::{FrameObjectType, IpcBuffer, cap_type, init_thread::SlotRegion, sys};

/// The page that the kernel fills at boot and never touches again.
#[derive(Debug)]
pub struct BootInfoPtr {
    ptr: *const BootInfo,
}

impl BootInfoPtr {
    /// # Safety
    /// `ptr` is the kernel's boot information, readable and unchanged for the rest of the program.
    ///
    /// # Panics
    /// When it is not page aligned.
    pub unsafe fn new(ptr: *const BootInfo) -> Self {
        assert!(ptr.addr().is_multiple_of(FrameObjectType::GRANULE.bytes()));
        Self { ptr }
    }

    /// The address.
    pub const fn ptr(&self) -> *const BootInfo {
        self.ptr
    }

    /// Bytes from the address to the end of all boot information.
    pub fn footprint_size(&self) -> usize {
        let extra = self.inner().extraLen as usize;
        FrameObjectType::GRANULE.bytes() + extra
    }
}

impl Deref for BootInfoPtr {
    type Target = BootInfo;

    fn deref(&self) -> &BootInfo {
        // SAFETY: `new`'s contract: the page is readable and unchanging for as long as the program runs.
        unsafe { &*self.ptr }
    }
}

/// The kernel's description of the machine.
#[repr(transparent)]
pub struct BootInfo(sys::seL4_BootInfo);

impl BootInfo {
    /// The kernel's form. Its members may be unaligned.
    pub const fn inner(&self) -> &sys::seL4_BootInfo {
        &self.0
    }

    /// The first thread's IPC buffer.
    pub const fn ipc_buffer(&self) -> *mut IpcBuffer {
        self.0.ipcBuffer.cast()
    }

    /// Empty slots of the root CNode.
    pub const fn empty(&self) -> SlotRegion<cap_type::Null> {
        SlotRegion::from_sys(self.0.empty)
    }

    /// The pages of the image, in the order of their addresses.
    pub const fn user_image_frames(&self) -> SlotRegion<cap_type::Granule> {
        SlotRegion::from_sys(self.0.userImageFrames)
    }

    /// Untyped memory, described by [`untyped_list`](Self::untyped_list).
    pub const fn untyped(&self) -> SlotRegion<cap_type::Untyped> {
        SlotRegion::from_sys(self.0.untyped)
    }

    /// One description for each capability of [`untyped`](Self::untyped).
    pub fn untyped_list(&self) -> &[UntypedDesc] {
        let descriptions: *const UntypedDesc = ptr::addr_of!(self.0.untypedList).cast();
        let capacity = size_of_val_of_list() / size_of::<UntypedDesc>();
        let len = self.untyped().len().min(capacity);
        // SAFETY: `len` elements lie in the array inside `self`, whose element type `UntypedDesc` is a
        // transparent wrapper of; where the structure is packed, so is the element, with alignment 1.
        unsafe { slice::from_raw_parts(descriptions, len) }
    }

    /// Which of [`untyped`](Self::untyped) are device memory. The kernel lists them in one run.
    pub fn device_untyped_range(&self) -> Range<usize> {
        self.run_of(true)
    }

    /// Which of [`untyped`](Self::untyped) are ordinary memory. The kernel lists them in one run.
    pub fn kernel_untyped_range(&self) -> Range<usize> {
        self.run_of(false)
    }

    fn run_of(&self, device: bool) -> Range<usize> {
        let list = self.untyped_list();
        let matches = |description: &UntypedDesc| description.is_device() == device;
        let start = list.iter().position(matches).unwrap_or(list.len());
        let end = list
            .iter()
            .rposition(matches)
            .map_or(start, |last| last + 1);
        start..end
    }
}

const fn size_of_val_of_list() -> usize {
    size_of::<sys::seL4_BootInfo>() - core::mem::offset_of!(sys::seL4_BootInfo, untypedList)
}

/// Describes untyped memory.
#[derive(Clone, Copy)]
#[repr(transparent)]
pub struct UntypedDesc(sys::seL4_UntypedDesc);

impl UntypedDesc {
    /// The physical address.
    pub const fn paddr(&self) -> usize {
        self.0.paddr as usize
    }

    /// Logarithm of the bytes.
    pub const fn size_bits(&self) -> usize {
        self.0.sizeBits as usize
    }

    /// Whether it is device memory.
    pub const fn is_device(&self) -> bool {
        self.0.isDevice != 0
    }
}

impl core::fmt::Debug for UntypedDesc {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("UntypedDesc")
            .field("paddr", &format_args!("{:#x}", self.paddr()))
            .field("size_bits", &self.size_bits())
            .field("is_device", &self.is_device())
            .finish()
    }
}
