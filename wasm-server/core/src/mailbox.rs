// SPDX-License-Identifier: BSD-2-Clause
//! The server's side of a wake mailbox (layout: `atoll_abi::mailbox`).

use atoll_abi::mailbox::{
    MAX_CAPACITY, OFFSET_CAPACITY, OFFSET_HEAD, OFFSET_OVERFLOW, OFFSET_RING, OFFSET_TAIL,
    OFFSET_VERSION, VERSION, bytes,
};

use crate::platform::{BadAddress, Home};

/// Where a guest's mailbox is, and what the server does not let the guest decide: how many ids were
/// put, and whether the guest sleeps.
#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    ring: Option<Ring>,
    parked: bool,
}

#[derive(Clone, Copy, Debug)]
struct Ring {
    address: u32,
    capacity: u32,
    tail: u32,
}

/// What a guest registered is no mailbox.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NoMailbox;

impl From<BadAddress> for NoMailbox {
    fn from(_: BadAddress) -> Self {
        Self
    }
}

impl Mailbox {
    /// Takes the mailbox at this address, emptied, in place of the one before.
    pub fn register(&mut self, home: &impl Home, address: u32) -> Result<(), NoMailbox> {
        let word = |offset| home.load(address.checked_add(offset).ok_or(BadAddress)?);
        let capacity = word(OFFSET_CAPACITY)?;
        if word(OFFSET_VERSION)? != VERSION
            || !capacity.is_power_of_two()
            || capacity > MAX_CAPACITY
        {
            return Err(NoMailbox);
        }
        // Others' threads store into it, under locks: it must not fault, now or later.
        if !home.is_private(address, bytes(capacity)) {
            return Err(NoMailbox);
        }
        for offset in [OFFSET_HEAD, OFFSET_TAIL, OFFSET_OVERFLOW] {
            home.store(address + offset, 0)?;
        }
        self.ring = Some(Ring {
            address,
            capacity,
            tail: 0,
        });
        Ok(())
    }

    /// Puts an id; says whether the guest sleeps and has to be woken. A full ring drops the id and
    /// says so in the overflow word, which has the guest look at every task.
    pub fn put(&mut self, home: &impl Home, id: u32) -> bool {
        let Some(ring) = &mut self.ring else {
            return false;
        };
        // Stores fail only outside the memory or misaligned, which `register` has excluded.
        let stored = if ring.pending(home) >= ring.capacity {
            home.store(ring.address + OFFSET_OVERFLOW, 1)
        } else {
            let slot = OFFSET_RING + 4 * (ring.tail & (ring.capacity - 1));
            ring.tail = ring.tail.wrapping_add(1);
            home.store(ring.address + slot, id)
                .and_then(|()| home.store(ring.address + OFFSET_TAIL, ring.tail))
        };
        stored.is_ok() && core::mem::take(&mut self.parked)
    }

    /// The number of ids that wait, or 0 and the guest counts as asleep from now on.
    pub fn pending_or_park(&mut self, home: &impl Home) -> u32 {
        let pending = self.ring.as_ref().map_or(0, |ring| ring.pending(home));
        self.parked = pending == 0;
        pending
    }

    /// The guest is awake, for whatever reason.
    pub fn unpark(&mut self) {
        self.parked = false;
    }

    /// Whether there is one.
    pub fn is_registered(&self) -> bool {
        self.ring.is_some()
    }

    /// Forgets the guest's memory.
    pub fn close(&mut self) {
        *self = Self::default();
    }
}

impl Ring {
    /// Ids that the guest has not taken. The head is the guest's word: whatever it says, the answer
    /// is at most the capacity, and only this guest's wakes depend on it.
    fn pending(&self, home: &impl Home) -> u32 {
        let head = home.load(self.address + OFFSET_HEAD).unwrap_or(self.tail);
        self.tail.wrapping_sub(head).min(self.capacity)
    }
}
