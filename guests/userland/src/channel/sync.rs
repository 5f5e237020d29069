// SPDX-License-Identifier: BSD-2-Clause
//! The atomics of a channel.

#[cfg(all(test, not(loom)))]
pub(super) use crate::sys::steps::{AtomicU32, AtomicU64};
#[cfg(not(loom))]
pub(super) use core::sync::atomic::fence;
#[cfg(not(any(test, loom)))]
pub(super) use core::sync::atomic::{AtomicU32, AtomicU64};
#[cfg(loom)]
pub(super) use loom::sync::atomic::{AtomicU32, AtomicU64, fence};

pub(super) use core::sync::atomic::Ordering;

/// Stands between a store and a load that are both sequentially consistent, where each side of a
/// channel says something and then looks at what the other says. The two orderings are enough; loom
/// takes them for acquire and release, and has to be told.
#[inline(always)]
pub(super) fn announce() {
    #[cfg(loom)]
    fence(Ordering::SeqCst);
}
