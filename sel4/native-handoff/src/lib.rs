// SPDX-License-Identifier: BSD-2-Clause
//! What the root task tells a native task at its start, and where it put things.
//!
//! A postcard [`Handoff`] on read-only pages of the task's VSpace, whose address and length are in x0 and
//! x1 at the task's entry point; x2 is the address of the IPC buffer of its first thread, and SP is the top
//! of its stack.
//!
//! The task's CSpace is one CNode of [`CNODE_BITS`]: a capability pointer is the number of a slot.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

use heapless::Vec;
use serde::{Deserialize, Serialize};

/// log2 of the slots of the task's CNode.
pub const CNODE_BITS: usize = 10;
/// [`Handoff::magic`].
pub const MAGIC: [u8; 4] = *b"TASK";
/// Most arguments.
pub const MAX_ARGS: usize = 16;
/// Most capabilities that the spec gives one task.
pub const MAX_GIVEN: usize = 32;
/// Most [`Peer`]s of one task.
pub const MAX_PEERS: usize = 64;

/// Label of the message to [`slot::FIRST_FAULT_ENDPOINT`] with which a task ends; its first word is 0 if
/// all went well. Labels of faults are smaller.
pub const EXIT: u64 = 0x100;

/// Slots with a fixed meaning; the numbers are capability pointers. What is not named here, nor in the
/// [`Handoff`], is empty.
pub mod slot {
    /// Never holds a capability.
    pub const NULL: u64 = 0;
    /// The task's CNode.
    pub const CNODE: u64 = 1;
    /// Its VSpace.
    pub const VSPACE: u64 = 2;
    /// The TCB of its first thread.
    pub const TCB: u64 = 3;
    /// The root task's fault endpoint (send only), for the task's own further threads.
    pub const FAULT_ENDPOINT: u64 = 4;
    /// The same, badged for the first thread: its fault handler.
    pub const FIRST_FAULT_ENDPOINT: u64 = 5;
    /// A notification of the task's own, bound to nothing: those with whom it shares channels signal it
    /// ([`Channel::signal`](super::Channel::signal)). It outlives the task.
    pub const NOTIFICATION: u64 = 6;
    /// The first capability of the task's section in the spec; the others follow in the order of the text.
    pub const FIRST_GIVEN: u64 = 8;
}

/// Where things are in the task's VSpace. Between them pages stay unmapped, so the stack and each frame
/// have a guard on both sides.
pub mod vspace {
    /// The program may lie from here to [`PROGRAM_END`]; below is unmapped, so that null pointers
    /// fault.
    pub const PROGRAM_START: u64 = 0x1_0000;
    /// End of the room for the program.
    pub const PROGRAM_END: u64 = 0x4000_0000;
    /// End of the first thread's stack.
    pub const STACK_TOP: u64 = 0x4200_0000;
    /// Most bytes of that stack.
    pub const STACK_ROOM: u64 = 0x1ff_0000;
    /// The first thread's IPC buffer.
    pub const IPC_BUFFER: u64 = 0x4201_0000;
    /// The [`Handoff`](super::Handoff).
    pub const HANDOFF: u64 = 0x4202_0000;
    /// Pages of the handoff.
    pub const HANDOFF_PAGES: u64 = 4;
    /// The heap, up to [`FRAMES`].
    pub const HEAP: u64 = 0x8000_0000;
    /// Frames that the spec gives, each aligned to its size and at least 64 KiB.
    pub const FRAMES: u64 = 0x2_0000_0000;
    /// From here to the end of the user's half of the address space the root task maps nothing, nor
    /// any page table but that of the first 512 GiB.
    pub const FREE: u64 = 0x8_0000_0000;
}

/// Rights of a capability.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rights {
    /// R
    pub read: bool,
    /// W
    pub write: bool,
    /// G
    pub grant: bool,
    /// P
    pub grant_reply: bool,
}

/// A capability that the spec gives the task.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Given<'a> {
    /// The name of its slot in the spec.
    pub name: &'a str,
    /// Its capability pointer; 0 for what has none but is memory only.
    pub cptr: u64,
    /// Where it is mapped; 0 for what is not.
    pub vaddr: u64,
    /// Bytes of memory, mapped or not.
    pub len: u64,
    /// What the spec allows to do with it.
    pub rights: Rights,
    /// If it is a channel, its place in [`Handoff::channels`].
    pub channel: Option<u8>,
}

/// A channel, which others hold, too. The root task has made it, and keeps it when one of them ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Channel {
    /// Where the page is mapped in which this task tells the others about itself (`wasm_handoff::ledger`).
    pub ledger: u64,
    /// The bit of the badge with which the others signal this task's notification.
    pub signal: u8,
}

