// SPDX-License-Identifier: BSD-2-Clause
//! The generic timer and the cycle counter (Arm ARM, D11 and D12), which the kernel leaves open to
//! user level: the physical timer is the server's, the virtual one the kernel's.

use core::arch::asm;

const NANOSECONDS: u128 = 1_000_000_000;

/// Nanoseconds since the counter started, at power-on.
pub fn now() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter; no memory, no side effect. The barrier keeps the read in program order.
    unsafe {
        asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags))
    };
    let frequency = frequency();
    (u128::from(ticks) * NANOSECONDS / u128::from(frequency)) as u64
}

/// The cycle counter; the kernel starts it.
pub fn cycles() -> u64 {
    let cycles: u64;
    // SAFETY: reads a counter; no memory, no side effect.
    unsafe {
        asm!("isb", "mrs {}, pmccntr_el0", out(reg) cycles, options(nomem, nostack, preserves_flags))
    };
    cycles
}

/// Instructions that were executed since the first call, modulo 2^32, time in which the processor slept not
/// counted; 0 where it does not count them (Arm ARM, D13.12: event `INST_RETIRED`).
pub fn instructions() -> u32 {
    const INST_RETIRED: u64 = 8;
    let count: u64;
    // SAFETY: has the first event counter count, and reads it; no memory, and nobody else uses it.
    unsafe {
        asm!(
            "msr pmevtyper0_el0, {event}",
            "msr pmcntenset_el0, {first}",
            "isb",
            "mrs {count}, pmevcntr0_el0",
            event = in(reg) INST_RETIRED,
            first = in(reg) 1u64,
            count = out(reg) count,
            options(nomem, nostack, preserves_flags),
        )
    };
    count as u32
}

/// Raises the timer's interrupt at this time, or not at all.
pub fn arm(deadline: Option<u64>) {
    let control: u64 = match deadline {
        None => 0,
        Some(at) => {
            // Rounded up: an interrupt that is early would find nothing due, and come again.
            let ticks = (u128::from(at) * u128::from(frequency())).div_ceil(NANOSECONDS) as u64;
            // SAFETY: the physical timer is the server's alone; its interrupt goes to the service
            // thread and changes no memory.
            unsafe {
                asm!("msr cntp_cval_el0, {}", in(reg) ticks, options(nomem, nostack, preserves_flags))
            };
            1
        }
    };
    // SAFETY: as above. The barrier has the timer see the change before whatever follows.
    unsafe {
        asm!("msr cntp_ctl_el0, {}", "isb", in(reg) control, options(nomem, nostack, preserves_flags))
    };
}

/// Ticks a second.
fn frequency() -> u64 {
    let frequency: u64;
    // SAFETY: reads a constant of the machine.
    unsafe {
        asm!("mrs {}, cntfrq_el0", out(reg) frequency, options(nomem, nostack, preserves_flags, pure))
    };
    frequency.max(1)
}
