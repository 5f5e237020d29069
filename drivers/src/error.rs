// SPDX-License-Identifier: BSD-2-Clause
//! What a driver can fail with.

use core::fmt;

/// Why a device cannot be driven, or cannot be driven any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// The server refused a hostcall for the device, or reset the device for a reason that it names.
    Device(userland::Error),
    /// What the capability is for is no device of virtio 1: its registers begin with this magic value and version.
    NotVirtio {
        /// Register `MagicValue`.
        magic: u32,
        /// Register `Version`.
        version: u32,
    },
    /// It is a device of another type: this is its `DeviceID` (virtio 1.2, section 5).
    WrongType(u32),
    /// The driver of `virtio-drivers` gave up.
    Driver(virtio_drivers::Error),
    /// The disk has no such sector, or it is not whole sectors.
    OutOfRange,
    /// The disk takes no writes.
    ReadOnly,
    /// The disk failed to read or write there.
    Failed,
    /// The disk does not know this request.
    Unsupported,
    /// The device did not answer.
    TimedOut,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Device(error) => write!(f, "the device: {error}"),
            Self::NotVirtio { magic, version } => write!(
                f,
                "no virtio device of version 2: magic value {magic:#x}, version {version} (with QEMU, \
                 -global virtio-mmio.force-legacy=false and a device in this slot)"
            ),
            Self::WrongType(id) => write!(f, "the device is of another type, {id}"),
            Self::Driver(error) => write!(f, "the driver: {error}"),
            Self::OutOfRange => f.write_str("the disk has no such sector"),
            Self::ReadOnly => f.write_str("the disk takes no writes"),
            Self::Failed => f.write_str("the disk failed to read or write"),
            Self::Unsupported => f.write_str("the disk does not know the request"),
            Self::TimedOut => f.write_str("the device does not answer"),
        }
    }
}

impl core::error::Error for Error {}

impl From<userland::Error> for Error {
    fn from(error: userland::Error) -> Self {
        Self::Device(error)
    }
}

impl From<virtio_drivers::Error> for Error {
    fn from(error: virtio_drivers::Error) -> Self {
        Self::Driver(error)
    }
}
