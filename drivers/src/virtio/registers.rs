// SPDX-License-Identifier: BSD-2-Clause
//! What a device is reached by.

use alloc::rc::Rc;

use userland::{
    Error,
    device::{Device, Width},
    time::Instant,
};

/// The registers of a virtio device, laid out as in virtio 1.2, section 4.2.2: those behind a
/// [`Device`], or a fake's. For what the methods do and refuse, see there.
///
/// # Safety
/// When [`Registers::reset`] has answered `Ok`, the device uses no memory any more until queues are set up anew.
/// It is refused only where the device is not this guest's any more, which the server resets it for.
pub unsafe trait Registers {
    /// Reads a register.
    ///
    /// # Errors
    /// See [`Device::read`].
    fn read(&self, offset: u32, width: Width) -> Result<u32, Error>;

    /// Writes a register.
    ///
    /// # Safety
    /// See [`Device::write`].
    ///
    /// # Errors
    /// See [`Device::write`].
    unsafe fn write(&self, offset: u32, width: Width, value: u32) -> Result<(), Error>;

    /// Stops the device.
    ///
    /// # Errors
    /// See [`Device::reset`].
    fn reset(&self) -> Result<(), Error>;

    /// Hands the device what is available in a queue.
    ///
    /// # Errors
    /// See [`Device::kick`].
    fn kick(&self, queue: u32) -> Result<(), Error>;

    /// Takes the interrupt status, and brings used rings up to date.
    ///
    /// # Errors
    /// See [`Device::ack`].
    fn ack(&self) -> Result<u32, Error>;

    /// Sleeps until a used ring has something new.
    ///
    /// # Errors
    /// See [`Device::wait`].
    fn wait(&self, queue: u32, deadline: Instant) -> Result<bool, Error>;
}

// SAFETY: the server does not answer a reset before the device has stopped.
unsafe impl Registers for Device {
    fn read(&self, offset: u32, width: Width) -> Result<u32, Error> {
        Self::read(self, offset, width)
    }

    unsafe fn write(&self, offset: u32, width: Width, value: u32) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        unsafe { Self::write(self, offset, width, value) }
    }

    fn reset(&self) -> Result<(), Error> {
        Self::reset(self)
    }

    fn kick(&self, queue: u32) -> Result<(), Error> {
        Self::kick(self, queue)
    }

    fn ack(&self) -> Result<u32, Error> {
        Self::ack(self)
    }

    fn wait(&self, queue: u32, deadline: Instant) -> Result<bool, Error> {
        Self::wait(self, queue, deadline)
    }
}

// SAFETY: those behind it keep the promise.
unsafe impl<R: Registers> Registers for Rc<R> {
    fn read(&self, offset: u32, width: Width) -> Result<u32, Error> {
        R::read(self, offset, width)
    }

    unsafe fn write(&self, offset: u32, width: Width, value: u32) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        unsafe { R::write(self, offset, width, value) }
    }

    fn reset(&self) -> Result<(), Error> {
        R::reset(self)
    }

    fn kick(&self, queue: u32) -> Result<(), Error> {
        R::kick(self, queue)
    }

    fn ack(&self) -> Result<u32, Error> {
        R::ack(self)
    }

    fn wait(&self, queue: u32, deadline: Instant) -> Result<bool, Error> {
        R::wait(self, queue, deadline)
    }
}
