// SPDX-License-Identifier: BSD-2-Clause
//! The access to a device that memory hangs on.

use atoll_abi::Error;

use super::calls;
use crate::{
    device::{Device, Registers, Width},
    handle::Capability as _,
};

impl Registers {
    /// Writes a register at an offset that is a multiple of the width. Needs the right to write. See the example of
    /// [`Registers`].
    ///
    /// # Errors
    /// See [`Device`].
    pub fn write(&self, offset: u32, width: Width, value: u32) -> Result<(), Error> {
        // SAFETY: there are no queues behind this handle, as the server has said, and nothing else by which the
        // device would learn of memory.
        unsafe { calls::device::write(self.device().handle(), offset, width as u32, value) }
    }
}

impl Device {
    /// Writes a register at an offset that is a multiple of the width. Needs the right to write.
    ///
    /// ```no_run
    /// use userland::{Error, device::{Device, Width}};
    ///
    /// const STATUS: u32 = 0x070;
    /// const ACKNOWLEDGE: u32 = 1;
    ///
    /// fn greet(device: &Device) -> Result<(), Error> {
    ///     // SAFETY: no register that holds an address.
    ///     unsafe { device.write(STATUS, Width::Word, ACKNOWLEDGE) }
    /// }
    /// ```
    ///
    /// # Safety
    /// Registers tell the device where its queues are, and queues where its buffers are. From the moment that
    /// a queue is ready until the device is reset, the device may read all that the queue names and write
    /// to all that it names to be written, at any time: so this memory must stay allocated, and must not be
    /// borrowed while it is the device's.
    ///
    /// # Errors
    /// See [`Device`].
    pub unsafe fn write(&self, offset: u32, width: Width, value: u32) -> Result<(), Error> {
        // SAFETY: as the caller promises.
        unsafe { calls::device::write(self.handle(), offset, width as u32, value) }
    }
}
