// SPDX-License-Identifier: BSD-2-Clause
//! Share tokens: unguessable, single use.

use alloc::{collections::BTreeMap, sync::Arc};

use atoll_abi::{Error, Pid, Rights, TOKEN_BYTES};
use sha2::{Digest, Sha256};

use crate::{platform::Platform, region::Region};

/// Most tokens of one guest that nobody has taken up.
const MAX_TOKENS: usize = 64;

/// What a token stands for.
pub(crate) struct Shared<P: Platform> {
    /// The region.
    pub region: Arc<Region<P>>,
    /// With these rights.
    pub rights: Rights,
    /// Who shared it.
    by: Pid,
}

/// The tokens that wait to be taken up.
///
/// A token is a hash of a secret and a counter. The secret is as good as its seed: until a device
/// serves entropy, the boot time and the archive's signature, which an observer of the machine may
/// know and a guest may not.
pub(crate) struct Tokens<P: Platform> {
    secret: [u8; 32],
    counter: u64,
    waiting: BTreeMap<[u8; TOKEN_BYTES], Shared<P>>,
}

impl<P: Platform> Tokens<P> {
    /// With a secret made from the seed.
    pub fn new(seed: &[&[u8]]) -> Self {
        let mut hash = Sha256::new();
        for part in seed {
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part);
        }
        Self {
            secret: hash.finalize().into(),
            counter: 0,
            waiting: BTreeMap::new(),
        }
    }

    /// A new token.
    ///
    /// # Errors
    /// `TooMany` if this guest has too many that nobody took up.
    pub fn issue(
        &mut self,
        region: Arc<Region<P>>,
        rights: Rights,
        by: Pid,
    ) -> Result<[u8; TOKEN_BYTES], Error> {
        if self.waiting.values().filter(|s| s.by == by).count() >= MAX_TOKENS {
            return Err(Error::TooMany);
        }
        self.counter += 1;
        let hash = Sha256::new()
            .chain_update(self.secret)
            .chain_update(self.counter.to_le_bytes())
            .finalize();
        let mut token = [0; TOKEN_BYTES];
        token.copy_from_slice(&hash[..TOKEN_BYTES]);
        self.waiting.insert(token, Shared { region, rights, by });
        Ok(token)
    }

    /// Takes a token up; it is worth nothing afterwards.
    ///
    /// # Errors
    /// `BadToken`.
    pub fn redeem(&mut self, token: &[u8; TOKEN_BYTES]) -> Result<Shared<P>, Error> {
        self.waiting.remove(token).ok_or(Error::BadToken)
    }

    /// Drops what a guest shared, and every token for a region of its.
    pub fn forget(&mut self, guest: Pid) {
        self.waiting
            .retain(|_, s| s.by != guest && s.region.owner != Some(guest));
    }
}
