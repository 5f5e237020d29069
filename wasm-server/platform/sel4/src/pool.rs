// SPDX-License-Identifier: BSD-2-Clause
//! The notifications that contended locks sleep on.
//!
//! A lock holds one only while somebody waits for it, so as many as there can be threads always
//! suffice: each guest has one thread, and the server a few.

use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

use sel4::{ObjectBlueprint, cap};
use wasm_server_core::platform::Failure;

use crate::cspace;

const WORDS: usize = 16;
/// Notifications of the pool.
const SIZE: usize = WORDS * 64;

/// The capability of the first.
static FIRST: AtomicU64 = AtomicU64::new(0);
static TAKEN: [AtomicU64; WORDS] = [const { AtomicU64::new(0) }; WORDS];

/// Makes the pool. Before this a contended lock cannot be waited for; there is only one thread yet.
pub fn init(untyped: cap::Untyped) -> Result<(), Failure> {
    let first = cspace::take_own(SIZE as u64)?;
    // The kernel makes 256 at most in one call.
    for chunk in (0..SIZE).step_by(256) {
        cspace::retype_own(
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

/// Takes one.
pub fn take() -> usize {
    loop {
        for (i, word) in TAKEN.iter().enumerate() {
            let taken = word.load(Relaxed);
            let bit = taken.trailing_ones();
            if bit < 64
                && word
                    .compare_exchange(taken, taken | 1 << bit, AcqRel, Relaxed)
                    .is_ok()
            {
                return i * 64 + bit as usize;
            }
        }
    }
}

/// Gives one back; nobody sleeps on it, and no signal is on its way.
pub fn put_back(place: usize) {
    TAKEN[place / 64].fetch_and(!(1 << (place % 64)), AcqRel);
}

/// Sleeps.
pub fn wait(place: usize) {
    notification(place).wait();
}

/// Wakes one sleeper.
pub fn signal(place: usize) {
    notification(place).signal();
}

fn notification(place: usize) -> cap::Notification {
    cap::Notification::from_bits(FIRST.load(Relaxed) + place as u64)
}
