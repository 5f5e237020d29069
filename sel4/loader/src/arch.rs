// SPDX-License-Identifier: BSD-2-Clause
//! Everything that Rust cannot say: the first instructions, translation tables, caches, the jump into
//! the kernel, power-off. References are to the Arm ARM (DDI 0487).

use core::arch::{asm, global_asm};

/// `MAIR_EL1`: attribute 0 device nGnRnE, 1 device nGnRE, 2 device GRE, 3 normal non-cacheable,
/// 4 normal write-back. The kernel's own descriptors use these numbers and it never sets the register.
const MAIR: u64 = 0x0000_00ff_440c_0400;

/// `TCR_EL1` but for the size of physical addresses: 48-bit addresses in both halves, 4 KiB granules,
/// table walks inner shareable write-back, 16-bit ASIDs.
const TCR: u64 = 0x10_b510_3510;

/// `SCTLR_EL1`: MMU, data and instruction cache on; alignment of SP checked at EL1; the bits that
/// Armv8.0 has as one. The kernel keeps what it does not know, so this also lets EL0 run DC ZVA,
/// read CTR_EL0 and maintain caches by address (DZE, UCT, UCI), and WFI and WFE (nTWI, nTWE).
const SCTLR: u64 = 0x30d0_0800
    | 1 << 0 // M
    | 1 << 2 // C
    | 1 << 3 // SA
    | 1 << 12 // I
    | 1 << 14 // DZE
    | 1 << 15 // UCT
    | 1 << 16 // nTWI
    | 1 << 18 // nTWE
    | 1 << 26; // UCI

/// A level 1 block descriptor of device memory (attribute 0): accessed, never executed.
const DEVICE_BLOCK: u64 = 0x401 | 1 << 53 | 1 << 54;
/// A level 1 block descriptor of normal memory (attribute 4), accessed.
const NORMAL_BLOCK: u64 = 0x411;

/// Entries of a translation table.
pub const TABLE_ENTRIES: usize = 512;

const STACK_BYTES: usize = 32 * 1024;

