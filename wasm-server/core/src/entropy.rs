// SPDX-License-Identifier: BSD-2-Clause
//! Unpredictable bytes.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use sha2::{Digest, Sha256};

use atoll_abi::message::EntropySource;

/// A generator that is as good as its seed.
pub(crate) struct Generator(ChaCha20Rng);

impl Generator {
    /// From these parts, each with its length.
    pub fn new(seed: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in seed {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self(ChaCha20Rng::from_seed(hash.finalize().into()))
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }

    /// Another generator, which says nothing of this one.
    pub fn fork(&mut self) -> Self {
        Self(ChaCha20Rng::from_rng(&mut self.0))
    }

    /// Until a device serves it, clock, counter and key: what an observer of the machine may guess and a
    /// guest may not.
    pub const fn source() -> EntropySource {
        EntropySource::Seed
    }
}
