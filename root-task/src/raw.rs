// SPDX-License-Identifier: BSD-2-Clause
//! The root task's unsafe code: reading what lies behind its own image, a window for writing to frames
//! that it maps nowhere else, and the registers of the UART and of virtio devices.
#![allow(unsafe_code)]

use core::arch::asm;
use core::ptr;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use capdl::blob::VIRTIO_SLOT;
use root_task::plan::PAGE;
use root_task::problem::Problem;
use root_task::registers;
use sel4::cap_type::{Granule, UnspecifiedPage};
use sel4::{CapRights, CapTypeForFrameObject, VmAttributes};
use sel4_ext::FrameCacheExt;
use wasm_handoff::deadlines::NEVER;
use wasm_handoff::{Words, ledger};

use crate::invoke::{cap, own_vspace, refused};
use crate::payload::Bytes;
use crate::vspace::RootWindows;

unsafe extern "C" {
    /// End of the root task's image, page aligned (linker script).
    static __payload: u8;
}

/// Everything behind the root task's image.
pub fn payload(bootinfo: &sel4::BootInfoPtr) -> Option<Bytes> {
    let frames = bootinfo.user_image_frames();
    // The kernel maps the IPC buffer at the page after the user image.
    let image_end = bootinfo.ipc_buffer() as usize;
    let image_start = image_end.checked_sub(frames.len() * PAGE as usize)?;
    let start = &raw const __payload;
    let frame = start.addr().checked_sub(image_start)? / PAGE as usize;
    let len = image_end.checked_sub(start.addr())?;
    // SAFETY: the kernel has mapped the user image, of which these are the last `len` bytes, for the
    // life of the root task. Nothing of the program itself is there, no frame of it is ever mapped
    // writable by anyone else (`server` copies these capabilities with the right to read only), and
    // nothing here writes to it, so the bytes do not change.
    let bytes = unsafe { core::slice::from_raw_parts(start, len) };
    Some(Bytes {
        bytes,
        frames: frames.start() + frame,
    })
}

/// A page of the root task's VSpace that frames are mapped at for a moment.
pub struct Scratch {
    vaddr: usize,
}

impl Scratch {
    /// The window; there is one.
    pub fn new(windows: RootWindows) -> Self {
        Self {
            vaddr: windows.scratch,
        }
    }

    /// Writes to a frame that is mapped nowhere, `bytes` at `offset`; if it is code, such that
    /// instruction fetches see it. What goes beyond the page is left out.
    pub fn write(
        &mut self,
        frame: usize,
        offset: usize,
        bytes: &[u8],
        code: bool,
    ) -> Result<(), Problem> {
        let len = bytes.len().min((PAGE as usize).saturating_sub(offset));
        mapped::<Granule, _>(frame, self.vaddr, CapRights::read_write(), |page| {
            // SAFETY: `page` is the window, which has a frame of `PAGE` bytes mapped writable, and
            // `offset + len` is not beyond it. The window belongs to no object of this program, and
            // `&mut self` keeps its use exclusive.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), page.add(offset), len) };
            if code {
                cap::<Granule>(frame)
                    .frame_unify_instruction(0..PAGE as usize)
                    .map_err(refused("make code visible to instruction fetches"))?;
            }
            Ok(())
        })
    }

    /// Writes to a frame of 2^`bits` bytes that is mapped nowhere, such that instruction fetches and accesses
    /// without caches see it. What goes beyond the frame is left out.
    pub fn fill(
        &mut self,
        frame: usize,
        bits: u8,
        offset: usize,
        bytes: &[u8],
    ) -> Result<(), Problem> {
        let size = 1usize << bits;
        let vaddr = if size == PAGE as usize {
            self.vaddr
        } else {
            RootWindows::large(bits)
        };
        let len = bytes.len().min(size.saturating_sub(offset));
        let seen = refused("make the contents of a frame visible");
        mapped::<UnspecifiedPage, _>(frame, vaddr, CapRights::read_write(), |page| {
            // SAFETY: `page` is a window, which has a frame of `size` bytes mapped writable, and `offset + len` is
            // not beyond it. The window belongs to no object of this program, and `&mut self` keeps its
            // use exclusive.
            unsafe { ptr::copy_nonoverlapping(bytes.as_ptr(), page.add(offset), len) };
            let frame = cap::<UnspecifiedPage>(frame);
            frame
                .frame_clean_data(0..size)
                .and_then(|()| frame.frame_unify_instruction(0..size))
                .map_err(seen)
        })
    }

