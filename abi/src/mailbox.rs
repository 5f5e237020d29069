// SPDX-License-Identifier: BSD-2-Clause
//! The wake mailbox: a ring of task ids in the guest's own memory.
//!
//! Only the server writes ids and the tail; only the guest writes the head. Both are free-running
//! counters of 32 bits. Whether the guest is parked, and how far the server has written, the server
//! keeps to itself, so a guest that scribbles over its mailbox loses its own wakes and nothing else.
//!
//! | offset | word | written by |
//! |---|---|---|
//! | 0 | version, [`VERSION`] | the guest, before `register` |
//! | 4 | capacity, a power of two up to [`MAX_CAPACITY`] | the guest, before `register` |
//! | 8 | head: ids taken | the guest |
//! | 12 | tail: ids put | the server |
//! | 16 | overflow: not 0 when ids were dropped because the ring was full | the server sets, the guest clears |
//! | 20.. | ids, `capacity` words | the server |

use crate::describe::constants;

constants! {
    /// Layout version.
    VERSION: u32 = 1;
    /// Most ids a mailbox can hold.
    MAX_CAPACITY: u32 = 4096;
    /// Offset of the version.
    OFFSET_VERSION: u32 = 0;
    /// Offset of the capacity.
    OFFSET_CAPACITY: u32 = 4;
    /// Offset of the head.
    OFFSET_HEAD: u32 = 8;
    /// Offset of the tail.
    OFFSET_TAIL: u32 = 12;
    /// Offset of the overflow word.
    OFFSET_OVERFLOW: u32 = 16;
    /// Offset of the first id.
    OFFSET_RING: u32 = 20;
}

/// Bytes of a mailbox of this capacity.
pub const fn bytes(capacity: u32) -> u32 {
    OFFSET_RING + 4 * capacity
}
