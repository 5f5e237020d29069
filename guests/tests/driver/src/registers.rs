// SPDX-License-Identifier: BSD-2-Clause
//! Registers that do not exist, at widths that do not, of others, and at the wrong time.

use alloc::{vec, vec::Vec};

use drill::{Fault, Verdict, ensure};

use crate::{
    call,
    device::{Device, register, status},
    ground::Ground,
};

/// Bytes of a page, in which there are eight devices.
const PAGE: u32 = 0x1000;

/// Offsets of registers that are for reading only.
const READ_ONLY: [u32; 8] = [
    register::MAGIC,
    register::VERSION,
    register::DEVICE_ID,
    register::VENDOR,
    register::DEVICE_FEATURES,
    register::QUEUE_NUM_MAX,
    register::INTERRUPT_STATUS,
    register::CONFIG_GENERATION,
];

/// What the device is, as far as that does not change.
fn identity(device: Device) -> Verdict<[u32; 4]> {
    let [magic, version, id, vendor] = [
        register::MAGIC,
        register::VERSION,
        register::DEVICE_ID,
        register::VENDOR,
    ]
    .map(|offset| device.read(offset));
    Ok([magic?, version?, id?, vendor?])
}

/// Behind the last register are those of the neighbour, of which nothing is seen, whatever the width.
pub fn neighbours(ground: &mut Ground) -> Verdict {
    ground.bring_up()?;
    let device = ground.device;
    let mut offsets: Vec<u32> = (register::END..2 * PAGE).step_by(4).collect();
    offsets.extend([
        1 << 16,
        1 << 31,
        // The neighbour below, where numbers wrap around.
        register::END.wrapping_neg(),
        PAGE.wrapping_neg(),
        u32::MAX - 3,
    ]);
    for offset in offsets {
        for width in [1, 2, 4] {
            let read = call::read(device.handle, offset, width);
            ensure!(read.is_err(), "{read:?} at {offset:#x}, {width} bytes");
            let write = call::write(device.handle, offset, width, 0);
            ensure!(write.is_err(), "{width} written at {offset:#x}");
        }
    }
    for offset in [register::END - 2, register::END - 1] {
        let read = call::read(device.handle, offset, 4);
        ensure!(read.is_err(), "{read:?} at {offset:#x}, across the end");
    }
    ensure!(
        device.status()? & status::NEEDS_RESET == 0,
        "what is refused breaks the device"
    );
    ground.works()
}

/// Widths that no access has, and offsets between registers.
pub fn odd_accesses(ground: &mut Ground) -> Verdict {
    let device = ground.device;
    device.reset()?;
    let before = identity(device)?;
    for offset in 0..register::END {
        for width in [0, 3, 5, 8, 16, 1 << 31, u32::MAX] {
            let read = call::read(device.handle, offset, width);
            let write = call::write(device.handle, offset, width, 1);
            ensure!(
                read.is_err() && write.is_err(),
                "{width} bytes at {offset:#x} are a register"
            );
        }
        for width in [2, 4] {
            if !offset.is_multiple_of(width) {
                let read = call::read(device.handle, offset, width);
                let write = call::write(device.handle, offset, width, 1);
                ensure!(
                    read.is_err() && write.is_err(),
                    "{width} bytes at {offset:#x} are a register"
                );
            }
        }
    }
    // Of the rest, whatever is answered, and whatever is written where something can be.
    for offset in 0..register::END {
        for width in [1, 2, 4] {
            let _ = call::read(device.handle, offset, width);
            for value in [u32::MAX, 0xff, 0] {
                let _ = call::write(device.handle, offset, width, value);
            }
        }
    }
    device.reset()?;
    let after = identity(device)?;
    ensure!(before == after, "{after:x?}, where {before:x?} was");
    ground.works()
}

/// What is for reading is not written.
pub fn read_only(ground: &mut Ground) -> Verdict {
    ground.bring_up()?;
    let device = ground.device;
    for offset in READ_ONLY {
        let before = device.read(offset)?;
        for value in [0, 1, !before, u32::MAX] {
            let written = device.write(offset, value);
            ensure!(written.is_err(), "{value:#x} is written at {offset:#x}");
            let after = device.read(offset)?;
            ensure!(
                after == before,
                "{after:#x} at {offset:#x}, not {before:#x}"
            );
        }
    }
    ground.works()
}