    /// Reads the 64-bit word at `offset` of a frame that is mapped elsewhere too; `frame` is a copy of
    /// its capability that is not mapped. None if it does not lie aligned in the page.
    pub fn read(&mut self, frame: usize, offset: usize) -> Result<Option<u64>, Problem> {
        if !offset.is_multiple_of(8) || offset >= PAGE as usize {
            return Ok(None);
        }
        mapped::<Granule, _>(frame, self.vaddr, CapRights::read_only(), |page| {
            // SAFETY: `page` is the window, which has a frame mapped; `offset` is aligned and within
            // it. The frame's owner may write to it, hence the volatile read of a plain integer.
            Ok(Some(unsafe {
                page.add(offset).cast::<u64>().read_volatile()
            }))
        })
    }
}

/// Works with a frame while it is mapped at a window.
fn mapped<S: CapTypeForFrameObject, T>(
    frame: usize,
    vaddr: usize,
    rights: CapRights,
    work: impl FnOnce(*mut u8) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let frame = cap::<S>(frame);
    let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
    frame
        .frame_map(own_vspace(), vaddr, rights, attributes)
        .map_err(refused("map a frame for the root task"))?;
    let result = work(ptr::with_exposed_provenance_mut(vaddr));
    frame
        .frame_unmap()
        .map_err(refused("unmap a frame of the root task"))?;
    result
}

/// Set once the UART is mapped, for good, at [`RootWindows::UART`].
static UART_MAPPED: AtomicBool = AtomicBool::new(false);

/// Registers of the PL011 (Arm DDI 0183G, 3.2).
mod pl011 {
    pub const DATA: usize = 0x00;
    pub const FLAGS: usize = 0x18;
    pub const LINE_CONTROL: usize = 0x2c;
    pub const CONTROL: usize = 0x30;

    pub const FLAG_BUSY: u32 = 1 << 3;
    pub const FLAG_TX_FULL: u32 = 1 << 5;
    /// Eight bits, FIFOs on.
    pub const EIGHT_BITS_FIFO: u32 = 0x70;
    /// UART, transmitter and receiver on.
    pub const ENABLE: u32 = 0x301;
}

/// Maps the UART's frame and turns the transmitter on; its speed stays as it is.
pub fn start_uart(frame: usize, _windows: RootWindows) -> Result<(), Problem> {
    cap::<Granule>(frame)
        .frame_map(
            own_vspace(),
            RootWindows::UART,
            CapRights::read_write(),
            VmAttributes::EXECUTE_NEVER,
        )
        .map_err(refused("map the UART for the root task"))?;
    UART_MAPPED.store(true, Ordering::Relaxed);
    while uart_read(pl011::FLAGS) & pl011::FLAG_BUSY != 0 {}
    uart_store(pl011::CONTROL, 0);
    uart_store(pl011::LINE_CONTROL, pl011::EIGHT_BITS_FIFO);
    uart_store(pl011::CONTROL, pl011::ENABLE);
    Ok(())
}

/// Writes a byte to the UART, if [`start_uart`] has mapped it.
pub fn uart_write(byte: u8) {
    if !UART_MAPPED.load(Ordering::Relaxed) {
        return;
    }
    while uart_read(pl011::FLAGS) & pl011::FLAG_TX_FULL != 0 {}
    uart_store(pl011::DATA, byte.into());
}

fn uart_register(offset: usize) -> *mut u32 {
    debug_assert!(UART_MAPPED.load(Ordering::Relaxed));
    ptr::with_exposed_provenance_mut(RootWindows::UART + offset)
}

