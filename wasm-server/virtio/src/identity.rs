// SPDX-License-Identifier: BSD-2-Clause
//! What a device is, asked once: its answers may change later, what the server goes by does not.

use thiserror::Error;

use crate::{
    MAX_QUEUES, MAX_SIZE,
    access::{Registers, Width},
    register as reg,
};

/// VIRTIO_F_VERSION_1: the one feature of rings and transport that is offered, and it must be taken.
pub const VERSION_1: u64 = 1 << 32;

/// Features of the kind of device (virtio 1.2, 2.2). The others are of rings and transport, or reserved
/// for them: what the server does not know it does not mediate.
const OF_KIND: u64 = 0x00ff_ffff | !0 << 50;

/// Kinds of device (virtio 1.2, 5) whose requests hold no addresses: net, block, console, entropy, 9P,
/// input, socket. Others would reach memory that nobody translates: a balloon takes page numbers, a GPU
/// lists of addresses, in the *contents* of buffers.
const KINDS: [u32; 7] = [1, 2, 3, 4, 9, 18, 19];

/// What a device is.
#[derive(Clone, Copy, Debug)]
pub struct Identity {
    /// Kind of device (virtio 1.2, 5).
    pub kind: u32,
    /// Who made it.
    pub vendor: u32,
    /// What a guest is offered.
    pub features: u64,
    /// Size of each real queue, the largest of a guest's: a power of two, at most [`MAX_SIZE`]; 0: there is
    /// no such queue.
    pub sizes: [u16; MAX_QUEUES],
}

/// What is there is no device that a guest can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Unsupported {
    /// No virtio-mmio device of version 2.
    #[error(
        "no virtio-mmio device of version 2 (magic {magic:#x}, version {version}); QEMU wants force-legacy=false"
    )]
    Transport {
        /// MagicValue.
        magic: u32,
        /// Version.
        version: u32,
    },
    /// No device, or a kind that cannot be mediated.
    #[error(
        "{0} is no kind of virtio device that can be mediated (those are 1, 2, 3, 4, 9, 18, 19)"
    )]
    Kind(u32),
    /// A device of before virtio 1.0.
    #[error("the device does not offer VIRTIO_F_VERSION_1")]
    Legacy,
    /// It does not complete a reset.
    #[error("the device does not complete its reset")]
    Stuck,
}

impl Identity {
    /// Asks the device, which nobody drives.
    ///
    /// # Errors
    /// See [`Unsupported`].
    pub fn ask<R: Registers>(regs: &R) -> Result<Self, Unsupported> {
        let read = |offset| regs.read(offset, Width::Word);
        let (magic, version) = (read(reg::MAGIC_VALUE), read(reg::VERSION));
        if (magic, version) != (reg::MAGIC, 2) {
            return Err(Unsupported::Transport { magic, version });
        }
        let kind = read(reg::DEVICE_ID);
        if !KINDS.contains(&kind) {
            return Err(Unsupported::Kind(kind));
        }
        let half = |sel| {
            regs.write(reg::DEVICE_FEATURES_SEL, Width::Word, sel);
            u64::from(read(reg::DEVICE_FEATURES))
        };
        let features = (half(0) | half(1) << 32) & (OF_KIND | VERSION_1);
        if features & VERSION_1 == 0 {
            return Err(Unsupported::Legacy);
        }
        let mut sizes = [0; MAX_QUEUES];
        for (queue, size) in (0..).zip(&mut sizes) {
            regs.write(reg::QUEUE_SEL, Width::Word, queue);
            let max = read(reg::QUEUE_NUM_MAX).min(MAX_SIZE.into()) as u16;
            // The largest power of two that is no larger.
            *size = max.checked_ilog2().map_or(0, |bits| 1 << bits);
        }
        Ok(Self {
            kind,
            vendor: read(reg::VENDOR_ID),
            features,
            sizes,
        })
    }
}