/// Features that were not offered, and those that would let the device use memory in another way.
pub fn features(ground: &mut Ground) -> Verdict {
    let device = ground.device;
    device.reset()?;
    let offered = [0, 1].map(|word| {
        device.write(register::DEVICE_FEATURES_SEL, word)?;
        device.read(register::DEVICE_FEATURES)
    });
    let offered = u64::from(offered[0]?) | u64::from(offered[1]?) << 32;
    const VERSION_1: u64 = 1 << 32;
    // Of the ring and the transport: virtio 1.2, 6.
    let others: u64 = ((1 << 42) - (1 << 24)) & !VERSION_1;
    ensure!(
        offered & others == 0 && offered & VERSION_1 != 0,
        "{offered:#x} is offered"
    );
    for word in [2, 3, u32::MAX] {
        device.write(register::DEVICE_FEATURES_SEL, word)?;
        let bits = device.read(register::DEVICE_FEATURES)?;
        ensure!(bits == 0, "features {bits:#x} in word {word}");
    }
    let mut wanted = vec![0, u64::MAX, VERSION_1 | !offered];
    wanted.extend((24..42).map(|bit| VERSION_1 | 1 << bit));
    for wanted in wanted.into_iter().filter(|bits| *bits != VERSION_1) {
        device.reset()?;
        let mut status = status::ACKNOWLEDGE | status::DRIVER;
        device.write(register::STATUS, status::ACKNOWLEDGE)?;
        device.write(register::STATUS, status)?;
        for (word, bits) in [(0, wanted as u32), (1, (wanted >> 32) as u32)] {
            device.write(register::DRIVER_FEATURES_SEL, word)?;
            // It may be refused here, or below.
            let _ = device.write(register::DRIVER_FEATURES, bits);
        }
        status |= status::FEATURES_OK;
        let agreed = device.write(register::STATUS, status).is_ok()
            && device.status()? & status::FEATURES_OK != 0;
        ensure!(!agreed, "features {wanted:#x} are agreed on");
        let _ = device.write(register::STATUS, status | status::DRIVER_OK);
        ensure!(ground.kick(0).is_err(), "a kick without features");
    }
    ground.works()
}

/// Kicks of queues that are not there, or not ready, and steps in the wrong order.
pub fn wrong_time(ground: &mut Ground) -> Verdict {
    let device = ground.device;
    device.reset()?;
    let nobody = |device: Device| -> Verdict {
        for queue in [0, 1, 2, 3, 7, 8, 255, 1 << 16, u32::MAX] {
            let kicked = call::kick(device.handle, queue);
            ensure!(kicked.is_err(), "queue {queue} takes a kick");
            let waited = call::wait(device.handle, queue, 0);
            ensure!(waited.is_err(), "queue {queue} is waited for: {waited:?}");
        }
        Ok(())
    };
    nobody(device)?;
    device.agree()?;
    nobody(device)?;
    // DRIVER_OK is still to come.
    for queue in &ground.queues {
        device.set_up(queue)?;
        ensure!(
            device.kick(queue).is_err(),
            "a kick before the driver is ready"
        );
    }
    device.go()?;
    for queue in (ground.queues.len() as u32..10).chain([1 << 16, u32::MAX]) {
        let kicked = call::kick(device.handle, queue);
        ensure!(kicked.is_err(), "queue {queue} takes a kick");
        device.write(register::QUEUE_SEL, queue)?;
        let most = device.read(register::QUEUE_NUM_MAX);
        // A device may have queues that this guest has not set up.
        if most != Ok(0) && queue < 8 {
            continue;
        }
        ensure!(
            device.write(register::QUEUE_READY, 1).is_err(),
            "queue {queue} is ready"
        );
    }
    for status in [16, 32, 64, 1 << 8, 1 << 31, u32::MAX, 1, 2, 4, 8] {
        device.bring_up(&mut ground.queues)?;
        let before = device.status()?;
        let _ = device.write(register::STATUS, status);
        let after = device.status()?;
        ensure!(
            after & before == before || after == 0,
            "status {after:#x} after {status:#x} was written to {before:#x}"
        );
    }
    // A driver that gave up says so, and nothing moves any more.
    device.bring_up(&mut ground.queues)?;
    const FAILED: u32 = 128;
    device.write(register::STATUS, device.status()? | FAILED)?;
    ensure!(ground.kick(0).is_err(), "a driver that failed takes a kick");
    ground
        .works()
        .map_err(|fault| Fault::new(alloc::format!("in the end: {fault}")))
}
