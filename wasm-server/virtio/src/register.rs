// SPDX-License-Identifier: BSD-2-Clause
//! The register file of a virtio-mmio device, version 2 (virtio 1.2, table 4.1), and the bits in it.
//!
//! Shared memory regions (SHMSel and the like) and QueueReset are optional, and not there.

/// Bytes of a device's registers, its configuration included.
pub const LEN: u32 = 0x200;

/// "virt".
pub const MAGIC_VALUE: u32 = 0x00;
/// 2.
pub const VERSION: u32 = 0x04;
/// Kind of device (virtio 1.2, 5); 0: there is none.
pub const DEVICE_ID: u32 = 0x08;
/// Who made it.
pub const VENDOR_ID: u32 = 0x0c;
/// 32 features that the device offers, of those that DeviceFeaturesSel says.
pub const DEVICE_FEATURES: u32 = 0x10;
/// See DeviceFeatures.
pub const DEVICE_FEATURES_SEL: u32 = 0x14;
/// 32 features that the driver takes, of those that DriverFeaturesSel says.
pub const DRIVER_FEATURES: u32 = 0x20;
/// See DriverFeatures.
pub const DRIVER_FEATURES_SEL: u32 = 0x24;
/// Which queue the registers below are about.
pub const QUEUE_SEL: u32 = 0x30;
/// The largest size of the queue; 0: there is none.
pub const QUEUE_NUM_MAX: u32 = 0x34;
/// The queue's size.
pub const QUEUE_NUM: u32 = 0x38;
/// 1 while the queue is used.
pub const QUEUE_READY: u32 = 0x44;
/// A queue has new available entries.
pub const QUEUE_NOTIFY: u32 = 0x50;
/// Why the device interrupts: [`interrupt`].
pub const INTERRUPT_STATUS: u32 = 0x60;
/// The driver has handled these reasons.
pub const INTERRUPT_ACK: u32 = 0x64;
/// See [`status`]; 0 resets the device.
pub const STATUS: u32 = 0x70;
/// Address of the descriptor table.
pub const QUEUE_DESC_LOW: u32 = 0x80;
/// Its upper half.
pub const QUEUE_DESC_HIGH: u32 = 0x84;
/// Address of the available ring.
pub const QUEUE_DRIVER_LOW: u32 = 0x90;
/// Its upper half.
pub const QUEUE_DRIVER_HIGH: u32 = 0x94;
/// Address of the used ring.
pub const QUEUE_DEVICE_LOW: u32 = 0xa0;
/// Its upper half.
pub const QUEUE_DEVICE_HIGH: u32 = 0xa4;
/// Changes whenever the configuration does.
pub const CONFIG_GENERATION: u32 = 0xfc;
/// Configuration of this kind of device.
pub const CONFIG: u32 = 0x100;

/// What MagicValue holds.
pub const MAGIC: u32 = 0x7472_6976;

/// Bits of Status (virtio 1.2, 2.1).
pub mod status {
    /// The driver has seen the device.
    pub const ACKNOWLEDGE: u32 = 1;
    /// The driver knows how to drive it.
    pub const DRIVER: u32 = 2;
    /// The driver is ready: queues work.
    pub const DRIVER_OK: u32 = 4;
    /// Features are negotiated.
    pub const FEATURES_OK: u32 = 8;
    /// The device works no more until it is reset.
    pub const DEVICE_NEEDS_RESET: u32 = 64;
    /// The driver has given up.
    pub const FAILED: u32 = 128;
    /// What a driver may set.
    pub const DRIVERS: u32 = ACKNOWLEDGE | DRIVER | DRIVER_OK | FEATURES_OK | FAILED;
}

/// Bits of InterruptStatus and InterruptACK.
pub mod interrupt {
    /// Something was used.
    pub const USED: u32 = 1;
    /// The configuration has changed, or the device needs a reset.
    pub const CONFIG: u32 = 2;
    /// Both.
    pub const ALL: u32 = USED | CONFIG;
}
