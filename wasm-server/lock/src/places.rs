// SPDX-License-Identifier: BSD-2-Clause
//! Which places of a [`Sleep`](crate::Sleep) are taken.

#[cfg(not(loom))]
use core::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

#[cfg(loom)]
use loom::sync::atomic::{
    AtomicU64,
    Ordering::{AcqRel, Relaxed},
};

/// A bit for each of `64 * WORDS` places, set when taken.
pub struct Places<const WORDS: usize>(pub(crate) [AtomicU64; WORDS]);

impl<const WORDS: usize> Places<WORDS> {
    /// None is taken.
    #[cfg(not(loom))]
    #[expect(clippy::new_without_default, reason = "only ever in a static")]
    pub const fn new() -> Self {
        Self([const { AtomicU64::new(0) }; WORDS])
    }

    /// Takes one that is free.
    pub fn take(&self) -> Option<usize> {
        self.0.iter().enumerate().find_map(|(i, word)| {
            let lowest_free = |taken: u64| taken.checked_add(1).map(|next| taken | next);
            let taken = word.fetch_update(AcqRel, Relaxed, lowest_free).ok()?;
            Some(i * 64 + taken.trailing_ones() as usize)
        })
    }

    /// Gives one back.
    pub fn put_back(&self, place: usize) {
        if let Some(word) = self.0.get(place / 64) {
            word.fetch_and(!(1 << (place % 64)), AcqRel);
        }
    }
}
