// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel alone takes for a wake there and back, as the measure of what guests get.
//!
//! Two threads of equal priority, as guests have them, signal each other's notification and wait for
//! their own. Runs before any guest, and prints `bench signal_wait_bare VALUE`, in cycles for one round.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sel4::{ObjectBlueprint, cap};
use wasm_handoff::slot;
use wasm_server_core::platform::Failure;

use crate::{boot, clock, console, cspace, vspace};

/// Below the server, which sleeps meanwhile.
const PRIO: u8 = 100;
const WARM_UP: u64 = 100;
const ROUNDS: u64 = 1000;

/// Capabilities of the notifications of the thread that measures, and of the one that answers.
static PING: AtomicU64 = AtomicU64::new(0);
static PONG: AtomicU64 = AtomicU64::new(0);
static CYCLES: AtomicU64 = AtomicU64::new(0);

/// Measures and prints.
///
/// # Errors
/// The pool has not enough memory for two threads.
pub fn run(pool: cap::Untyped) -> Result<(), Failure> {
    let first = cspace::take_own(2)?;
    cspace::retype_own(pool, ObjectBlueprint::Notification, first, 2).map_err(cspace::no_memory)?;
    PING.store(first, Relaxed);
    PONG.store(first + 1, Relaxed);
    // The first place is the fault thread's.
    for (place, function) in [(1, ping as extern "C" fn(usize) -> !), (2, pong)] {
        let control = vspace::SERVICE + place * boot::SERVICE_THREAD_BYTES;
        boot::start_service_thread(pool, control, PRIO, function, 0)?;
    }
    // Nothing else signals before the first guest starts.
    cap::Notification::from_bits(slot::NOTIFICATION).wait();
    console::line(format_args!("bench signal_wait_bare {}", CYCLES.load(Relaxed) / ROUNDS));
    Ok(())
}

/// The notifications of [`ping`] and [`pong`].
fn notifications() -> (cap::Notification, cap::Notification) {
    (cap::Notification::from_bits(PING.load(Relaxed)), cap::Notification::from_bits(PONG.load(Relaxed)))
}

extern "C" fn ping(_: usize) -> ! {
    let (own, other) = notifications();
    let rounds = |count| {
        let begin = clock::cycles();
        for _ in 0..count {
            other.signal();
            own.wait();
        }
        clock::cycles() - begin
    };
    rounds(WARM_UP);
    CYCLES.store(rounds(ROUNDS), Relaxed);
    cap::Notification::from_bits(slot::NOTIFICATION).signal();
    loop {
        own.wait();
    }
}

extern "C" fn pong(_: usize) -> ! {
    let (other, own) = notifications();
    loop {
        own.wait();
        other.signal();
    }
}
