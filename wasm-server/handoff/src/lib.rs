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
#![no_std]
#![forbid(unsafe_code)]

use heapless::Vec;
use serde::{Deserialize, Serialize};

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
    /// The notification bound to nothing yet, for the server's own use.
    pub const NOTIFICATION: u64 = 4;
    /// An endpoint for the faults of the guests' threads.
    pub const FAULT_ENDPOINT: u64 = 5;
    /// The root task's fault endpoint (send only), for the server's own further threads.
    pub const ROOT_FAULT_ENDPOINT: u64 = 6;
    /// The same, badged for the first thread: its fault handler.
    pub const FIRST_FAULT_ENDPOINT: u64 = 7;
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

/// The message.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Handoff {
    /// [`MAGIC`].
    pub magic: [u8; 4],
    /// Index of this server's object in the spec.
    pub server: u16,
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
}
