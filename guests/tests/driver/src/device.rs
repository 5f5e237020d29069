// SPDX-License-Identifier: BSD-2-Clause
//! A virtio device, its registers, and how it is started (virtio 1.2, 4.2.2 and 3.1.1).

use drill::{Fault, Verdict, ensure};
use userland::{Error, Handle, start::Start};

use crate::{call, queue::Queue};

/// Offsets of registers.
pub mod register {
    /// `MagicValue`.
    pub const MAGIC: u32 = 0x000;
    /// `Version`.
    pub const VERSION: u32 = 0x004;
    /// `DeviceID`.
    pub const DEVICE_ID: u32 = 0x008;
    /// `VendorID`.
    pub const VENDOR: u32 = 0x00c;
    /// `DeviceFeatures`.
    pub const DEVICE_FEATURES: u32 = 0x010;
    /// `DeviceFeaturesSel`.
    pub const DEVICE_FEATURES_SEL: u32 = 0x014;
    /// `DriverFeatures`.
    pub const DRIVER_FEATURES: u32 = 0x020;
    /// `DriverFeaturesSel`.
    pub const DRIVER_FEATURES_SEL: u32 = 0x024;
    /// `QueueSel`.
    pub const QUEUE_SEL: u32 = 0x030;
    /// `QueueNumMax`.
    pub const QUEUE_NUM_MAX: u32 = 0x034;
    /// `QueueNum`.
    pub const QUEUE_NUM: u32 = 0x038;
    /// `QueueReady`.
    pub const QUEUE_READY: u32 = 0x044;
    /// `InterruptStatus`.
    pub const INTERRUPT_STATUS: u32 = 0x060;
    /// `Status`.
    pub const STATUS: u32 = 0x070;
    /// `QueueDescLow`.
    pub const QUEUE_DESC: u32 = 0x080;
    /// `QueueDriverLow`.
    pub const QUEUE_DRIVER: u32 = 0x090;
    /// `QueueDeviceLow`.
    pub const QUEUE_DEVICE: u32 = 0x0a0;
    /// `ConfigGeneration`.
    pub const CONFIG_GENERATION: u32 = 0x0fc;
    /// Behind the last.
    pub const END: u32 = 0x200;
}

/// Bits of the status.
pub mod status {
    /// `ACKNOWLEDGE`.
    pub const ACKNOWLEDGE: u32 = 1;
    /// `DRIVER`.
    pub const DRIVER: u32 = 2;
    /// `DRIVER_OK`.
    pub const DRIVER_OK: u32 = 4;
    /// `FEATURES_OK`.
    pub const FEATURES_OK: u32 = 8;
    /// `NEEDS_RESET`.
    pub const NEEDS_RESET: u32 = 64;
}

/// What a device is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Network (5.1).
    Net,
    /// Block (5.2).
    Block,
    /// Entropy (5.4).
    Entropy,
}

impl Kind {
    /// `DeviceID` (virtio 1.2, 5).
    const fn id(self) -> u32 {
        match self {
            Self::Net => 1,
            Self::Block => 2,
            Self::Entropy => 4,
        }
    }

    /// The name of the slot in the spec.
    const fn slot(self) -> &'static str {
        match self {
            Self::Net => "nic",
            Self::Block => "blk",
            Self::Entropy => "rng",
        }
    }
}

/// A device that this guest holds.
#[derive(Clone, Copy, Debug)]
pub struct Device {
    /// Its handle.
    pub handle: Handle,
    /// What it is to be.
    pub kind: Kind,
}

impl Device {
    /// The one that the spec gives.
    ///
    /// # Errors
    /// It gives none.
    pub fn given(start: &Start, kind: Kind) -> Verdict<Self> {
        let handle = start.handle(kind.slot());
        let handle =
            handle.ok_or_else(|| Fault::new(alloc::format!("{} was not given", kind.slot())))?;
        Ok(Self { handle, kind })
    }

    /// Reads a register.
    ///
    /// # Errors
    /// The server's.
    pub fn read(self, offset: u32) -> Result<u32, Error> {
        call::read(self.handle, offset, 4)
    }

