// SPDX-License-Identifier: BSD-2-Clause
//! What the steps of a guest's start and end take, and whether a life leaves something behind on the
//! server's heap or in its capability space.

use core::sync::atomic::{AtomicU64, Ordering::Relaxed};

use crate::{clock, console, cspace, heap, steps::Step};

const COUNT: usize = Step::Evicted as usize + 1;
/// From each point to the next.
const NAMES: [&str; COUNT - 1] = [
    "step_start_space",
    "step_start_configure",
    "step_start_prepare",
    "step_start_launch",
    "step_start_store",
    "step_start_memory",
    "step_run",
    "step_stop_schedule",
    "step_stop_revoke",
    "step_stop_place",
];

/// Of the life that is at work.
static CYCLES: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];
/// Of the last one that is over.
static LAST: [AtomicU64; COUNT] = [const { AtomicU64::new(0) }; COUNT];

/// Bytes of the heap and slots that were in use after the last life, and what the last one added.
static USED: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
static LEFT: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];

/// See [`crate::steps::mark`].
pub fn mark(step: Step) {
    CYCLES[step as usize].store(clock::cycles(), Relaxed);
    if step == Step::Evicted {
        for (last, cycles) in LAST.iter().zip(&CYCLES) {
            last.store(cycles.load(Relaxed), Relaxed);
        }
        let used = [heap::usage().1, cspace::own_taken()];
        for ((now, before), left) in used.into_iter().zip(&USED).zip(&LEFT) {
            left.store(now.wrapping_sub(before.swap(now, Relaxed)), Relaxed);
        }
    }
}

/// Prints the steps of the last life that is over, when the guest that started it ends.
pub fn print(ending: &str) {
    if ending != "bench-start" {
        return;
    }
    for (name, step) in NAMES.iter().zip(LAST.windows(2)) {
        let cycles = step[1].load(Relaxed).wrapping_sub(step[0].load(Relaxed));
        console::line(format_args!("bench {name} {cycles}"));
    }
    for (name, left) in ["life_leaves_heap", "life_leaves_slots"].iter().zip(&LEFT) {
        console::line(format_args!(
            "bench {name} {}",
            left.load(Relaxed).cast_signed()
        ));
    }
}
