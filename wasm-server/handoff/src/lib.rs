// SPDX-License-Identifier: BSD-2-Clause
//! What the root task tells a process server at its start, and where it put things.
//!
//! A postcard [`Handoff`] on read-only pages of the server's VSpace, whose address and length are in
//! x0 and x1 at the server's entry point; x2 is the address of the IPC buffer of its first thread.
//!
//! The server's CSpace has two levels, so that what is made for a guest, slots included, can come
//! out of that guest's memory: a root CNode of [`ROOT_BITS`], whose slot 0 holds the server's own
//! CNode and whose other slots are the server's to fill: with one CNode per guest, and with what is used so
//! often that one level is to do. A capability pointer is `directory << (64 - ROOT_BITS) | slot`; every
//! second-level CNode is guarded with zeros to make up the 64 bits.
#![cfg_attr(not(test), no_std)]
#![forbid(unsafe_code)]

pub mod deadlines;
pub mod ledger;
pub mod pid;

use heapless::Vec;
use serde::{Deserialize, Serialize};

/// Words of a page that programs share: 64 bits, each accessed as a whole, in an order that all of them see.
pub trait Words {
    /// Loads the word with this number; 0 if there is none.
    fn load(&self, index: usize) -> u64;
    /// Stores one; nothing if there is none, or the page is another's.
    fn store(&self, index: usize, value: u64);
}

/// log2 of the slots of the root CNode.
pub const ROOT_BITS: usize = 11;
/// log2 of the slots of the server's own CNode (slot 0 of the root CNode).
pub const OWN_BITS: usize = 14;
/// [`Handoff::magic`].
pub const MAGIC: [u8; 4] = *b"HAND";

/// Slots of the server's own CNode with a fixed meaning; the numbers are capability pointers.
pub mod slot {
    /// Never holds a capability.
    pub const NULL: u64 = 0;
    /// The root CNode of the CSpace.
    pub const ROOT_CNODE: u64 = 1;
    /// The VSpace.
    pub const VSPACE: u64 = 2;
    /// The TCB of the first thread.
    pub const TCB: u64 = 3;
    /// The notification bound to nothing yet, for the server's own use and for those who signal it
    /// ([`badge`](super::badge)). It outlives the server.
    pub const NOTIFICATION: u64 = 4;
    /// An endpoint for the faults of the guests' threads.
    pub const FAULT_ENDPOINT: u64 = 5;
    /// The root task's fault endpoint (send only), for the server's own further threads.
    pub const ROOT_FAULT_ENDPOINT: u64 = 6;
    /// The same, badged for the first thread: its fault handler.
    pub const FIRST_FAULT_ENDPOINT: u64 = 7;
}

/// Bits of the badges with which a program's notification is signalled.
pub mod badge {
    /// The timer, or the root task when a deadline of a [shared timer](crate::deadlines) has passed.
    pub const TIMER: u64 = 1;
    /// The first of the bits for [shared channels](super::SharedChannel).
    pub const FIRST_CHANNEL: u8 = 1;
    /// How many bits these have; with more channels, some have the same.
    pub const CHANNELS: u8 = 26;
    /// A server's own threads to its service thread.
    pub const NUDGE: u64 = 1 << 27;
    /// On the root task's own notification: the shared timer.
    pub const ROOT_TIMER: u64 = 1 << 27;
}

/// Words of the page that programs have in common which share the console or the timer; those of the timer are
/// [`deadlines`].
pub mod commons {
    /// Somebody is in the middle of a line of the console: 1.
    pub const LINE_BUSY: usize = 0;
    /// How often somebody has begun a line meanwhile.
    pub const LINES_CUT: usize = 1;
    /// The first of the deadlines, one for each program.
    pub const DEADLINES: usize = 2;
}