/// Another program that holds a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// The channel's place in [`Handoff::channels`].
    pub channel: u8,
    /// The program's number.
    pub program: u8,
    /// Where its ledger is mapped, to be read.
    pub ledger: u64,
    /// Capability to its notification, to signal it, badged for the channel; 0 for a task that may only read.
    pub notification: u64,
}

/// An untyped that was left when everything in the spec was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untyped {
    /// Its capability pointer.
    pub cptr: u64,
    /// Physical address.
    pub paddr: u64,
    /// log2 of its bytes.
    pub bits: u8,
    /// Not memory, but where devices may be.
    pub device: bool,
}

/// The message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handoff<'a> {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// The task's name in the spec.
    pub name: &'a str,
    /// Its process id, for those with whom it shares channels; another one in each of its lives.
    pub pid: u32,
    /// Bytes of the heap, zeroed, read-write, at [`vspace::HEAP`].
    pub heap: u64,
    /// First free slot of the task's CNode; everything behind it is free.
    pub free_slot: u64,
    /// Its arguments.
    pub args: Vec<&'a str, MAX_ARGS>,
    /// Its capabilities, in the order of the spec.
    #[serde(borrow)]
    pub given: Vec<Given<'a>, MAX_GIVEN>,
    /// Its channels.
    pub channels: Vec<Channel, MAX_GIVEN>,
    /// Those that hold these, too.
    pub peers: Vec<Peer, MAX_PEERS>,
    /// What was left, if the spec gives it to this task.
    #[serde(borrow)]
    pub left: Untypeds<'a>,
}

impl<'a> Handoff<'a> {
    /// Reads the message; none if it is none.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let (handoff, _): (Self, _) = postcard::take_from_bytes(bytes).ok()?;
        (handoff.magic == MAGIC).then_some(handoff)
    }

    /// The capability in a slot of the spec.
    pub fn given(&self, name: &str) -> Option<&Given<'a>> {
        self.given.iter().find(|given| given.name == name)
    }
}

/// Untypeds: their postcard messages, one behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untypeds<'a>(&'a [u8]);

impl<'a> Untypeds<'a> {
    /// Those that were written to these bytes.
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Each of them, the largest first.
    pub fn iter(&self) -> impl Iterator<Item = Untyped> + use<'a> {
        let mut rest = self.0;
        core::iter::from_fn(move || {
            let (untyped, behind) = postcard::take_from_bytes(rest).ok()?;
            rest = behind;
            Some(untyped)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RIGHTS: Rights = Rights {
        read: true,
        write: false,
        grant: false,
        grant_reply: true,
    };

    #[test]
    fn what_is_written_is_read() {
        let mut room = [0; 64];
        let untypeds =
            [(9, 0x4800_0000, 27, false), (10, 0, 12, true)].map(|(cptr, paddr, bits, device)| {
                Untyped {
                    cptr,
                    paddr,
                    bits,
                    device,
                }
            });
        let mut len = 0;
        for untyped in &untypeds {
            len += postcard::to_slice(untyped, &mut room[len..]).unwrap().len();
        }
        let shared = Given {
            name: "shared",
            cptr: 8,
            vaddr: vspace::FRAMES,
            len: 4096,
            rights: RIGHTS,
            channel: Some(0),
        };
        let channel = Channel {
            ledger: vspace::FRAMES + 0x2_0000,
            signal: 1,
        };
        let peer = Peer {
            channel: 0,
            program: 3,
            ledger: vspace::FRAMES + 0x4_0000,
            notification: 9,
        };
        let handoff = Handoff {
            magic: MAGIC,
            name: "echo",
            pid: 7,
            heap: 0,
            free_slot: 11,
            args: Vec::from_slice(&["a", "b"]).unwrap(),
            given: Vec::from_slice(&[shared]).unwrap(),
            channels: Vec::from_slice(&[channel]).unwrap(),
            peers: Vec::from_slice(&[peer]).unwrap(),
            left: Untypeds::of(&room[..len]),
        };
        let mut bytes = [0; 256];
        postcard::to_slice(&handoff, &mut bytes).unwrap();
        {
            let read = Handoff::read(&bytes).unwrap();
            assert_eq!((read.name, &read.args[..]), ("echo", ["a", "b"].as_slice()));
            assert_eq!(read.given("shared"), Some(&shared));
            assert_eq!(read.given("other"), None);
            assert_eq!((read.pid, &read.channels[..]), (7, [channel].as_slice()));
            assert_eq!(read.peers, [peer]);
            assert!(read.left.iter().eq(untypeds));
        }
        bytes[0] ^= 1;
        assert!(Handoff::read(&bytes).is_none());
        assert!(Handoff::read(&[]).is_none());
    }
}
