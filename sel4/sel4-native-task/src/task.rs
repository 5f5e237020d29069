// SPDX-License-Identifier: BSD-2-Clause
//! What the spec gave the task.

use core::ops::Range;
use core::sync::atomic::{AtomicU32, Ordering};

use native_handoff::{CNODE_BITS, Given, Handoff, MAX_GIVEN, Untyped, slot};
use sel4::{Cap, CapType, cap};

use crate::{Channel, Memory};

/// The task, as the root task's handoff describes it.
#[derive(Debug)]
pub struct Task {
    handoff: Handoff<'static>,
    /// The channels that somebody has, a bit for the place of each.
    taken: AtomicU32,
}

const _: () = assert!(MAX_GIVEN <= u32::BITS as usize);

impl Task {
    pub(crate) fn new(handoff: Handoff<'static>) -> Self {
        let taken = AtomicU32::new(0);
        Self { handoff, taken }
    }

    /// Its name in the spec.
    pub fn name(&self) -> &'static str {
        self.handoff.name
    }

    /// Its arguments.
    pub fn args(&self) -> impl Iterator<Item = &'static str> {
        self.handoff.args.iter().copied()
    }

    /// Everything that its section in the spec lists, in that order.
    pub fn given(&self) -> &[Given<'static>] {
        &self.handoff.given
    }

    /// The capability in a slot of the spec. Of which type it is, the caller knows; the kernel refuses what the
    /// object cannot do.
    pub fn cap<T: CapType>(&self, name: &str) -> Option<Cap<T>> {
        let given = self.handoff.given(name)?;
        (given.cptr != slot::NULL).then(|| Cap::from_bits(given.cptr))
    }

    /// The memory in a slot of the spec: a frame or a channel.
    pub fn memory(&self, name: &str) -> Option<Memory> {
        Memory::of(self.handoff.given(name)?)
    }

    /// The channel in a slot of the spec; none if there is none, or it has been taken before.
    pub fn channel(&self, name: &str) -> Option<Channel> {
        let given = self.handoff.given(name)?;
        let place = given.channel?;
        let bit = 1 << (u32::from(place) % u32::BITS);
        let memory = Memory::of(given)?;
        let is_free = self.taken.fetch_or(bit, Ordering::Relaxed) & bit == 0;
        is_free
            .then(|| Channel::open(&self.handoff, place, memory))
            .flatten()
    }

    /// Its process id, by which those who hold one of its channels find out whether it lives. It is another one in each of
    /// its lives.
    pub fn pid(&self) -> u32 {
        self.handoff.pid
    }

    /// Its notification, which those with whom it shares channels signal. Copies of this capability can have badges of
    /// the task's own choice, for whatever else it is to wait for: bit 0, and those from 28 on, are no channel's.
    pub fn notification(&self) -> cap::Notification {
        Cap::from_bits(slot::NOTIFICATION)
    }

    /// The untypeds that were left, the largest first, if the spec gives them to this task.
    pub fn left(&self) -> impl Iterator<Item = Untyped> {
        self.handoff.left.iter()
    }

    /// Slots of its CNode that are empty.
    pub fn free_slots(&self) -> Range<u64> {
        self.handoff.free_slot..1 << CNODE_BITS
    }

    /// Its CNode; slots in it have depth 64.
    pub fn cnode(&self) -> cap::CNode {
        Cap::from_bits(slot::CNODE)
    }

    /// Its address space.
    pub fn vspace(&self) -> cap::VSpace {
        Cap::from_bits(slot::VSPACE)
    }

    /// Its first thread.
    pub fn tcb(&self) -> cap::Tcb {
        Cap::from_bits(slot::TCB)
    }
}

/// What the `main` of a task may return.
pub trait End {
    /// Whether it ended well. What did not is printed.
    fn ended_well(self) -> bool;
}

impl End for () {
    fn ended_well(self) -> bool {
        true
    }
}

impl<T: End, E: core::fmt::Display> End for Result<T, E> {
    fn ended_well(self) -> bool {
        match self {
            Ok(value) => value.ended_well(),
            Err(error) => {
                crate::println!("{error}");
                false
            }
        }
    }
}

impl End for core::convert::Infallible {
    fn ended_well(self) -> bool {
        match self {}
    }
}
