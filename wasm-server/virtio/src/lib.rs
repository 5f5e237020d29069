// SPDX-License-Identifier: BSD-2-Clause
//! Mediated virtio: a guest drives a device whose registers and queues only the server touches, so that
//! the device reaches no memory but the guest's, without an IOMMU.
//!
//! The guest sees the register file of a virtio-mmio device, version 2 (virtio 1.2, 4.2.2), and has split
//! virtqueues (2.7) in its own linear memory, whose descriptors hold offsets in that memory. The device
//! sees other queues, in memory of the server's. What the guest makes available is checked, translated
//! page by page and made available to the device ([`Device::kick`]); what the device has used is checked
//! and put into the guest's used ring ([`Device::collect`]).
//!
//! Guest and device are both distrusted. What either says is read once, checked, and then used. A guest
//! that breaks a rule of its queues, and a device that breaks one of its own, end in the same place: the
//! device is reset, the guest sees DEVICE_NEEDS_RESET in Status, and the call answers which rule it was
//! ([`Fault`]). Nothing else is touched by it, and nothing here panics or runs for longer than the queues
//! are long.
//!
//! Nothing here knows a platform, a handle or a lock: registers and memory are the caller's
//! ([`Registers`], [`GuestMemory`], [`QueueMemory`]).
//!
//! # Memory ordering
//! Between server and device as virtio 1.2, 2.7.13, wants it; the processor's own barriers suffice
//! because VIRTIO_F_ORDER_PLATFORM is not negotiated (6.3):
//!
//! | first | then | by |
//! |---|---|---|
//! | descriptors and ring entries are stored | the available index is stored | release of the index |
//! | the available index is stored | the device's NO_NOTIFY is loaded | full barrier |
//! | the available index is stored | QueueNotify is written | the same barrier |
//! | the used index is loaded | used entries are loaded | acquire of the index |
//! | NO_INTERRUPT is taken back | the used index is loaded | full barrier |
//!
//! The two full barriers are what loses no kick and no interrupt: of two sides that each store their own
//! word and then load the other's, one sees the other's store. The guest's rings are a thread's of its own,
//! and the same holds between it and a server's thread that collects: acquire of the available index,
//! release of the used one.
//!
//! With `--cfg loom` the barriers are loom's, and `models` runs the real queue beside a device.
#![no_std]
#![forbid(unsafe_code)]
// Whatever a guest or a device says, the server does not panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

extern crate alloc;
#[cfg(any(test, feature = "fake"))]
extern crate std;

mod access;
mod chain;
mod device;
mod error;
#[cfg(any(all(test, not(loom)), feature = "fake"))]
#[allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "tests may panic"
)]
pub mod fake;
mod identity;
#[cfg(all(test, loom))]
mod models;
mod queue;
mod real;
pub mod register;
mod rings;
#[cfg(all(test, not(loom)))]
mod tests;

pub use access::{BadAddress, Extent, GuestMemory, Page, QueueMemory, Registers, Width};
pub use chain::MAX_CHAIN;
pub use device::Device;
pub use error::{DeviceFault, DriverFault, Error, Fault};
pub use identity::{Identity, Unsupported};
pub use real::{MAX_SIZE, PAGE_SIZE};

/// Queues of a device that a guest can have; those behind do not exist for it.
pub const MAX_QUEUES: usize = 8;

// Rings and registers are little-endian, and so is what runs this.
const _: () = assert!(cfg!(target_endian = "little"));
