// SPDX-License-Identifier: BSD-2-Clause
//! Places for guests: what the server itself provides for one guest after the other.
//!
//! A place is a number, which names the guest in badges and addresses; [`SPAN`] bytes of the server's
//! address space with the page tables of the first 2 MiB; a CNode with the capability that the guest's
//! faults are sent through and room for what is made of the guest's memory, and a slot for the notification
//! of its thread; 12 KiB of the server's
//! own memory in all. It is made when no other is free, and used again when its guest is gone: all that
//! was put into it is made of the guest's memory, and vanishes with the revocation of that.

use core::{
    mem,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

use sel4::{CapRights, ObjectBlueprint, cap};
use wasm_handoff::slot;
use wasm_server_core::platform::Failure;

use crate::{
    cspace::{self, Directory},
    vspace::{self, TableLevel},
};

/// Bytes of addresses of one guest.
pub const SPAN: usize = 8 << 30;
/// Bytes from the start of a place that have their page tables.
pub const COVERED: usize = TableLevel::Table.covers();
/// Numbers are below.
pub const NUMBERS: usize = cspace::NODES;

/// Offset of the code of the modules that the guest has loaded, which ends with the place.
pub const CODE: usize = 7 << 30;

/// First address of the first place; a multiple of what one top-level entry covers, so that no page
/// table is shared with what the root task mapped.
const FIRST: usize = 512 << 30;
/// log2 of the slots of the CNode.
const SLOT_BITS: usize = 7;
/// Slots that the place itself takes: the fault endpoint, then the page tables.
const OWN_SLOTS: u64 = 3;

/// Places that were made and are free, a bit each.
static FREE: [AtomicU64; NUMBERS / 64] = [const { AtomicU64::new(0) }; NUMBERS / 64];

/// See the module.
#[derive(Debug)]
pub struct Place {
    number: u64,
}

impl Place {
    /// Takes one that is free, or makes one of the server's own memory.
    pub fn take(pool: cap::Untyped) -> Result<Self, Failure> {
        for (i, word) in FREE.iter().enumerate() {
            let mut free = word.load(Ordering::Acquire);
            while free != 0 {
                let bit = free.trailing_zeros();
                let taken = free & !(1 << bit);
                match word.compare_exchange(free, taken, Ordering::AcqRel, Ordering::Acquire) {
                    Ok(_) => {
                        let number = i as u64 * 64 + u64::from(bit);
                        return Ok(Self { number });
                    }
                    Err(now) => free = now,
                }
            }
        }
        Self::make(pool)
    }

    fn make(pool: cap::Untyped) -> Result<Self, Failure> {
        let node = Directory::new(SLOT_BITS, |blueprint, slot| make_own(pool, blueprint, slot))?;
        let number = node.index();
        if let Err(failure) = Self::furnish(pool, number, node.slots().start) {
            node.delete();
            return Err(failure);
        }
        // The number stays taken for good.
        mem::forget(node);
        Ok(Self { number })
    }

    fn furnish(pool: cap::Untyped, number: u64, own: u64) -> Result<(), Failure> {
        let start = Self::start_of(number);
        cspace::path(own)
            .mint(
                &cspace::path(slot::FAULT_ENDPOINT),
                CapRights::new(false, true, false, true),
                number,
            )
            .map_err(|_| Failure::Refused("an endpoint for faults"))?;
        vspace::cover(pool, start)?;
        for (slot, level) in (own + 1..).zip([TableLevel::Directory, TableLevel::Table]) {
            make_own(pool, level.blueprint(), slot)?;
            vspace::map_table(slot, level, start)?;
        }
        Ok(())
    }

    /// The number, from 1.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The first address.
    pub fn start(&self) -> usize {
        Self::start_of(self.number)
    }

    fn start_of(number: u64) -> usize {
        FIRST + (number as usize - 1) * SPAN
    }

    /// The capability that the guest's faults are sent through, badged with the number.
    pub fn fault_endpoint(&self) -> u64 {
        cspace::slots(self.number, SLOT_BITS).start
    }

    /// A slot for the notification of the guest's thread.
    pub fn notification(&self) -> u64 {
        cspace::notification(self.number)
    }

    /// Slots for what is made of the guest's memory.
    pub fn slots(&self) -> Range<u64> {
        let slots = cspace::slots(self.number, SLOT_BITS);
        slots.start + OWN_SLOTS..slots.end
    }

    /// Whether an address is where guests' modules are.
    pub fn is_code(address: usize) -> bool {
        Self::at(address).is_some() && (address - FIRST) % SPAN >= CODE
    }

    /// The number of the place that an address is in.
    pub fn at(address: usize) -> Option<usize> {
        let number = address.checked_sub(FIRST)? / SPAN + 1;
        (number < NUMBERS).then_some(number)
    }
}

/// Free for the next guest. Everything in it has gone with the guest's memory.
impl Drop for Place {
    fn drop(&mut self) {
        let (word, bit) = (self.number as usize / 64, self.number % 64);
        FREE[word].fetch_or(1 << bit, Ordering::Release);
    }
}

fn make_own(pool: cap::Untyped, blueprint: ObjectBlueprint, slot: u64) -> Result<(), Failure> {
    cspace::retype(pool, blueprint, slot, 1)
        .map_err(|_| Failure::Exhausted("memory for places of guests"))
}