fn uart_read(offset: usize) -> u32 {
    // SAFETY: both callers run after `start_uart` has mapped the registers, for good; reading the
    // flags has no effect on the device.
    unsafe { uart_register(offset).read_volatile() }
}

fn uart_store(offset: usize, value: u32) {
    // SAFETY: both callers run after `start_uart` has mapped the registers, for good; none of these
    // registers makes the device touch memory.
    unsafe { uart_register(offset).write_volatile(value) }
}

/// A page of virtio devices' registers, mapped for good.
pub struct RegisterPage {
    vaddr: usize,
}

/// Maps a frame of virtio devices' registers in the window with this number.
pub fn map_registers(
    frame: usize,
    window: usize,
    _windows: RootWindows,
) -> Result<RegisterPage, Problem> {
    let vaddr = RootWindows::registers(window);
    cap::<Granule>(frame)
        .frame_map(
            own_vspace(),
            vaddr,
            CapRights::read_write(),
            VmAttributes::EXECUTE_NEVER,
        )
        .map_err(refused("map registers of virtio devices for the root task"))?;
    Ok(RegisterPage { vaddr })
}

impl RegisterPage {
    fn register(&self, slot: usize, register: usize) -> *mut u32 {
        let offset = slot * VIRTIO_SLOT as usize + register;
        assert!(slot < registers::SLOTS && register < VIRTIO_SLOT as usize);
        ptr::with_exposed_provenance_mut(self.vaddr + offset)
    }
}

impl registers::Page for RegisterPage {
    fn read(&mut self, slot: usize, register: usize) -> u32 {
        // SAFETY: `register` answers an address in the page that `map_registers` has mapped, for good;
        // magic value and status are aligned, and reading them has no effect on the device.
        unsafe { self.register(slot, register).read_volatile() }
    }

    fn reset(&mut self, slot: usize) {
        // SAFETY: as in `read`. This is all that is ever written, and it makes a device use less
        // memory, never more; the server that drove it is stopped.
        unsafe { self.register(slot, registers::STATUS).write_volatile(0) }
    }
}

/// The page that servers have in common, mapped for good.
pub struct SharedPage {
    vaddr: usize,
}

/// Maps the frame of that page, which nothing was written to.
pub fn map_shared(frame: usize, _windows: RootWindows) -> Result<SharedPage, Problem> {
    let vaddr = RootWindows::COMMONS;
    cap::<Granule>(frame)
        .frame_map(
            own_vspace(),
            vaddr,
            CapRights::read_write(),
            VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
        )
        .map_err(refused("map a page of servers for the root task"))?;
    Ok(SharedPage { vaddr })
}

impl SharedPage {
    fn word(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: aligned and inside the page that `map_shared` has mapped, for good; everybody accesses its
        // words atomically.
        (index < ledger::WORDS).then(|| unsafe {
            AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(self.vaddr + index * 8))
        })
    }
}

impl Words for SharedPage {
    fn load(&self, index: usize) -> u64 {
        self.word(index)
            .map_or(0, |word| word.load(Ordering::SeqCst))
    }

    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index) {
            word.store(value, Ordering::SeqCst);
        }
    }
}

/// Ticks of the machine's counter (Arm ARM, D11).
pub fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter; no memory, no side effect. The barrier keeps the read in program order.
    unsafe {
        asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags))
    };
    ticks
}

/// Raises the physical timer's interrupt at these ticks, or not at all.
pub fn set_timer(at: u64) {
    let control = u64::from(at != NEVER);
    // SAFETY: whoever uses this timer takes it that others set it, too; its interrupt comes here, and changes no
    // memory. The barrier has the timer see the change before whatever follows.
    unsafe {
        asm!(
            "msr cntp_cval_el0, {at}",
            "msr cntp_ctl_el0, {control}",
            "isb",
            at = in(reg) at,
            control = in(reg) control,
            options(nomem, nostack, preserves_flags),
        )
    };
}
