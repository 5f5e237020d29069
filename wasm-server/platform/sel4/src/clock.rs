// SPDX-License-Identifier: BSD-2-Clause
//! The generic timer and the cycle counter (Arm ARM, D11 and D12), which the kernel leaves open to
//! user level: the physical timer is the server's, the virtual one the kernel's.

use core::{
    arch::asm,
    sync::atomic::{AtomicU8, Ordering::Relaxed},
};

use lock_api::Mutex;
use wasm_handoff::deadlines::{self, NEVER};

use crate::{lock::WordLock, shared::Page};

const NANOSECONDS: u128 = 1_000_000_000;

/// Nanoseconds since the counter started, at power-on.
pub fn now() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter; no memory, no side effect. The barrier keeps the read in program order.
    unsafe {
        asm!("isb", "mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags))
    };
    nanoseconds(ticks)
}

/// So many ticks of the counter in nanoseconds.
pub fn nanoseconds(ticks: u64) -> u64 {
    (u128::from(ticks) * NANOSECONDS / u128::from(frequency())) as u64
}

/// The counter that [`now`] is made of, as it was about here: no barrier keeps the read in its place.
#[inline]
pub fn ticks() -> u64 {
    let ticks: u64;
    // SAFETY: reads a counter; no memory, no side effect.
    unsafe { asm!("mrs {}, cntpct_el0", out(reg) ticks, options(nomem, nostack, preserves_flags)) };
    ticks
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

/// Whose the timer is: nobody's, this program's, or that of several.
static USE: AtomicU8 = AtomicU8::new(UNUSED);
const UNUSED: u8 = 0;
const ALONE: u8 = 1;
const SHARED: u8 = 2;

/// The page of the deadlines, and this program's number.
static DEADLINES: Mutex<WordLock, Option<(Page, u8)>> = Mutex::new(None);

/// The timer is this program's.
pub fn use_alone() {
    USE.store(ALONE, Relaxed);
}

/// The timer is that of all programs that have this page, of which this is the one with that number.
pub fn share(page: Page, program: u8) {
    *DEADLINES.lock() = Some((page, program));
    USE.store(SHARED, Relaxed);
}

/// Has the service thread woken at this time, or not at all; by nobody, if the spec gives no timer.
pub fn arm(deadline: Option<u64>) {
    // Rounded up: an interrupt that is early would find nothing due, and come again.
    let ticks = deadline.map_or(NEVER, |at| {
        (u128::from(at) * u128::from(frequency())).div_ceil(NANOSECONDS) as u64
    });
    match USE.load(Relaxed) {
        ALONE => set_timer(ticks),
        SHARED => arm_shared(ticks),
        _ => {}
    }
}

#[inline(never)]
fn arm_shared(ticks: u64) {
    if let Some((page, program)) = &*DEADLINES.lock() {
        deadlines::set(page, *program, ticks, set_timer);
    }
}

/// Raises the timer's interrupt at this time, or not at all.
fn set_timer(ticks: u64) {
    let control = u64::from(ticks != NEVER);
    if ticks != NEVER {
        // SAFETY: the physical timer is the server's, or that of several that have agreed on it; its interrupt
        // goes to a notification and changes no memory.
        unsafe {
            asm!("msr cntp_cval_el0, {}", in(reg) ticks, options(nomem, nostack, preserves_flags))
        };
    }
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
