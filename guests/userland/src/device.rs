// SPDX-License-Identifier: BSD-2-Clause
//! Devices that the guest owns. Needs the grant `devices`.
//!
//! A [`Device`] is a virtio device behind registers that the server looks after: they are laid out as those of
//! the MMIO transport (virtio 1.2, section 4.2.2), their numbers are checked, and what the guest says about
//! queues and buffers are addresses in its own memory. The drivers for it are in the crate `drivers`; this is
//! what they stand on.
//!
//! [`Registers`] are a device without queues: what is written there goes to the device as it is.
//!
//! ```no_run
//! use userland::{Error, device::Device, start::Start, task::Event};
//!
//! /// Tells of each interrupt.
//! async fn watch(start: &Start) -> Result<(), Error> {
//!     let device: Device = start.capability("nic").ok_or(Error::NotFound)?;
//!     let interrupt = Event::new();
//!     device.listen(interrupt.task())?;
//!     loop {
//!         interrupt.wait().await;
//!         userland::info!("interrupt status {}", device.ack()?);
//!     }
//! }
//! ```

use atoll_abi::{Error, Handle, message::Kind};

use crate::{
    handle::{Capability as _, capability},
    sys::calls,
    time::Instant,
    wake::Task,
};

/// How wide an access to a register is.
///
/// ```
/// use userland::device::Width;
///
/// // The MAC address of a network device is six bytes, each a register of the configuration space.
/// assert_eq!(Width::Byte as u32, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Width {
    /// 8 bits.
    Byte = 1,
    /// 16 bits.
    Half = 2,
    /// 32 bits.
    Word = 4,
}

/// A capability for a virtio device. See the example of [`device`](crate::device).
#[derive(Debug, PartialEq, Eq)]
pub struct Device {
    handle: Handle,
}

capability!(Device);

/// What all calls of a device can be refused with: [`Error::Denied`] without the right that they need,
/// [`Error::BadHandle`], [`Error::Revoked`], [`Error::WrongKind`], [`Error::InvalidArgument`] for a register or
/// queue that there is not.
impl Device {
    /// Reads a register at an offset that is a multiple of the width. Needs the right to read.
    ///
    /// ```no_run
    /// use userland::{Error, device::{Device, Width}};
    ///
    /// const DEVICE_ID: u32 = 0x008;
    /// const NETWORK: u32 = 1;
    ///
    /// fn is_network(device: &Device) -> Result<bool, Error> {
    ///     Ok(device.read(DEVICE_ID, Width::Word)? == NETWORK)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Device`].
    pub fn read(&self, offset: u32, width: Width) -> Result<u32, Error> {
        calls::device::read(self.handle, offset, width as u32)
    }

    /// Resets the device: when this returns it has stopped to use memory of this guest. Needs the right to
    /// write.
    ///
    /// ```no_run
    /// use userland::{Error, device::Device};
    ///
    /// /// Before the memory of its queues is used for something else.
    /// fn let_go(device: &Device, queues: Vec<u8>) -> Result<(), Error> {
    ///     device.reset()?;
    ///     drop(queues);
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Device`].
    pub fn reset(&self) -> Result<(), Error> {
        crate::sys::memory::reset(self.handle)
    }

    /// Hands the device what is available in a queue. Needs the right to write.
    ///
    /// ```no_run
    /// use userland::{Error, device::Device};
    ///
    /// const TRANSMIT: u32 = 1;
    ///
    /// fn send_what_is_queued(device: &Device) -> Result<(), Error> {
    ///     device.kick(TRANSMIT)
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Error::BadQueue`] if what is there breaks the rules; [`Error::DeviceFailed`] if the device does. It
    /// was reset then.
    pub fn kick(&self, queue: u32) -> Result<(), Error> {
        calls::device::kick(self.handle, queue)
    }

    /// Takes the interrupt status, so that the next interrupt can come, and brings the used rings up to date.
    /// Needs the right to write. See the example of [`device`](crate::device).
    ///
    /// # Errors
    /// As [`Device::kick`].
    pub fn ack(&self) -> Result<u32, Error> {
        calls::device::ack(self.handle)
    }

    /// Has `task` put into the mailbox when the device interrupts; once, until [`Device::ack`]. Needs the right
    /// to write. See the example of [`device`](crate::device).
    ///
    /// # Errors
    /// See [`Device`].
    pub fn listen(&self, task: Task) -> Result<(), Error> {
        calls::device::listen(self.handle, task.0)
    }

    /// Sleeps until the used ring of a queue, which was up to date, has something new, or until the deadline;
    /// answers whether it has. The whole guest sleeps: for drivers that would look again and again. Needs the
    /// right to write.
    ///
    /// ```no_run
    /// use core::time::Duration;
    /// use userland::{Error, device::Device, time::Instant};
    ///
    /// const REQUESTS: u32 = 0;
    ///
    /// fn ask(device: &Device) -> Result<(), Error> {
    ///     device.kick(REQUESTS)?;
    ///     match device.wait(REQUESTS, Instant::now() + Duration::from_secs(5))? {
    ///         true => Ok(()),
    ///         false => Err(Error::TimedOut),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Device::kick`].
    pub fn wait(&self, queue: u32, deadline: Instant) -> Result<bool, Error> {
        calls::device::wait(self.handle, queue, deadline.nanoseconds())
    }
}

/// A device that is registers and an interrupt, and reaches no memory: a `mmio_device` of the spec.
///
/// ```no_run
/// use userland::{Error, device::{Device, Registers, Width}, handle::Capability, start::Start};
///
/// /// Match and interrupt mask of a clock (Arm PL031).
/// const MATCH: u32 = 0x004;
/// const MASK: u32 = 0x010;
///
/// fn set_alarm(start: &Start, at: u32) -> Result<(), Error> {
///     let handle = start.handle("rtc").ok_or(Error::NotFound)?;
///     let rtc = Registers::new(Device::from_handle(handle))?;
///     rtc.write(MATCH, Width::Word, at)?;
///     rtc.write(MASK, Width::Word, 1)
/// }
/// ```
#[derive(Debug, PartialEq, Eq)]
pub struct Registers(Device);

impl Registers {
    /// The registers of this device. See the example of [`Registers`].
    ///
    /// # Errors
    /// [`Error::WrongKind`] if it is a virtio device, or none.
    pub fn new(device: Device) -> Result<Self, Error> {
        match device.handle_info()?.kind {
            Kind::Registers => Ok(Self(device)),
            _ => Err(Error::WrongKind),
        }
    }

    /// The device: for its interrupt.
    ///
    /// ```no_run
    /// use userland::{Error, device::Registers, task::Event};
    ///
    /// /// The device keeps its interrupt up until it is told; then the next one may come.
    /// async fn next(registers: &Registers, interrupt: &Event) -> Result<(), Error> {
    ///     interrupt.wait().await;
    ///     registers.device().ack().map(drop)
    /// }
    /// ```
    pub const fn device(&self) -> &Device {
        &self.0
    }

    /// Reads a register at an offset that is a multiple of the width. Needs the right to write, because a device may
    /// change when it is read.
    ///
    /// ```no_run
    /// use userland::{Error, device::{Registers, Width}};
    ///
    /// /// Seconds of a clock (Arm PL031).
    /// fn seconds(rtc: &Registers) -> Result<u32, Error> {
    ///     rtc.read(0x000, Width::Word)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Device`].
    pub fn read(&self, offset: u32, width: Width) -> Result<u32, Error> {
        self.0.read(offset, width)
    }
}
