// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel alone takes for what guests get, as its measure; and the steps of what they get.
//!
//! Runs before any guest, and prints lines `bench NAME VALUE`, in cycles. Here: a wake there and back. Two
//! threads of equal priority, as guests have them, signal each other's notification and wait for
//! their own. Their CSpace is one small CNode, the cheapest there is.

pub mod disk;
mod dma;
mod frame;
mod native;
pub mod net;
mod ring;
pub mod steps;
mod thread;

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sel4::{CapRights, ObjectBlueprint, cap};
use wasm_handoff::slot;
use wasm_server_core::platform::{Failure, Platform};

use crate::{boot, clock, console, cspace, platform::Sel4, vspace};

/// Below the server, which sleeps meanwhile.
const PRIO: u8 = 100;
/// Nanoseconds until the timer's interrupt.
const TIMER: u64 = 100_000;
const WARM_UP: u64 = 100;
const ROUNDS: u64 = 1000;

/// log2 of the slots of the threads' CNode.
const CNODE_BITS: usize = 2;
/// Its slots: what the thread that measures waits for, what the one that answers waits for, and what
/// the server waits for.
const PING: u64 = 1;
const PONG: u64 = 2;
const SERVER: u64 = 3;

/// Of rounds in two system calls each way, and in one.
static SEPARATE: AtomicU64 = AtomicU64::new(0);
static JOINED: AtomicU64 = AtomicU64::new(0);

/// Measures and prints.
///
/// # Errors
/// The pool has not enough memory for two threads.
pub fn run(pool: cap::Untyped) -> Result<(), Failure> {
    let node = make_cspace(pool)?;
    // The first place is the fault thread's.
    let place = |number| vspace::SERVICE + number * boot::SERVICE_THREAD_BYTES;
    for (number, function) in [(1, ping as extern "C" fn(usize) -> !), (2, pong)] {
        let root = (node, 64 - CNODE_BITS);
        boot::start_service_thread(pool, place(number), (PRIO, 0), root, function, 0)?;
    }
    // Nothing else signals before the first guest starts.
    notification(slot::NOTIFICATION).wait();
    line("signal_wait_bare", SEPARATE.load(Relaxed) / ROUNDS);
    line("signal_wait_joined_bare", JOINED.load(Relaxed) / ROUNDS);
    ring::run();
    thread::run(pool, place(3))?;
    frame::run(pool, place(4))
}

/// Measures what the kernel takes from a moment to the return of whoever waits for it: the timer is
/// armed, its interrupt delivered, and acknowledged. Where a cycle is a nanosecond, as counted, the time
/// slept is taken off.
pub fn timer(platform: &Sel4) {
    let mut cycles = 0;
    // The first rounds warm up.
    for _ in 0..10 {
        let (now, begin) = (clock::now(), clock::cycles());
        platform.arm(Some(now + TIMER));
        platform.serve(None);
        cycles = (clock::cycles() - begin).saturating_sub(TIMER);
    }
    line("timer_bare", cycles);
}

fn line(name: &str, cycles: u64) {
    console::line(format_args!("bench {name} {cycles}"));
}

fn make_cspace(pool: cap::Untyped) -> Result<cap::CNode, Failure> {
    let first = cspace::take_own(3)?;
    cspace::retype(
        pool,
        ObjectBlueprint::CNode {
            size_bits: CNODE_BITS,
        },
        first,
        1,
    )
    .and_then(|()| cspace::retype(pool, ObjectBlueprint::Notification, first + 1, 2))
    .map_err(cspace::no_memory)?;
    let node = cap::CNode::from_bits(first);
    for (to, from) in [
        (PING, first + 1),
        (PONG, first + 2),
        (SERVER, slot::NOTIFICATION),
    ] {
        node.absolute_cptr_from_bits_with_depth(to, CNODE_BITS)
            .copy(&cspace::path(from), CapRights::all())
            .map_err(|_| Failure::Refused("a CSpace for its benchmark"))?;
    }
    Ok(node)
}

fn notification(cptr: u64) -> cap::Notification {
    cap::Notification::from_bits(cptr)
}

extern "C" fn ping(_: usize) -> ! {
    let separate = |count| {
        let begin = clock::cycles();
        for _ in 0..count {
            notification(PONG).signal();
            notification(PING).wait();
        }
        clock::cycles() - begin
    };
    let joined = |count| {
        let begin = clock::cycles();
        for _ in 0..count {
            notification(PING).wait_after_signal(notification(PONG));
        }
        clock::cycles() - begin
    };
    separate(WARM_UP);
    SEPARATE.store(separate(ROUNDS), Relaxed);
    joined(WARM_UP);
    JOINED.store(joined(ROUNDS), Relaxed);
    notification(SERVER).signal();
    loop {
        notification(PING).wait();
    }
}

extern "C" fn pong(_: usize) -> ! {
    for _ in 0..WARM_UP + ROUNDS {
        notification(PONG).wait();
        notification(PING).signal();
    }
    notification(PONG).wait();
    loop {
        notification(PONG).wait_after_signal(notification(PING));
    }
}
