// SPDX-License-Identifier: BSD-2-Clause
//! Virtio over hostcalls. This is the crate's one room of unsafe code.
//!
//! Three facts carry the arguments in here. The server lets a device use what the guest's queues name, and
//! nothing else of the guest, until it is reset; a reset has stopped that when it returns. The queues of
//! `virtio-drivers` lie in memory that [`Hal`] gave, and name buffers that were handed to them. A guest has one
//! thread, and the device writes only between hostcalls that hand it buffers and those that say it is done.
#![allow(unsafe_code)]

#[cfg(test)]
pub(crate) mod fake;
pub(crate) mod frames;
mod hal;
mod registers;
pub(crate) mod requests;
mod transport;

use userland::device::Device;
use virtio_drivers::{
    device::{blk::VirtIOBlk, rng::VirtIORng},
    transport::{DeviceType, Transport as _},
};

pub use hal::Hal;
pub use registers::Registers;
pub use transport::{Line, Transport};

use crate::Error;

/// The driver of an entropy device (virtio 1.2, section 5.4). Its calls sleep until the device has answered.
///
/// ```no_run
/// use drivers::virtio::entropy;
/// use userland::{device::Device, start::Start};
///
/// fn seed(start: &Start) -> Option<[u8; 32]> {
///     let mut source = entropy(start.capability::<Device>("rng")?).ok()?;
///     let mut seed = [0; 32];
///     let len = source.request_entropy(&mut seed).ok()?;
///     (len == seed.len()).then_some(seed)
/// }
/// ```
///
/// # Errors
/// See [`Error`].
pub fn entropy(device: Device) -> Result<VirtIORng<Hal, Transport>, Error> {
    blocking(device, DeviceType::EntropySource, VirtIORng::new)
}

/// The driver of a disk (virtio 1.2, section 5.2). Its calls sleep until the device has answered.
///
/// ```no_run
/// use drivers::virtio::block;
/// use userland::{device::Device, start::Start};
///
/// fn first_sector(start: &Start) -> Option<[u8; 512]> {
///     let mut disk = block(start.capability::<Device>("disk")?).ok()?;
///     let mut sector = [0; 512];
///     disk.read_blocks(0, &mut sector).ok()?;
///     Some(sector)
/// }
/// ```
///
/// # Errors
/// See [`Error`].
pub fn block(device: Device) -> Result<VirtIOBlk<Hal, Transport>, Error> {
    blocking(device, DeviceType::Block, VirtIOBlk::new)
}

fn blocking<R: Registers, D>(
    device: R,
    wanted: DeviceType,
    new: impl FnOnce(Transport<R>) -> virtio_drivers::Result<D>,
) -> Result<D, Error> {
    // SAFETY: the transport goes to a driver of `virtio-drivers` that has `Hal` for its memory and keeps the
    // transport to itself.
    let transport = unsafe { Transport::blocking(device) }?;
    if transport.device_type() != wanted {
        return Err(Error::WrongType(transport.device_type() as u32));
    }
    let line = transport.line();
    let driver = new(transport);
    // What was refused says more than what the driver made of it.
    line.check()?;
    Ok(driver?)
}

#[cfg(test)]
mod disks;
#[cfg(test)]
mod tests;
