// SPDX-License-Identifier: BSD-2-Clause
//! Devices by handles that are not theirs, not this guest's, or not enough.

use drill::{Verdict, ensure, refused};
use userland::{Error, Handle, handle::Capability as _, shm::Region, start::Start};

use crate::{
    call,
    device::{Device, Kind, register},
    ground::Ground,
};

/// Every call of a device is refused so.
fn all_refused(handle: Handle, error: Error) -> Verdict {
    refused(call::read(handle, register::MAGIC, 4), error)?;
    all_but_reading_refused(handle, error)
}

fn all_but_reading_refused(handle: Handle, error: Error) -> Verdict {
    refused(call::write(handle, register::STATUS, 4, 0), error)?;
    refused(call::kick(handle, 0), error)?;
    refused(call::ack(handle), error)?;
    refused(call::listen(handle, 1), error)?;
    refused(call::wait(handle, 0, 0), error)
}

/// A device that others have is not to be had by numbers, nor is what is no device.
pub fn guessed(ground: &mut Ground) -> Verdict {
    let own: alloc::vec::Vec<Handle> = ["nic", "blk", "rng", "line"]
        .iter()
        .filter_map(|slot| ground.start.handle(slot))
        .collect();
    for index in 0..64 {
        for generation in [0, 1, 2, 3, 4095] {
            let guess = Handle(generation << 12 | index);
            if !own.contains(&guess) {
                all_refused(guess, Error::BadHandle)?;
            }
        }
    }
    for guess in [1 << 12, u32::MAX, u32::MAX - 1, 1 << 31] {
        if !own.contains(&Handle(guess)) {
            all_refused(Handle(guess), Error::BadHandle)?;
        }
    }
    let region = Region::alloc(1)?;
    all_refused(region.handle(), Error::WrongKind)?;
    region.close()?;
    ground.works()
}

/// A handle that was closed is none, and the device stands still from then on.
pub fn closed(ground: &mut Ground) -> Verdict {
    ground.works()?;
    let handle = ground.device.handle;
    userland::device::Device::from_handle(handle).close()?;
    all_refused(handle, Error::BadHandle)
}

/// Who may only look sees the registers, and can do nothing.
pub fn looker(start: &Start) -> Verdict {
    let device = Device::given(start, Kind::Net)?;
    // "virt"
    const MAGIC: u32 = 0x7472_6976;
    for _ in 0..2 {
        let magic = device.read(register::MAGIC)?;
        ensure!(magic == MAGIC, "magic {magic:#x}");
        device.status()?;
        all_but_reading_refused(device.handle, Error::Denied)?;
    }
    Ok(())
}
