// SPDX-License-Identifier: BSD-2-Clause
//! What a region has to do with the other programs that hold it, too (`wasm_state::ledger`).

use alloc::vec::Vec;

use atoll_abi::{Error, Pid};
use wasm_state::ledger::{Other, Own};

use crate::{
    Lock,
    platform::{Home, Platform, SharedRegion},
    process::program_of,
    region::Sleepers,
};

/// See the module.
pub(crate) struct Common<P: Platform> {
    /// What [`Platform::serve`] answers when another program has rung.
    pub signal: u32,
    own: Own<P::Page, Lock<P, u32>>,
    others: Vec<Peer<P>>,
}

/// Another program.
struct Peer<P: Platform> {
    program: u8,
    page: Other<P::Page>,
    /// Has its service thread hear.
    waker: <P::Home as Home>::Waker,
    /// How often it has rung, as far as that was heard.
    seen: Lock<P, u32>,
}

impl<P: Platform> Common<P> {
    pub fn new(shared: SharedRegion<P>) -> Self {
        let others = shared.others.into_iter().map(|other| Peer {
            program: other.program,
            page: Other::new(other.page),
            waker: other.waker,
            seen: Lock::<P, _>::new(0),
        });
        Self {
            signal: shared.signal,
            own: Own::new(shared.own, Lock::<P, _>::new),
            others: others.collect(),
        }
    }

    /// Tells the others that a process holds the region.
    ///
    /// # Errors
    /// `TooMany`.
    pub fn add(&self, pid: Pid) -> Result<(), Error> {
        self.own.add(pid).map_err(|_| Error::TooMany)
    }

    /// Tells the others of those who hold it no more.
    pub fn retain(&self, holds: impl Fn(Pid) -> bool) {
        self.own.retain(holds);
    }

    /// Tells the others which bells somebody listens to.
    pub fn listen(&self, bells: impl FnOnce() -> u32) {
        self.own.listen(bells);
    }

    /// Whether a process of another program holds the region, as that one says.
    pub fn holds(&self, pid: Pid) -> bool {
        self.others
            .iter()
            .any(|other| other.program == program_of(pid) && other.page.holds(pid))
    }

    /// Rings in the other programs where somebody listens; those are to be woken.
    #[inline(never)]
    pub fn ring(&self, bells: u32, sleepers: &mut Sleepers<P>) {
        self.own.ring(bells);
        for other in &self.others {
            if other.page.listens_to(bells) {
                sleepers.add(|| other.waker.clone());
            }
        }
    }

    /// The bells that others have rung since the last call.
    pub fn heard(&self) -> u32 {
        self.others.iter().fold(0, |bells, other| {
            bells | other.page.heard(&mut other.seen.lock())
        })
    }
}
