// SPDX-License-Identifier: BSD-2-Clause
//! What the server's threads share and models can check: mailboxes, alarms and capabilities.
//!
//! Nothing here knows wasmtime, a guest or a platform. The lock is anybody's, so is the guest's memory,
//! and whatever sleeps, wakes or touches the clock is a function that the caller brings. With
//! `--cfg loom` those are loom's, and `models` runs this same code through the interleavings of a few
//! threads.
#![no_std]
#![forbid(unsafe_code)]
// Whatever a guest says, the server does not panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

pub mod alarm;
pub mod dependents;
pub mod fill;
pub mod holders;
pub mod ledger;
pub mod log;
pub mod mailbox;
#[cfg(all(test, loom))]
mod models;
mod queue;
pub mod registry;
pub mod stopwatch;

/// The models' atomics in a model, else the processor's.
mod atomic {
    #[cfg(not(loom))]
    pub use core::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
    #[cfg(loom)]
    pub use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};
}

use core::ops::DerefMut;

use lock_api::{Mutex, RawMutex};

/// A lock with what it protects.
pub trait Lock {
    /// What it protects.
    type Data;

    /// Locks it, until the answer is dropped.
    fn lock(&self) -> impl DerefMut<Target = Self::Data>;
}

impl<R: RawMutex, T> Lock for Mutex<R, T> {
    type Data = T;

    fn lock(&self) -> impl DerefMut<Target = T> {
        self.lock()
    }
}

#[cfg(all(test, not(loom)))]
impl<T> Lock for std::sync::Mutex<T> {
    type Data = T;

    fn lock(&self) -> impl DerefMut<Target = T> {
        self.lock().unwrap()
    }
}
