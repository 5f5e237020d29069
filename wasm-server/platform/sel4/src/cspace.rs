// SPDX-License-Identifier: BSD-2-Clause
//! The server's capability space (see `wasm-handoff`): its own CNode, and one CNode for each guest,
//! made from that guest's memory.

use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use lock_api::Mutex;
use sel4::{AbsoluteCPtr, CNodeCapData, ObjectBlueprint, cap};
use wasm_handoff::{OWN_BITS, ROOT_BITS, slot};
use wasm_server_core::platform::Failure;

use crate::lock::WordLock;

/// Guests at one time: one slot of the root CNode each, but the first.
pub const MAX_GUESTS: usize = (1 << ROOT_BITS) - 1;

/// The next free slot of the server's own CNode. What is put there stays.
static NEXT_OWN: AtomicU64 = AtomicU64::new(0);
/// Which slots of the root CNode are taken.
static TAKEN: Mutex<WordLock, [u64; (MAX_GUESTS + 1) / 64]> =
    Mutex::new([0; (MAX_GUESTS + 1) / 64]);

/// The root CNode.
pub fn root() -> cap::CNode {
    cap::CNode::from_bits(slot::ROOT_CNODE)
}

/// From here on slots of the server's own CNode are free.
pub fn init(free_slot: u64) {
    NEXT_OWN.store(free_slot, Ordering::Relaxed);
    TAKEN.lock()[0] = 1;
}

/// The slot of a capability pointer, as the destination or source of a CNode operation.
pub fn path(cptr: u64) -> AbsoluteCPtr {
    root().absolute_cptr_from_bits_with_depth(cptr, 64)
}

/// Takes `count` consecutive slots of the server's own CNode.
pub fn take_own(count: u64) -> Result<u64, Failure> {
    let first = NEXT_OWN.fetch_add(count, Ordering::Relaxed);
    if first + count <= 1 << OWN_BITS {
        Ok(first)
    } else {
        Err(Failure::Exhausted("capability slots"))
    }
}

/// Makes objects in the server's own CNode, at `first` and behind.
pub fn retype_own(
    untyped: cap::Untyped,
    blueprint: ObjectBlueprint,
    first: u64,
    count: usize,
) -> sel4::Result<()> {
    let own = root().absolute_cptr_from_bits_with_depth(0, ROOT_BITS);
    untyped.untyped_retype(&blueprint, &own, first as usize, count)
}

/// A guest's CNode: a slot of the root CNode, and room for `1 << bits` capabilities behind it.
#[derive(Debug)]
pub struct Directory {
    index: u64,
    bits: usize,
    released: AtomicBool,
}

impl Directory {
    /// Makes one of `1 << bits` slots from the guest's memory.
    pub fn new(untyped: cap::Untyped, bits: usize) -> Result<Self, Failure> {
        let directory = Self {
            index: take_directory()?,
            bits,
            released: AtomicBool::new(false),
        };
        directory.fill(untyped)?;
        Ok(directory)
    }

    fn fill(&self, untyped: cap::Untyped) -> Result<(), Failure> {
        // Made in a slot of the server's own and moved from there with its guard, so that nothing is
        // left behind.
        let guard = CNodeCapData::new(0, 64 - ROOT_BITS - self.bits);
        let mut scratch = SCRATCH.lock();
        let scratch = match *scratch {
            Some(slot) => slot,
            None => *scratch.insert(take_own(1)?),
        };
        retype_own(
            untyped,
            ObjectBlueprint::CNode {
                size_bits: self.bits,
            },
            scratch,
            1,
        )
        .map_err(no_memory)?;
        let destination = root().absolute_cptr_from_bits_with_depth(self.index, ROOT_BITS);
        destination
            .mutate(&path(scratch), guard.into_word())
            .map_err(|_| Failure::Refused("a place in the server's capability space"))
    }

    /// Its number, from 1: a name for the guest in badges and addresses.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// Its slots.
    pub fn slots(&self) -> u64 {
        1 << self.bits
    }

    /// The capability pointer of a slot.
    pub fn cptr(&self, slot: u64) -> u64 {
        self.index << (64 - ROOT_BITS) | slot
    }

    /// Makes objects in its slots, at `first` and behind.
    pub fn retype(
        &self,
        untyped: cap::Untyped,
        blueprint: ObjectBlueprint,
        first: u64,
        count: usize,
    ) -> sel4::Result<()> {
        let node = root().absolute_cptr_from_bits_with_depth(self.index, ROOT_BITS);
        untyped.untyped_retype(&blueprint, &node, first as usize, count)
    }

    /// Its place is free again. The CNode has gone with the guest's memory.
    pub fn release(&self) {
        if !self.released.swap(true, Ordering::AcqRel) {
            release_directory(self.index);
        }
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.release();
    }
}

/// Where a guest's CNode is made; the lock is held until it has moved on.
static SCRATCH: Mutex<WordLock, Option<u64>> = Mutex::new(None);

/// The usual reason why a retype fails.
pub fn no_memory(error: sel4::Error) -> Failure {
    match error {
        sel4::Error::NotEnoughMemory => Failure::NoMemory("its kernel objects"),
        _ => Failure::Refused("a kernel object"),
    }
}

fn take_directory() -> Result<u64, Failure> {
    let mut taken = TAKEN.lock();
    for (i, word) in taken.iter_mut().enumerate() {
        if *word != u64::MAX {
            let bit = word.trailing_ones();
            *word |= 1 << bit;
            return Ok(i as u64 * 64 + u64::from(bit));
        }
    }
    Err(Failure::Exhausted("places for guests"))
}

fn release_directory(index: u64) {
    TAKEN.lock()[index as usize / 64] &= !(1 << (index % 64));
}
