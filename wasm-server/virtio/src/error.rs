// SPDX-License-Identifier: BSD-2-Clause
//! What goes wrong, and whose fault it is.

use core::convert::Infallible;

use thiserror::Error;

/// Why a call was refused. `E` is why there is no memory for a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Error<E = Infallible> {
    /// No register is at this offset, it has another width, or is not for reading, or for writing.
    #[error("no such register, or not of this width or for this use")]
    NoRegister,
    /// The value is not one that the register takes, or not now.
    #[error("the register does not take this value, or not now")]
    InvalidValue,
    /// The queue is set up: reset the device first.
    #[error("the queue is set up; reset the device to change it")]
    Busy,
    /// No such queue, it is not set up, or DRIVER_OK is not set.
    #[error("the queue is not set up, or the driver has not set DRIVER_OK")]
    NotReady,
    /// A rule was broken just now, and the device was reset for it: reset it, too, and begin again.
    #[error("{0}; the device was reset")]
    Broken(#[from] Fault),
    /// A rule was broken before: reset the device and begin again.
    #[error("the device needs a reset")]
    NeedsReset,
    /// The device does not say that it was reset: it may still access what is in flight.
    #[error("the device does not complete its reset")]
    Stuck,
    /// There is no memory for the queue.
    #[error("no memory for the queue")]
    NoMemory(E),
    /// The server has no memory for the queue's tables.
    #[error("the server has no memory for the queue")]
    NoTables,
}

impl Error<Infallible> {
    /// The same, of a call that could have failed for want of memory.
    pub fn widen<E>(self) -> Error<E> {
        match self {
            Self::NoRegister => Error::NoRegister,
            Self::InvalidValue => Error::InvalidValue,
            Self::Busy => Error::Busy,
            Self::NotReady => Error::NotReady,
            Self::Broken(fault) => Error::Broken(fault),
            Self::NeedsReset => Error::NeedsReset,
            Self::Stuck => Error::Stuck,
            Self::NoMemory(never) => match never {},
            Self::NoTables => Error::NoTables,
        }
    }
}

/// A broken rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Fault {
    /// The guest's.
    #[error("queue {queue}: {fault}")]
    Driver {
        /// The queue.
        queue: u8,
        /// The rule.
        fault: DriverFault,
    },
    /// The device's.
    #[error("the device lies: {0}")]
    Device(DeviceFault),
    /// Nobody's: memory was taken from the guest that the device had, and did not give back in time.
    #[error("memory that the device had was taken away")]
    Withdrawn,
}

/// What a driver does wrong in its queue (virtio 1.2, 2.7).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DriverFault {
    /// More is available than the queue has descriptors, or less than before.
    #[error("the available index jumps to {0}")]
    AvailableIndex(u16),
    /// A head or a `next` is no index of the descriptor table.
    #[error("descriptor {0} is out of range")]
    DescriptorIndex(u16),
    /// Neither NEXT nor WRITE: indirect descriptors are not negotiated.
    #[error("descriptor {index} has flags {flags:#x}, which were not negotiated")]
    Flags {
        /// The descriptor.
        index: u16,
        /// Its flags.
        flags: u16,
    },
    /// A descriptor of no bytes.
    #[error("descriptor {0} has no bytes")]
    Empty(u16),
    /// A device-readable descriptor behind a device-writable one.
    #[error("descriptor {0} is device-readable, behind a device-writable one")]
    Order(u16),
    /// A chain of more descriptors than there are.
    #[error("the chain at descriptor {0} is a loop")]
    Loop(u16),
    /// A chain of more bytes than [`MAX_CHAIN`](crate::MAX_CHAIN).
    #[error("the chain at descriptor {0} has too many bytes")]
    TooLong(u16),
    /// A chain that lies in more pieces of physical memory than the device's queue has descriptors.
    #[error("the chain at descriptor {0} lies in too many pieces of memory")]
    TooScattered(u16),
    /// A buffer that is not the guest's, or not writable.
    #[error(
        "descriptor {index}: {len} bytes at {address:#x} are not memory that the device may use so"
    )]
    Address {
        /// The descriptor.
        index: u16,
        /// Address in the linear memory, as the guest says.
        address: u64,
        /// Bytes.
        len: u32,
    },
}

/// What a device does wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeviceFault {
    /// More was used than is in flight.
    #[error("the used index of queue {queue} jumps to {index}")]
    UsedIndex {
        /// The queue.
        queue: u8,
        /// What the device says.
        index: u16,
    },
    /// What was used is not in flight.
    #[error("queue {queue}: chain {id} was used, and was not in flight")]
    UsedId {
        /// The queue.
        queue: u8,
        /// What the device says.
        id: u32,
    },
    /// More was written than the chain has room for.
    #[error("queue {queue}: {len} bytes were written to a chain of {room}")]
    UsedLen {
        /// The queue.
        queue: u8,
        /// What the device says.
        len: u32,
        /// Bytes that it may write.
        room: u32,
    },
    /// The status is not the one that was set: it was reset, or wants to be.
    #[error("its status is {0:#x}")]
    Status(u32),
    /// A queue is ready, or has a size, that it must not have.
    #[error("queue {0} does not take its set-up")]
    Queue(u8),
}