    /// Writes a register.
    ///
    /// # Errors
    /// The server's.
    pub fn write(self, offset: u32, value: u32) -> Result<(), Error> {
        call::write(self.handle, offset, 4, value)
    }

    /// Writes both halves of an address.
    ///
    /// # Errors
    /// The server's.
    pub fn write_address(self, offset: u32, address: u64) -> Result<(), Error> {
        self.write(offset, address as u32)?;
        self.write(offset + 4, (address >> 32) as u32)
    }

    /// Its status.
    ///
    /// # Errors
    /// The server's.
    pub fn status(self) -> Result<u32, Error> {
        self.read(register::STATUS)
    }

    /// Resets it.
    ///
    /// # Errors
    /// It is not reset then.
    pub fn reset(self) -> Verdict {
        self.write(register::STATUS, 0)?;
        let status = self.status()?;
        ensure!(status == 0, "the status is {status:#x} after a reset");
        Ok(())
    }

    /// Resets it and agrees on the features of virtio 1 and no other.
    ///
    /// # Errors
    /// It does not agree.
    pub fn agree(self) -> Verdict {
        self.reset()?;
        let id = self.read(register::DEVICE_ID)?;
        ensure!(id == self.kind.id(), "device {id}, not {:?}", self.kind);
        let mut status = status::ACKNOWLEDGE;
        self.write(register::STATUS, status)?;
        status |= status::DRIVER;
        self.write(register::STATUS, status)?;
        // VIRTIO_F_VERSION_1 is bit 32.
        for (word, bits) in [(0, 0), (1, 1)] {
            self.write(register::DRIVER_FEATURES_SEL, word)?;
            self.write(register::DRIVER_FEATURES, bits)?;
        }
        status |= status::FEATURES_OK;
        self.write(register::STATUS, status)?;
        ensure!(
            self.status()? == status,
            "the device does not agree: {:#x}",
            self.status()?
        );
        Ok(())
    }

    /// Says that the driver is ready.
    ///
    /// # Errors
    /// The device is not.
    pub fn go(self) -> Verdict {
        let status = self.status()? | status::DRIVER_OK;
        self.write(register::STATUS, status)?;
        ensure!(
            self.status()? == status,
            "it does not start: {:#x}",
            self.status()?
        );
        Ok(())
    }

    /// Tells it where a queue is.
    ///
    /// # Errors
    /// The server's.
    pub fn set_up(self, queue: &Queue) -> Verdict {
        self.choose(queue, queue.places())?;
        Ok(self.write(register::QUEUE_READY, 1)?)
    }

    /// Writes all about a queue but that it is ready.
    ///
    /// # Errors
    /// The server's.
    pub fn choose(self, queue: &Queue, [table, available, used]: [u64; 3]) -> Verdict {
        self.write(register::QUEUE_SEL, queue.index())?;
        self.write(register::QUEUE_NUM, queue.size().into())?;
        self.write_address(register::QUEUE_DESC, table)?;
        self.write_address(register::QUEUE_DRIVER, available)?;
        self.write_address(register::QUEUE_DEVICE, used)?;
        Ok(())
    }

    /// Starts it with these queues, all empty.
    ///
    /// # Errors
    /// Those of each step.
    pub fn bring_up(self, queues: &mut [Queue]) -> Verdict {
        self.agree()?;
        for queue in queues {
            queue.clear();
            self.set_up(queue)?;
        }
        self.go()
    }

    /// Hands it what is available in a queue.
    ///
    /// # Errors
    /// The server's.
    pub fn kick(self, queue: &Queue) -> Result<(), Error> {
        call::kick(self.handle, queue.index())
    }

    /// The device was reset, because of what this guest did, and says so.
    ///
    /// # Errors
    /// It does not.
    #[track_caller]
    pub fn is_broken(self) -> Verdict {
        let status = self.status()?;
        if status & status::NEEDS_RESET == 0 {
            return Err(Fault::new(alloc::format!(
                "the status is {status:#x}, where a reset should be needed"
            )));
        }
        Ok(())
    }
}
