// SPDX-License-Identifier: BSD-2-Clause
//! The notifications that contended locks sleep on.
//!
//! A lock holds one only while somebody waits for it, so as many as there can be threads always
//! suffice: each guest has one thread, and the server a few.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use sel4::{ObjectBlueprint, cap};
use wasm_lock::{Places, Sleep};
use wasm_server_core::platform::Failure;

use crate::cspace;

const WORDS: usize = 16;
/// Notifications of the pool.
const SIZE: usize = WORDS * 64;

/// The capability of the first.
static FIRST: AtomicU64 = AtomicU64::new(0);
static TAKEN: Places<WORDS> = Places::new();

/// Makes the pool. Before this a contended lock cannot be waited for; there is only one thread yet.
pub fn init(untyped: cap::Untyped) -> Result<(), Failure> {
    let first = cspace::take_own(SIZE as u64)?;
    // The kernel makes 256 at most in one call.
    for chunk in (0..SIZE).step_by(256) {
        cspace::retype(
            untyped,
            ObjectBlueprint::Notification,
            first + chunk as u64,
            256,
        )
        .map_err(cspace::no_memory)?;
    }
    FIRST.store(first, Relaxed);
    Ok(())
}

/// The pool, for `wasm_lock`.
pub struct Notifications;

// SAFETY: a signal wakes one sleeper or stays until somebody waits, a place is one notification, and
// a system call happens before whatever returns from the kernel because of it.
unsafe impl Sleep for Notifications {
    fn take() -> usize {
        loop {
            if let Some(place) = TAKEN.take() {
                return place;
            }
        }
    }

    fn put_back(place: usize) {
        TAKEN.put_back(place);
    }

    fn wait(place: usize) {
        notification(place).wait();
    }

    fn signal(place: usize) {
        notification(place).signal();
    }
}

fn notification(place: usize) -> cap::Notification {
    cap::Notification::from_bits(FIRST.load(Relaxed) + place as u64)
}
