// SPDX-License-Identifier: BSD-2-Clause
//! Drivers of devices that a guest owns.
//!
//! For virtio devices it is the crate `virtio-drivers` as it is, with a
//! [`Transport`](virtio::Transport) over the hostcalls of the group `devices` and a [`Hal`](virtio::Hal) whose DMA
//! addresses are addresses in the guest's own memory: the server checks and translates them when a queue is
//! kicked. So every page that the guest can read can be sent from, and every page that it can write
//! received into, and nothing is copied on the way.
//!
//! | device | driver |
//! |---|---|
//! | network | [`net::Nic`]: frames are received and sent where they lie |
//! | entropy | [`virtio::entropy`]: `VirtIORng`, whose calls sleep until the device has answered |
//! | disk | [`blk::Disk`]: sectors are read and written where they lie; [`virtio::block`] is `VirtIOBlk` |
//! | serial line | [`pl011::Pl011`]: bytes both ways, by interrupt |
//! | other virtio devices | [`Transport::new`](virtio::Transport::new), which is unsafe, and any driver of `virtio-drivers` |
//!
//! Unsafe code is in the module `virtio` alone.
#![no_std]
#![deny(unsafe_code)]
#![deny(missing_docs)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod blk;
mod error;
pub mod net;
pub mod pl011;
pub mod virtio;

pub use error::Error;
pub use virtio_drivers;
