// SPDX-License-Identifier: BSD-2-Clause
//! Unpredictable bytes.

use rand_chacha::{
    ChaCha20Rng,
    rand_core::{RngCore, SeedableRng},
};
use sha2::{Digest, Sha256};

use atoll_abi::message::EntropySource;

/// Bytes of a device that make a generator a device's: as many as a seed has.
const ENOUGH: u32 = 32;

/// A generator that is as good as the best of what went into it.
pub(crate) struct Generator {
    rng: ChaCha20Rng,
    /// Bytes that a device gave, up to [`ENOUGH`].
    fed: u32,
}

impl Generator {
    /// From these parts, each with its length.
    pub fn new(seed: &[&[u8]]) -> Self {
        Self {
            rng: seeded(seed),
            fed: 0,
        }
    }

    pub fn fill(&mut self, bytes: &mut [u8]) {
        self.rng.fill_bytes(bytes);
    }

    /// Another generator, which says nothing of this one.
    pub fn fork(&mut self) -> Self {
        Self {
            rng: ChaCha20Rng::from_rng(&mut self.rng),
            fed: self.fed,
        }
    }

    /// Mixes in what a device gave: the digest of `len` bytes.
    ///
    /// The new seed is a hash of the old state and of that. Who knows, or chose, those bytes alone knows
    /// nothing of what comes; who knew the old state alone does no longer.
    pub fn mix(&mut self, digest: &[u8; 32], len: u32) {
        let mut state = [0; 32];
        self.rng.fill_bytes(&mut state);
        self.rng = seeded(&[&state, digest]);
        self.fed = self.fed.saturating_add(len).min(ENOUGH);
    }

    /// Until a device serves it, clock, counter and key: what an observer of the machine may guess and a
    /// guest may not.
    pub fn source(&self) -> EntropySource {
        if self.fed < ENOUGH {
            EntropySource::Seed
        } else {
            EntropySource::Device
        }
    }
}

fn seeded(parts: &[&[u8]]) -> ChaCha20Rng {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    ChaCha20Rng::from_seed(hash.finalize().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(generator: &mut Generator) -> [u8; 32] {
        let mut bytes = [0; 32];
        generator.fill(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_fed_is_mixed_with_what_was_there() {
        let fed = |seed: &[u8], digest| {
            let mut generator = Generator::new(&[seed]);
            generator.mix(digest, 32);
            bytes(&mut generator)
        };
        let one = fed(b"a", &[1; 32]);
        assert_eq!(one, fed(b"a", &[1; 32]));
        // Neither alone decides.
        assert_ne!(one, fed(b"b", &[1; 32]));
        assert_ne!(one, fed(b"a", &[2; 32]));
        assert_ne!(one, bytes(&mut Generator::new(&[b"a"])));
    }

    #[test]
    fn the_same_bytes_again_do_not_bring_a_state_back() {
        let mut generator = Generator::new(&[b"a"]);
        generator.mix(&[1; 32], 32);
        let first = bytes(&mut generator);
        generator.mix(&[1; 32], 32);
        assert_ne!(first, bytes(&mut generator));
    }

    #[test]
    fn a_seed_worth_of_bytes_makes_it_a_devices() {
        let mut generator = Generator::new(&[b"a"]);
        generator.mix(&[1; 32], 31);
        assert_eq!(generator.source(), EntropySource::Seed);
        generator.mix(&[1; 32], 1);
        assert_eq!(generator.source(), EntropySource::Device);
        generator.mix(&[1; 32], u32::MAX);
        assert_eq!(generator.source(), EntropySource::Device);
        assert_eq!(generator.fork().source(), EntropySource::Device);
    }
}
