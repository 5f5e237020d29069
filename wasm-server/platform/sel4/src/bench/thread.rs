// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel alone takes to start a thread and to take it away again: its TCB is made of an
//! untyped of its own, configured, and resumed, up to its first instruction; then the untyped is revoked.
//!
//! The thread that starts it has the lower priority, as when one guest starts another: the new one
//! runs at once.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sel4::{CNodeCapData, CPtr, IpcBuffer, ObjectBlueprint, cap};
use sel4_tls::ThreadStart;
use wasm_handoff::slot;
use wasm_server_core::platform::Failure;

use super::{PRIO, line};
use crate::{boot, clock, cspace};

const ROUNDS: u64 = 10;

/// What the two threads need, filled in before either runs.
static UNTYPED: AtomicU64 = AtomicU64::new(0);
static TCB: AtomicU64 = AtomicU64::new(0);
static STOP: AtomicU64 = AtomicU64::new(0);
/// When the new thread ran its first instructions.
static FIRST: AtomicU64 = AtomicU64::new(0);
/// The results; 0: the kernel refused something.
static STARTED: AtomicU64 = AtomicU64::new(0);
static STOPPED: AtomicU64 = AtomicU64::new(0);

/// Measures and prints, with the pages from `address` for the thread that starts the other.
pub fn run(pool: cap::Untyped, address: usize) -> Result<(), Failure> {
    let blueprint = ObjectBlueprint::Untyped {
        size_bits: ObjectBlueprint::Tcb.physical_size_bits(),
    };
    let first = cspace::take_own(3)?;
    cspace::retype(pool, blueprint, first, 1)
        .and_then(|()| cspace::retype(pool, ObjectBlueprint::Notification, first + 2, 1))
        .map_err(cspace::no_memory)?;
    UNTYPED.store(first, Relaxed);
    TCB.store(first + 1, Relaxed);
    STOP.store(first + 2, Relaxed);
    let root = (cspace::root(), 0);
    boot::start_service_thread(pool, address, (PRIO, PRIO + 1), root, starter, address)?;
    // Nothing else signals before the first guest starts.
    cap::Notification::from_bits(slot::NOTIFICATION).wait();
    line("thread_start_bare", STARTED.load(Relaxed));
    line("thread_stop_bare", STOPPED.load(Relaxed));
    Ok(())
}

extern "C" fn starter(buffer: usize) -> ! {
    // SAFETY: the thread's own IPC buffer, mapped for good.
    sel4::set_ipc_buffer(unsafe {
        &mut *core::ptr::with_exposed_provenance_mut::<IpcBuffer>(buffer)
    });
    // The first rounds warm up.
    for _ in 0..ROUNDS {
        let begin = clock::cycles();
        if start().is_err() {
            STARTED.store(0, Relaxed);
            break;
        }
        STARTED.store(FIRST.load(Relaxed) - begin, Relaxed);
        let begin = clock::cycles();
        // Cannot fail: it is an untyped.
        let _ = cspace::path(UNTYPED.load(Relaxed)).revoke();
        STOPPED.store(clock::cycles() - begin, Relaxed);
    }
    cap::Notification::from_bits(slot::NOTIFICATION).signal();
    loop {
        cap::Notification::from_bits(STOP.load(Relaxed)).wait();
    }
}

fn start() -> sel4::Result<()> {
    let untyped = cap::Untyped::from_bits(UNTYPED.load(Relaxed));
    let tcb = cap::Tcb::from_bits(TCB.load(Relaxed));
    cspace::retype(untyped, ObjectBlueprint::Tcb, tcb.bits(), 1)?;
    tcb.tcb_configure(
        CPtr::from_bits(slot::ROOT_FAULT_ENDPOINT),
        cspace::root(),
        CNodeCapData::new(0, 0),
        cap::VSpace::from_bits(slot::VSPACE),
        0,
        cap::Granule::from_bits(0),
    )?;
    let prio = u64::from(PRIO) + 1;
    tcb.tcb_set_sched_params(cap::Tcb::from_bits(slot::TCB), prio, prio)?;
    boot::launch(
        tcb,
        &ThreadStart {
            function: started,
            argument: 0,
            // It makes no use of either.
            stack_top: 0,
            thread_pointer: 0,
        },
    )
}

/// Runs without stack and thread-local storage: no function call that is not inlined.
#[unsafe(naked)]
extern "C" fn started(_: usize) -> ! {
    core::arch::naked_asm!(
        "isb",
        "mrs x9, pmccntr_el0",
        "adrp x10, {first}",
        "str x9, [x10, :lo12:{first}]",
        "adrp x10, {stop}",
        "ldr x0, [x10, :lo12:{stop}]",
        "mov x7, {wait}",
        "svc 0",
        "b .",
        first = sym FIRST,
        stop = sym STOP,
        wait = const sel4::sys::syscall_id::Recv,
    )
}
