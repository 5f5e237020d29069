// SPDX-License-Identifier: BSD-2-Clause
//! What handing buffers to a device costs: the hostcall, in which the server checks what was made available,
//! translates it and tells the device. The device is a network card that nothing comes to, so that it takes
//! buffers and gives none back while that is measured.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use drill::Verdict;
use driver::{
    call::Memory,
    device::{Device, Kind},
    queue::{BYTES, Descriptor, Queue},
};
use userland::{PAGE, info, introspect, start::Start};

/// Kicks with a buffer each.
const KICKS: u16 = 100;
/// Further buffers of one kick.
const FURTHER: u16 = 100;
/// Bytes of a buffer, which lies in a page.
const BUFFER: u32 = 512;

#[userland::entrypoint]
fn main(start: Start) -> Verdict {
    let device = Device::given(&start, Kind::Net)?;
    let memory = Memory::grow(2)?;
    let mut queues = [0, 1].map(|index| Queue::new(index, memory.part(index * BYTES, BYTES)));
    let buffers = memory.part(PAGE, PAGE);
    let empty = cost(|| Ok(()))?;

    // Each of the counts anew, and the first kick unmeasured, so that nothing is done for the first time in between.
    let mut kicks = |count: u16, each: u16| -> Verdict<u64> {
        device.bring_up(&mut queues)?;
        let queue = &mut queues[0];
        let mut offered = 0;
        let mut offer = |queue: &mut Queue, count: u16| {
            for index in offered..offered + count {
                let buffer = buffers.part(BUFFER * u32::from(index % 128), BUFFER);
                queue.describe(index, Descriptor::of(buffer, true));
                queue.offer(index);
            }
            offered += count;
        };
        offer(queue, 1);
        device.kick(queue)?;
        let mut cycles = 0;
        for _ in 0..count {
            offer(queue, each);
            cycles += cost(|| Ok(device.kick(queue)?))?.saturating_sub(empty);
        }
        device.reset()?;
        Ok(cycles)
    };
    let single = kicks(KICKS, 1)? / u64::from(KICKS);
    info!("bench virtio_kick {single}");
    let many = kicks(1, 1 + FURTHER)?.saturating_sub(single);
    info!("bench virtio_kick_further {}", many / u64::from(FURTHER));
    Ok(())
}

/// Cycles from one look at the counter to the next, with `body` in between.
#[inline(never)]
fn cost(body: impl FnOnce() -> Verdict) -> Verdict<u64> {
    let begin = introspect::cycles();
    body()?;
    Ok(introspect::cycles() - begin)
}
