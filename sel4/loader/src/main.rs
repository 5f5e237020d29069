// SPDX-License-Identifier: BSD-2-Clause
//! Boots seL4 at EL1 from an ELF that QEMU loads.
//!
//! QEMU enters an ELF file given as `-kernel` at EL1 with the MMU off and the device tree at the start
//! of RAM. The loader turns the MMU and the caches on, reads the size of RAM from the device tree,
//! copies the kernel over it and the user image behind the kernel, and enters the kernel at its
//! virtual address. It prints nothing unless something is wrong; then it says what and powers off.
#![no_std]
#![no_main]

mod arch;
mod console;

use arch::Conduit;
use boot_image::loader::{HEADER_BYTES, Header};
use core::fmt::{self, Write};
use core::panic::PanicInfo;
use core::ptr::{with_exposed_provenance, with_exposed_provenance_mut};
use core::slice;
use sel4_loader::fdt;
use sel4_loader::plan::{self, Machine, Plan, RamInfo};

/// Start of RAM on QEMU's `virt` machine, and where it puts the device tree.
const RAM_START: u64 = 0x4000_0000;

unsafe extern "C" {
    static __loader_start: u8;
    static __payload: u8;
}

/// Continues in Rust: MMU and caches on, one stack.
extern "C" fn loader_main() -> ! {
    match boot() {
        Ok(never) => match never {},
        Err(error) => fail(Conduit::Hypervisor, format_args!("{error}")),
    }
}

/// Reports that the loader was not entered at EL1.
extern "C" fn wrong_exception_level(level: u64) -> ! {
    let conduit = if level == 2 {
        Conduit::SecureMonitor
    } else {
        Conduit::Hypervisor
    };
    fail(
        conduit,
        format_args!(
            "entered at EL{level}, not EL1: run QEMU without virtualization=on and secure=on"
        ),
    )
}

/// Reports an exception that the loader itself took.
extern "C" fn unexpected_exception(syndrome: u64, address: u64, fault: u64) -> ! {
    fail(
        Conduit::Hypervisor,
        format_args!("exception at {address:#x}: ESR {syndrome:#x}, FAR {fault:#x}"),
    )
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    fail(Conduit::Hypervisor, format_args!("{info}"))
}

fn fail(conduit: Conduit, why: fmt::Arguments<'_>) -> ! {
    // The console's writer cannot fail.
    let _ = writeln!(console::Console, "loader: {why}");
    arch::power_off(conduit)
}

/// Why the machine does not boot.
enum Error {
    DeviceTree(fdt::Error),
    Payload(plan::Error),
}

impl From<fdt::Error> for Error {
    fn from(error: fdt::Error) -> Self {
        Self::DeviceTree(error)
    }
}

impl From<plan::Error> for Error {
    fn from(error: plan::Error) -> Self {
        Self::Payload(error)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DeviceTree(error) => error.fmt(f),
            Self::Payload(error) => error.fmt(f),
        }
    }
}

fn boot() -> Result<core::convert::Infallible, Error> {
    // The linker script's symbols have addresses and nothing else.
    let loader = (&raw const __loader_start).addr() as u64..(&raw const __payload).addr() as u64;
    let (ram, device_tree) = read_device_tree(loader.start)?;
    let machine = Machine {
        ram,
        loader,
        device_tree,
    };

    // SAFETY: the header lies in RAM: RAM contains the device tree's block, and if it ended before the
    // loader this code would not run.
    let header = plan::header(unsafe { memory(machine.loader.end, HEADER_BYTES as u64) })?;
    let plan = Plan::new(&header, &machine, |offset| {
        // SAFETY: the plan asks for bytes that it knows to be in RAM.
        let bytes = unsafe { memory(machine.loader.end + offset, 8) };
        bytes.first_chunk().copied().unwrap_or_default()
    })?;
    execute(&plan, &header, &machine)
}

/// The range of RAM, and the device tree's length.
fn read_device_tree(limit: u64) -> Result<(core::ops::Range<u64>, u64), fdt::Error> {
    // SAFETY: the start of RAM; the loader, which is in RAM as well, lies far behind.
    let length = fdt::total_size(unsafe { memory(RAM_START, fdt::HEADER_BYTES as u64) })? as u64;
    if length > limit - RAM_START {
        return Err(fdt::Error::Malformed);
    }
    // SAFETY: it ends before the loader.
    let ram = fdt::memory_containing(unsafe { memory(RAM_START, length) }, RAM_START)?;
    Ok((ram, length))
}

/// Overwrites the start of RAM and leaves.
fn execute(plan: &Plan, header: &Header, machine: &Machine) -> ! {
    let tree = match &plan.ram {
        RamInfo::DeviceTree(place) => {
            let length = machine.device_tree as usize;
            // SAFETY: source and destination end before the loader, and no slice of either is in use.
            // They may overlap.
            unsafe { physical(place.start).copy_from(physical(RAM_START), length) };
            [place.start, machine.device_tree]
        }
        RamInfo::Mailbox(_) => [0; 2],
    };
    for region in &header.kernel {
        let to = physical(region.paddr);
        // SAFETY: the plan has checked that the region is in RAM and ends before the loader, that the
        // bytes are in RAM behind it, and that there are no more of them than the region has.
        unsafe {
            let bytes = memory(machine.loader.end + region.offset, region.file_size);
            arch::place(to, bytes, region.mem_size as usize);
        }
        arch::publish_code(to, region.file_size as usize);
    }
    // SAFETY: as for the kernel. The kernel cleans the caches before it enters the image.
    unsafe {
        let bytes = memory(machine.loader.end + header.user.offset, header.user.size);
        arch::place(physical(plan.user.start), bytes, bytes.len());
    }
    if let RamInfo::Mailbox(place) = plan.ram {
        // SAFETY: the second word of the kernel, which the plan has found to be its mailbox.
        unsafe { physical(place).cast::<u64>().write(machine.ram.end) };
    }
    // SAFETY: the index has nine bits, and the kernel's table is empty until here.
    unsafe { arch::map_kernel_window(plan.window_index, plan.window_block) };
    let arguments = [
        plan.user.start,
        plan.user.end,
        plan.offset,
        header.user.entry,
        tree[0],
        tree[1],
    ];
    // SAFETY: the window shows the kernel at its virtual address, and the arguments are seL4's:
    // user image (start, end), its offset, its entry point, device tree (start, length).
    unsafe { arch::enter_kernel(header.kernel_entry, arguments) }
}

/// RAM at a physical address; the loader maps it there.
fn physical(address: u64) -> *mut u8 {
    with_exposed_provenance_mut(address as usize)
}

/// `length` bytes of RAM at a physical address.
///
/// # Safety
/// They must be RAM in its first GiB, and not be written while the slice is in use.
unsafe fn memory(address: u64, length: u64) -> &'static [u8] {
    // SAFETY: the caller's promise; bytes need no alignment and every value is valid.
    unsafe { slice::from_raw_parts(with_exposed_provenance(address as usize), length as usize) }
}
