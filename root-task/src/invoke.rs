// SPDX-License-Identifier: BSD-2-Clause
//! Names for slots of the root task's CNode, and the few invocations that everything is made with.

use root_task::problem::Problem;
use sel4::init_thread::slot;
use sel4::{AbsoluteCPtr, CPtr, Cap, CapType, ObjectBlueprint, cap};

/// Most objects of one Retype (`CONFIG_RETYPE_FAN_OUT_LIMIT`).
const FAN_OUT: usize = 256;

/// Free slots of the root task's CNode, given out from the first on and never taken back.
pub struct Slots {
    next: usize,
    end: usize,
}

impl Slots {
    /// The free slots `start..end`.
    pub fn new(start: usize, end: usize) -> Self {
        Self { next: start, end }
    }

    /// Takes `count` slots in a row; returns the first.
    pub fn take(&mut self, count: usize) -> Result<usize, Problem> {
        let first = self.next;
        if count > self.end - first {
            return Err(Problem::NoSlots);
        }
        self.next += count;
        Ok(first)
    }
}

/// The capability in a slot of the root task's CNode.
pub fn cap<T: CapType>(slot: usize) -> Cap<T> {
    CPtr::from_bits(slot as u64).cast()
}

/// A slot of the root task's CNode.
pub fn at(slot: usize) -> AbsoluteCPtr {
    slot::CNODE
        .cap()
        .absolute_cptr(CPtr::from_bits(slot as u64))
}

/// Makes `count` objects from an untyped into a row of slots.
pub fn retype(
    untyped: usize,
    blueprint: ObjectBlueprint,
    first: usize,
    count: usize,
    doing: &'static str,
) -> Result<(), Problem> {
    let root = slot::CNODE.cap().absolute_cptr_for_self();
    for done in (0..count).step_by(FAN_OUT) {
        cap::<sel4::cap_type::Untyped>(untyped)
            .untyped_retype(&blueprint, &root, first + done, FAN_OUT.min(count - done))
            .map_err(refused(doing))?;
    }
    Ok(())
}

/// Deletes everything that derives from the capability in a slot.
pub fn revoke(slot: usize, doing: &'static str) -> Result<(), Problem> {
    at(slot).revoke().map_err(refused(doing))
}

/// Turns the kernel's refusal of `doing` into a problem.
pub fn refused(doing: &'static str) -> impl FnOnce(sel4::Error) -> Problem {
    move |error| {
        let why = match error {
            sel4::Error::InvalidArgument => "an argument is invalid",
            sel4::Error::InvalidCapability => "a capability is missing or of the wrong kind",
            sel4::Error::IllegalOperation => "the operation is not allowed",
            sel4::Error::RangeError => "an argument is out of range",
            sel4::Error::AlignmentError => "an address is not aligned",
            sel4::Error::FailedLookup => "a slot or a page table is missing",
            sel4::Error::TruncatedMessage => "the message is too short",
            sel4::Error::DeleteFirst => "the slot or the mapping is in use",
            sel4::Error::RevokeFirst => "capabilities derive from it",
            sel4::Error::NotEnoughMemory => "the untyped has no room left",
        };
        Problem::Refused { doing, why }
    }
}

/// Gives a VSpace an ASID of the root task's pool.
pub fn assign_asid(vspace: usize) -> Result<(), Problem> {
    slot::ASID_POOL
        .cap()
        .asid_pool_assign(cap(vspace))
        .map_err(|error| match error {
            sel4::Error::DeleteFirst => Problem::NoAsid,
            other => refused("give the VSpace an ASID")(other),
        })
}

/// The VSpace of the root task.
pub fn own_vspace() -> cap::VSpace {
    slot::VSPACE.cap()
}
