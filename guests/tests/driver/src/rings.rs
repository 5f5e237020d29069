// SPDX-License-Identifier: BSD-2-Clause
//! Rings that say what cannot be, and queues in places where none may be.

use drill::{Fault, Verdict, ensure, refused};
use userland::{Error, PAGE, Rights, handle::Capability as _, shm::Region};

use crate::{
    call::{Memory, end},
    device::{Kind, register},
    ground::Ground,
    queue::{Descriptor, Queue, SIZE},
};

/// What becomes of an available ring.
struct Ring {
    what: &'static str,
    spoil: fn(&mut Queue),
}

const RINGS: [Ring; 5] = [
    Ring {
        what: "the first descriptor that there is not",
        spoil: |queue| queue.offer(SIZE),
    },
    Ring {
        what: "the last descriptor that there cannot be",
        spoil: |queue| queue.offer(u16::MAX),
    },
    Ring {
        what: "one more than there is room for",
        spoil: |queue| queue.advance(SIZE + 1),
    },
    Ring {
        what: "half of what an index can say",
        spoil: |queue| queue.advance(1 << 15),
    },
    Ring {
        what: "one less than before",
        spoil: |queue| queue.advance(u16::MAX),
    },
];

/// Indices out of range, in the available ring and of it.
pub fn bad_indices(ground: &mut Ground) -> Verdict {
    for request in ground.requests() {
        for Ring { what, spoil } in RINGS {
            ground.bring_up()?;
            let queue = &mut ground.queues[request.queue];
            // Nothing may come of it.
            queue.describe(0, Descriptor::new(end(), 64, request.write));
            spoil(queue);
            let kicked = ground.kick(request.queue);
            refused(kicked, Error::BadQueue)
                .and_then(|()| ground.device.is_broken())
                .map_err(|fault| Fault::new(alloc::format!("{what}: {fault}")))?;
        }
    }
    ground.works()
}

/// What only the device writes, and what it does not look at, is as the guest likes.
pub fn foreign_fields(ground: &mut Ground) -> Verdict {
    for value in [0, 1, u64::MAX, 0x8000_8000_8000_8000] {
        ground.bring_up()?;
        for queue in &ground.queues {
            queue.spoil_used(value);
            queue.set_flags(value as u16);
        }
        for index in 0..ground.queues.len() {
            ground.kick(index)?;
        }
        crate::call::ack(ground.device.handle)?;
        ground.works()?;
    }
    Ok(())
}

/// The same chain again and again, before it was used.
pub fn same_again(ground: &mut Ground) -> Verdict {
    ground.bring_up()?;
    let data = ground.buffers.part(0, 64);
    data.fill(0);
    // A frame of zeros, and no request that a block device or a source of random bytes understands.
    let queue = ground.queues.len() - 1;
    ground.queues[queue].chain(0, &[Descriptor::of(data, false)]);
    for _ in 0..SIZE {
        ground.queues[queue].offer(0);
    }
    match ground.kick(queue) {
        Ok(()) | Err(Error::BadQueue | Error::DeviceFailed) => {}
        Err(error) => return Err(error.into()),
    }
    ground.works()
}

/// Queues outside, across the end, in windows, and not aligned.
pub fn bad_places(ground: &mut Ground) -> Verdict {
    let region = Region::alloc(1)?;
    let window = Memory::window(&region, Rights::READ_WRITE)?;
    let read_only = Memory::window(&region, Rights::READ)?;
    let detached = Memory::window(&region, Rights::READ_WRITE)?;
    detached.detach()?;
    let closed = Region::alloc(1)?;
    let revoked = Memory::window(&closed, Rights::READ_WRITE)?;
    closed.close()?;
    let last = Memory::grow(1)?;
    let own = u64::from(ground.buffers.base());
    let places = [
        ("outside", end()),
        ("far outside", 0xffff_f000),
        ("above 4 GiB", (1 << 32) + own),
        ("at the top", u64::MAX - 4095),
        ("across the end", u64::from(last.base() + PAGE - 16)),
        ("at an odd address", own + 1),
        ("in a window", window.base().into()),
        ("in a window for reading", read_only.base().into()),
        ("in a window that was detached", detached.base().into()),
        ("in a window that was lost", revoked.base().into()),
        ("into a window", u64::from(window.base()) - 16),
    ];
    let parts = ["the table", "the available ring", "the used ring"];
    for (what, place) in places {
        for (index, part) in parts.iter().enumerate() {
            ground.device.agree()?;
            let queue = &ground.queues[0];
            let mut addresses = queue.places();
            addresses[index] = place;
            ground.device.choose(queue, addresses)?;
            let ready = ground.device.write(register::QUEUE_READY, 1);
            ensure!(ready.is_err(), "{part} {what} is taken");
            ensure!(
                ground.device.read(register::QUEUE_READY)? == 0,
                "{part} {what} is refused, and the queue ready"
            );
        }
    }
    ground.works()
}

/// Sizes that no queue has.
pub fn bad_sizes(ground: &mut Ground) -> Verdict {
    let most = {
        ground.device.agree()?;
        ground.device.write(register::QUEUE_SEL, 0)?;
        ground.device.read(register::QUEUE_NUM_MAX)?
    };
    ensure!(
        most == u32::from(SIZE),
        "{most} descriptors are what it takes"
    );
    for size in [0, 3, 255, 257, 512, 1 << 15, 1 << 16, u32::MAX] {
        ground.device.agree()?;
        let queue = &ground.queues[0];
        ground.device.choose(queue, queue.places())?;
        let written = ground.device.write(register::QUEUE_NUM, size);
        let ready = ground.device.write(register::QUEUE_READY, 1);
        // Either is the place to say so; a number that is not taken leaves the one before.
        ensure!(
            written.is_err() || ready.is_err(),
            "a queue of {size} is ready"
        );
    }
    // Small ones are fine.
    for size in [1, 2, 4, 128] {
        for queue in &mut ground.queues {
            queue.set_size(size);
        }
        // A request for a block takes three.
        if size > 2 || ground.device.kind != Kind::Block {
            let works = ground.works();
            works.map_err(|fault| Fault::new(alloc::format!("a queue of {size}: {fault}")))?;
        }
    }
    for queue in &mut ground.queues {
        queue.set_size(SIZE);
    }
    ground.works()
}

/// A queue that is in use is not to be had elsewhere, nor otherwise.
pub fn live_queues(ground: &mut Ground) -> Verdict {
    ground.bring_up()?;
    let device = ground.device;
    let elsewhere = Queue::new(0, Memory::grow(1)?);
    device.write(register::QUEUE_SEL, 0)?;
    let [table, available, used] = elsewhere.places();
    for (offset, address) in [
        (register::QUEUE_DESC, table),
        (register::QUEUE_DRIVER, available),
        (register::QUEUE_DEVICE, used),
    ] {
        let low = device.write(offset, address as u32);
        let high = device.write(offset + 4, 1);
        ensure!(
            low.is_err() && high.is_err(),
            "the address at {offset:#x} of a live queue is changed"
        );
    }
    let size = device.write(register::QUEUE_NUM, 8);
    ensure!(size.is_err(), "the size of a live queue is changed");
    // Its owner may stop it, but not have it again without a reset.
    device.write(register::QUEUE_READY, 0)?;
    let again = device
        .write_address(register::QUEUE_DESC, table)
        .and_then(|()| device.write(register::QUEUE_READY, 1));
    ensure!(again.is_err(), "a queue that was live is elsewhere");
    let _ = ground.kick(0);
    ground.works()
}
