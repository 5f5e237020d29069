// SPDX-License-Identifier: BSD-2-Clause
//! The server's capability space (see `wasm-handoff`): its own CNode; one CNode for each guest,
//! made from that guest's memory; and in the root CNode itself, behind these, the notifications of the
//! guests' threads: what signals and waits find at the first level takes half as long to find.

use core::{
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use lock_api::Mutex;
use sel4::{AbsoluteCPtr, CNodeCapData, Error, ObjectBlueprint, cap};
use wasm_handoff::{OWN_BITS, ROOT_BITS, slot};
use wasm_server_core::platform::Failure;

use crate::lock::InnerLock;

/// Bits of a capability pointer that name a slot in one of the CNodes.
const SLOT_BITS: usize = 64 - ROOT_BITS;

/// Slots of the root CNode for CNodes. Those behind are for notifications.
pub const NODES: usize = 1 << (ROOT_BITS - 1);

/// The next free slot of the server's own CNode. What is put there stays.
static NEXT_OWN: AtomicU64 = AtomicU64::new(0);
/// The untyped of the server's pool, the first of those that extend it, and how many these are.
static POOL: AtomicU64 = AtomicU64::new(0);
static SPARE: AtomicU64 = AtomicU64::new(0);
static SPARES: AtomicU64 = AtomicU64::new(0);
/// Which slots of the root CNode have CNodes.
static TAKEN: Mutex<InnerLock, [u64; NODES / 64]> = Mutex::new([0; NODES / 64]);

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
    let index = cptr >> SLOT_BITS;
    if index < NODES as u64 {
        root().absolute_cptr_from_bits_with_depth(cptr, 64)
    } else {
        // In the root CNode itself: what is found there is no CNode to look further in.
        root().absolute_cptr_from_bits_with_depth(index, ROOT_BITS)
    }
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

/// Slots of the server's own CNode that are taken.
pub fn own_taken() -> u64 {
    NEXT_OWN.load(Ordering::Relaxed).min(1 << OWN_BITS)
}

/// Makes objects, with their capabilities in the slot `first` and the ones behind it in the same CNode.
pub fn retype(
    untyped: cap::Untyped,
    blueprint: ObjectBlueprint,
    first: u64,
    count: usize,
) -> sel4::Result<()> {
    let index = first >> SLOT_BITS;
    let (node, slot) = if index < NODES as u64 {
        let node = root().absolute_cptr_from_bits_with_depth(index, ROOT_BITS);
        (node, first & ((1 << SLOT_BITS) - 1))
    } else {
        (root().absolute_cptr_for_self(), index)
    };
    let make =
        |untyped: cap::Untyped| untyped.untyped_retype(&blueprint, &node, slot as usize, count);
    match make(untyped) {
        Err(Error::NotEnoughMemory) if untyped.bits() == POOL.load(Ordering::Relaxed) => {
            let first = SPARE.load(Ordering::Relaxed);
            let spares = first..first + SPARES.load(Ordering::Relaxed);
            // The smallest first: the kernel clears all of one at its first use.
            spares
                .rev()
                .map(|spare| make(cap::Untyped::from_bits(spare)))
                .find(|made| made.is_ok())
                .unwrap_or(Err(Error::NotEnoughMemory))
        }
        made => made,
    }
}

/// Names the untyped of the server's pool, and untypeds, `count` of them from `first` on, that are used when it is
/// full.
pub fn set_pool(pool: cap::Untyped, first: u64, count: u64) {
    POOL.store(pool.bits(), Ordering::Relaxed);
    SPARE.store(first, Ordering::Relaxed);
    SPARES.store(count, Ordering::Relaxed);
}

/// A CNode of a guest's: a slot of the root CNode, and room for `1 << bits` capabilities behind it.
#[derive(Debug)]
pub struct Directory {
    index: u64,
    bits: usize,
}

impl Directory {
    /// Makes one of `1 << bits` slots with the function that makes an object in a slot.
    pub fn new(
        bits: usize,
        make: impl FnOnce(ObjectBlueprint, u64) -> Result<(), Failure>,
    ) -> Result<Self, Failure> {
        let directory = Self {
            index: take_directory()?,
            bits,
        };
        // Made in a slot of the server's own and moved from there with its guard, so that nothing is
        // left behind.
        let guard = CNodeCapData::new(0, SLOT_BITS - bits);
        let mut scratch = SCRATCH.lock();
        let scratch = match *scratch {
            Some(slot) => slot,
            None => *scratch.insert(take_own(1)?),
        };
        make(ObjectBlueprint::CNode { size_bits: bits }, scratch)?;
        root()
            .absolute_cptr_from_bits_with_depth(directory.index, ROOT_BITS)
            .mutate(&path(scratch), guard.into_word())
            .map_err(|_| Failure::Refused("a place in the server's capability space"))?;
        Ok(directory)
    }

    /// Its number, from 1.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The capability pointers of its slots.
    pub fn slots(&self) -> Range<u64> {
        slots(self.index, self.bits)
    }

    /// Has it vanish with what is in it.
    pub fn delete(self) {
        // Cannot fail: the slot holds the CNode.
        let _ = root()
            .absolute_cptr_from_bits_with_depth(self.index, ROOT_BITS)
            .delete();
    }
}

/// The capability pointer of the slot for the notification of the place with this number.
pub const fn notification(number: u64) -> u64 {
    (NODES as u64 + number) << SLOT_BITS
}

/// The capability pointers of the slots of the CNode with this number and `1 << bits` slots.
pub fn slots(number: u64, bits: usize) -> Range<u64> {
    let first = number << SLOT_BITS;
    first..first + (1 << bits)
}

/// Its slot of the root CNode is free again. The CNode has gone with the memory it was made of.
impl Drop for Directory {
    fn drop(&mut self) {
        TAKEN.lock()[self.index as usize / 64] &= !(1 << (self.index % 64));
    }
}

/// Where a guest's CNode is made; the lock is held until it has moved on.
static SCRATCH: Mutex<InnerLock, Option<u64>> = Mutex::new(None);

/// The usual reason why a retype fails.
pub fn no_memory(error: Error) -> Failure {
    match error {
        Error::NotEnoughMemory => Failure::NoMemory("its kernel objects"),
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