global_asm!(
    r#"
    .section .text.start, "ax"
    .global _start
_start:
    msr     daifset, #0xf
    adrp    x9, stack_top
    mov     sp, x9
    mrs     x0, CurrentEL
    cmp     x0, #(1 << 2)
    b.ne    wrong_exception_level

    // Rust code uses SIMD registers.
    mov     x9, #(3 << 20)
    msr     cpacr_el1, x9
    adrp    x9, vectors
    msr     vbar_el1, x9

    ldr     x9, ={mair}
    msr     mair_el1, x9
    // Physical addresses as the CPU has them, at most 48 bits.
    mrs     x10, id_aa64mmfr0_el1
    and     x10, x10, #0xf
    mov     x11, #5
    cmp     x10, x11
    csel    x10, x10, x11, lo
    ldr     x9, ={tcr}
    orr     x9, x9, x10, lsl #32
    msr     tcr_el1, x9
    adrp    x9, loader_level0
    msr     ttbr0_el1, x9
    adrp    x9, kernel_level0
    msr     ttbr1_el1, x9
    isb
    tlbi    vmalle1
    ic      iallu
    dsb     sy
    isb
    ldr     x9, ={sctlr}
    msr     sctlr_el1, x9
    isb
    b       {main}

wrong_exception_level:
    lsr     x0, x0, #2
    b       {wrong_el}

    .section .text, "ax"
    .balign 4096
vectors:
    .rept   16
    .balign 128
    mrs     x0, esr_el1
    mrs     x1, elr_el1
    mrs     x2, far_el1
    b       {exception}
    .endr

    // void copy_blocks(dst, src, blocks of 64 bytes)
    .global copy_blocks
copy_blocks:
    cbz     x2, 2f
1:  ldp     q0, q1, [x1]
    ldp     q2, q3, [x1, #32]
    add     x1, x1, #64
    stp     q0, q1, [x0]
    stp     q2, q3, [x0, #32]
    add     x0, x0, #64
    subs    x2, x2, #1
    b.ne    1b
2:  ret

    // void zero_blocks(dst, blocks of 64 bytes)
    .global zero_blocks
zero_blocks:
    cbz     x1, 2f
    movi    v0.2d, #0
1:  stp     q0, q0, [x0]
    stp     q0, q0, [x0, #32]
    add     x0, x0, #64
    subs    x1, x1, #1
    b.ne    1b
2:  ret

    // void sync_code(start, end): what was written there can be executed.
    .global sync_code
sync_code:
    mrs     x9, ctr_el0
    ubfx    x9, x9, #16, #4
    mov     x10, #4
    lsl     x9, x10, x9
    sub     x10, x9, #1
    bic     x0, x0, x10
1:  dc      cvau, x0
    add     x0, x0, x9
    cmp     x0, x1
    b.lo    1b
    dsb     ish
    ic      iallu
    dsb     ish
    isb
    ret

    // The loader sees its devices and the first GiB of RAM at their physical addresses; the kernel's
    // half of the address space has one entry, filled before the kernel is entered.
    .section .data.tables, "aw"
    .balign 4096
loader_level0:
    .quad   loader_level1 + 3
    .fill   511, 8, 0
loader_level1:
    .quad   {device}
    .quad   0x40000000 + {normal}
    .fill   510, 8, 0
kernel_level0:
    .fill   511, 8, 0
    .quad   kernel_level1 + 3
    .global kernel_level1
kernel_level1:
    .fill   512, 8, 0

    .section .bss.stack, "aw", %nobits
    .balign 4096
    .skip   {stack}
stack_top:
"#,
    mair = const MAIR,
    tcr = const TCR,
    sctlr = const SCTLR,
    device = const DEVICE_BLOCK,
    normal = const NORMAL_BLOCK,
    stack = const STACK_BYTES,
    main = sym crate::loader_main,
    wrong_el = sym crate::wrong_exception_level,
    exception = sym crate::unexpected_exception,
);

unsafe extern "C" {
    fn copy_blocks(to: *mut u8, from: *const u8, blocks: usize);
    fn zero_blocks(to: *mut u8, blocks: usize);
    fn sync_code(start: *const u8, end: *const u8);
    static mut kernel_level1: [u64; TABLE_ENTRIES];
}

/// Bytes that the copying loops move at once.
const BLOCK: usize = 64;

/// Copies `bytes` to `to` and zeroes what follows up to `size` bytes.
///
/// # Safety
/// `to..to + size` must be writable memory that nothing refers to, apart from `bytes`, and
/// `size >= bytes.len()`.
pub unsafe fn place(to: *mut u8, bytes: &[u8], size: usize) {
    let copied = bytes.len() & !(BLOCK - 1);
    let zeroed = (size - bytes.len()) & !(BLOCK - 1);
    // SAFETY: the first two calls write `bytes.len()` bytes from `to`, the last two the rest of
    // `size`, which the caller lets us; they read only `bytes`.
    unsafe {
        copy_blocks(to, bytes.as_ptr(), copied / BLOCK);
        to.add(copied)
            .copy_from_nonoverlapping(bytes.as_ptr().add(copied), bytes.len() - copied);
        let rest = to.add(bytes.len());
        zero_blocks(rest, zeroed / BLOCK);
        rest.add(zeroed).write_bytes(0, size - bytes.len() - zeroed);
    }
}

/// Makes what was written to `start..start + size` visible to instruction fetches.
pub fn publish_code(start: *const u8, size: usize) {
    // SAFETY: cleaning caches changes no memory; the addresses are mapped, for they were written.
    unsafe { sync_code(start, start.wrapping_add(size)) };
}

/// Maps the physical 1 GiB block `block` at entry `index` of the kernel's level 1 table.
///
/// # Safety
/// Only before the kernel is entered. `index` must be below [`TABLE_ENTRIES`] and the entry unused so
/// far: no translation of it is cached, so nothing has to be invalidated.
pub unsafe fn map_kernel_window(index: usize, block: u64) {
    // SAFETY: the table is ours, `index` is in it, and no reference to it exists.
    unsafe {
        (&raw mut kernel_level1)
            .cast::<u64>()
            .add(index)
            .write_volatile(block | NORMAL_BLOCK)
    };
    // SAFETY: barriers; the table walk sees the entry after them.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}

/// Enters the kernel; `arguments` become x0 to x5.
///
/// # Safety
/// `entry` must be mapped, and there must be a kernel that expects these arguments.
pub unsafe fn enter_kernel(entry: u64, arguments: [u64; 6]) -> ! {
    let [x0, x1, x2, x3, x4, x5] = arguments;
    // SAFETY: nothing of this program is used afterwards.
    unsafe {
        asm!(
            "br {entry}",
            entry = in(reg) entry,
            in("x0") x0, in("x1") x1, in("x2") x2, in("x3") x3, in("x4") x4, in("x5") x5,
            options(noreturn, nostack)
        )
    }
}

/// How PSCI is called: by HVC at EL1, by SMC above.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Conduit {
    /// `hvc`.
    Hypervisor,
    /// `smc`.
    SecureMonitor,
}

/// Powers the machine off (PSCI, Arm DEN 0022, `SYSTEM_OFF`); waits for ever if it cannot.
pub fn power_off(conduit: Conduit) -> ! {
    const SYSTEM_OFF: u64 = 0x8400_0008;
    // SAFETY: the call takes no memory and does not come back unless it fails.
    unsafe {
        match conduit {
            Conduit::Hypervisor => asm!("hvc #0", inout("x0") SYSTEM_OFF => _, clobber_abi("C")),
            Conduit::SecureMonitor => asm!("smc #0", inout("x0") SYSTEM_OFF => _, clobber_abi("C")),
        }
    }
    loop {
        // SAFETY: waiting has no effect on memory.
        unsafe { asm!("wfi", options(nomem, nostack, preserves_flags)) };
    }
}