/// Where things are in the server's VSpace. Between them pages stay unmapped, so the stack and each
/// device frame have a guard on both sides.
pub mod vspace {
    /// The program may lie from here to [`PROGRAM_END`]; below is unmapped, so that null pointers
    /// fault.
    pub const PROGRAM_START: u64 = 0x1_0000;
    /// End of the room for the program.
    pub const PROGRAM_END: u64 = 0x4000_0000;
    /// End of the first thread's stack.
    pub const STACK_TOP: u64 = 0x4010_0000;
    /// Bytes of the first thread's stack.
    pub const STACK_BYTES: u64 = 64 * 1024;
    /// The first thread's IPC buffer.
    pub const IPC_BUFFER: u64 = 0x4011_0000;
    /// The [`Handoff`](super::Handoff), one page.
    pub const HANDOFF: u64 = 0x4012_0000;
    /// The compiled spec, up to [`ARCHIVE`].
    pub const SPEC: u64 = 0x4020_0000;
    /// The module archive, up to [`HEAP`].
    pub const ARCHIVE: u64 = 0x4100_0000;
    /// The heap, up to [`DEVICES`].
    pub const HEAP: u64 = 0x8000_0000;
    /// Device and other frames that the spec gives, each aligned to its size and at least 64 KiB.
    pub const DEVICES: u64 = 0x2_0000_0000;
    /// From here to the end of the user's half of the address space the root task maps nothing, nor
    /// any page table but that of the first 512 GiB.
    pub const FREE: u64 = 0x8_0000_0000;
}

/// Bytes in the server's VSpace.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Range {
    /// Virtual address.
    pub vaddr: u64,
    /// Bytes.
    pub len: u64,
}

/// A capability that the spec gives the server, or gives one of its guests through it.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Given {
    /// Index of the object in the spec.
    pub object: u16,
    /// Where its capability is.
    pub cptr: u64,
    /// Where it is mapped, for frames; 0 for others.
    pub vaddr: u64,
}

/// Most channels of one system that several programs hold.
pub const MAX_SHARED: usize = 32;
/// Most [`Holder`]s that one program is told of.
pub const MAX_HOLDERS: usize = 64;
/// Most programs in one system.
pub const MAX_PROGRAMS: usize = 16;

/// A channel that other programs hold, too.
///
/// The root task has made its frames, and keeps them when one of the programs ends.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct SharedChannel {
    /// Index of the object in the spec.
    pub object: u16,
    /// Capability of the first of its frames, 4 KiB each; the others follow slot by slot. They are not mapped.
    pub frames: u64,
    /// Whether these allow to write.
    pub write: bool,
    /// Where this program's [`ledger`] of the channel is mapped.
    pub ledger: u64,
    /// The bit of the badge with which the others signal this program's notification.
    pub signal: u8,
}

/// Another program that holds a channel.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Holder {
    /// Index of the channel in the spec.
    pub object: u16,
    /// Its number.
    pub program: u8,
    /// Where its [`ledger`] of the channel is mapped, to be read.
    pub ledger: u64,
    /// Capability to its notification, to signal it, badged for the channel.
    pub notification: u64,
}

/// The message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handoff {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// Index of this server's object in the spec.
    pub server: u16,
    /// The number of this program, below [`MAX_PROGRAMS`]: its place among the programs of the spec.
    pub program: u8,
    /// How often it was started before.
    pub life: u8,
    /// The compiled spec (`capdl::blob`), read only.
    pub spec: Range,
    /// The module archive (`wasm-archive`), read only; page aligned, in 4 KiB frames.
    pub archive: Range,
    /// Capability of the first frame of the archive; the others follow slot by slot.
    pub archive_frames: u64,
    /// The heap, zeroed, read-write.
    pub heap: Range,
    /// First free slot of the server's own CNode; everything behind it is free.
    pub free_slot: u64,
    /// Untypeds, interrupt handlers and device frames.
    pub given: Vec<Given, 64>,
    /// Capability of the first of the untypeds that were left, if the spec gives them to this server; the others
    /// follow slot by slot.
    pub left: u64,
    /// How many of them are memory, the largest first; there are others behind these.
    pub left_count: u64,
    /// The channels that other programs hold, too.
    pub shared: Vec<SharedChannel, MAX_SHARED>,
    /// Who they are.
    pub holders: Vec<Holder, MAX_HOLDERS>,
    /// Where the page is mapped that it has in common with those who share its console or its timer ([`commons`]);
    /// 0: it shares neither.
    pub commons: u64,
    /// Whether it shares the timer.
    pub shares_timer: bool,
}
