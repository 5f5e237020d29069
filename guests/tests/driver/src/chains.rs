// SPDX-License-Identifier: BSD-2-Clause
//! Buffers that are no memory of the guest's, or not for this, and chains that do not end.

use alloc::vec::Vec;

use drill::{Fault, Verdict, ensure, refused};
use userland::{Error, PAGE, Rights, handle::Capability as _, shm::Region};

use crate::{
    call::{Memory, end},
    device::Kind,
    ground::Ground,
    queue::{Descriptor, SIZE, flag},
};

/// Memory that was a window, or is one for reading.
struct Windows {
    detached: Memory,
    revoked: Memory,
    /// Behind a page of the guest's own.
    after_own: Memory,
    read_only: Memory,
}

impl Windows {
    fn new() -> Verdict<Self> {
        let region = Region::alloc(1)?;
        let window = |rights| Memory::window(&region, rights);
        let (detached, read_only) = (window(Rights::READ_WRITE)?, window(Rights::READ)?);
        // So that what is before the window is memory that nobody uses.
        let own = Memory::grow(1)?;
        let after_own = window(Rights::READ_WRITE)?;
        ensure!(
            own.base() + PAGE == after_own.base(),
            "a window is not at the end"
        );
        let closed = Region::alloc(1)?;
        let revoked = Memory::window(&closed, Rights::READ_WRITE)?;
        closed.close()?;
        for gone in [detached, after_own] {
            gone.detach()?;
        }
        Ok(Self {
            detached,
            revoked,
            after_own,
            read_only,
        })
    }
}

/// Buffers that must be refused, each with what is wrong with it. The last page is nobody's.
fn buffers(ground: &Ground, windows: &Windows, write: bool) -> Vec<(&'static str, u64, u32)> {
    let own = u64::from(ground.buffers.base());
    let at = |memory: Memory| u64::from(memory.base());
    let limit = end();
    let mut list = alloc::vec![
        ("outside", limit, 64),
        ("far outside", 0xffff_0000, 64),
        ("at the top of 32 bits", 0xffff_ffff, 64),
        ("above 4 GiB", (1 << 32) + own, 64),
        ("in the kernel's half", 0xffff_ff80_0000_0000 + own, 64),
        ("at the machine's memory", 0x4000_0000, 64),
        ("across the end", limit - 16, 64),
        ("as long as can be", own, u32::MAX),
        ("as long as a sign", own, 1 << 31),
        ("around 32 bits", own, (own as u32).wrapping_neg() + 16),
        ("around 64 bits", u64::MAX - 15, 64),
        ("to the top of 64 bits", u64::MAX - 63, 64),
        ("empty", own, 0),
        ("in a window that was detached", at(windows.detached), 64),
        ("in a window that was lost", at(windows.revoked), 64),
        (
            "into a window that was detached",
            at(windows.after_own) - 16,
            64
        ),
    ];
    if write {
        list.push(("in a window for reading", at(windows.read_only), 64));
        let end_of_it = at(windows.read_only) + u64::from(PAGE) - 8;
        list.push(("at the end of a window for reading", end_of_it, 8));
    }
    list
}

/// Every buffer that is not the guest's to give, alone and among good ones.
pub fn bad_buffers(ground: &mut Ground) -> Verdict {
    let windows = Windows::new()?;
    // Enough for all that follows: what is behind the end must stay behind it.
    drop(Vec::<u8>::with_capacity(2 * PAGE as usize));
    for request in ground.requests() {
        Memory::grow(1)?;
        let buffers = buffers(ground, &windows, request.write);
        let limit = end();
        for (what, address, len) in buffers {
            let good = Descriptor::of(ground.buffers.part(0, 64), request.write);
            let bad = Descriptor::new(address, len, request.write);
            for data in [&[bad][..], &[good, bad], &[bad, good], &[good, bad, good]] {
                let chain = [&request.before[..], data, &request.after].concat();
                is_refused(ground, request.queue, &chain).map_err(|fault| {
                    let way = if request.write { "written" } else { "read" };
                    Fault::new(alloc::format!("{what}, to be {way}: {fault}"))
                })?;
            }
        }
        ensure!(end() == limit, "the end has moved meanwhile");
    }
    ground.works()
}

/// This chain is, at the kick, with what the guest then sees of it.
fn is_refused(ground: &mut Ground, queue: usize, chain: &[Descriptor]) -> Verdict {
    ground.bring_up()?;
    ground.queues[queue].chain(0, chain);
    ground.queues[queue].offer(0);
    refused(ground.kick(queue), Error::BadQueue)?;
    ground.device.is_broken()?;
    ensure!(
        ground.queues[queue].used_index() == 0,
        "it was used all the same"
    );
    // Nor does asking again help.
    ensure!(ground.kick(queue).is_err(), "a broken device takes a kick");
    Ok(())
}

/// A chain of descriptors, all about good memory.
struct Knot {
    what: &'static str,
    /// Made of a good buffer.
    make: fn(Descriptor) -> Vec<Descriptor>,
}

const KNOTS: [Knot; 9] = [
    Knot {
        what: "itself",
        make: |good| alloc::vec![good.then(0)],
    },
    Knot {
        what: "two that follow each other",
        make: |good| alloc::vec![good.then(1), good.then(0)],
    },
    Knot {
        what: "a loop behind a good start",
        make: |good| alloc::vec![good.then(1), good.then(2), good.then(1)],
    },
    Knot {
        what: "a loop of all there are",
        make: |good| {
            (0..SIZE)
                .map(|index| good.then((index + 1) % SIZE))
                .collect()
        },
    },
    Knot {
        what: "the first that there is not",
        make: |good| alloc::vec![good.then(SIZE)],
    },
    Knot {
        what: "the last that there cannot be",
        make: |good| alloc::vec![good.then(1), good.then(u16::MAX)],
    },
    Knot {
        what: "an indirect table, which was not agreed on",
        make: |good| {
            alloc::vec![Descriptor {
                flags: good.flags | flag::INDIRECT,
                ..good
            }]
        },
    },
    Knot {
        what: "an indirect table that goes on",
        make: |good| {
            let table = Descriptor {
                flags: good.flags | flag::INDIRECT,
                ..good
            };
            alloc::vec![table.then(1), good]
        },
    },
    Knot {
        what: "one to be read behind one to be written",
        make: |good| {
            let write = Descriptor {
                flags: flag::WRITE,
                ..good
            };
            alloc::vec![write.then(1), Descriptor { flags: 0, ..good }]
        },
    },
];

/// Chains without an end, with links that lead nowhere, and in an order that there is not.
pub fn knots(ground: &mut Ground) -> Verdict {
    for request in ground.requests() {
        for Knot { what, make } in KNOTS {
            let good = Descriptor::of(ground.buffers.part(0, 64), request.write);
            is_refused(ground, request.queue, &make(good))
                .map_err(|fault| Fault::new(alloc::format!("{what}: {fault}")))?;
        }
    }
    ground.works()
}

/// A chain as long as can be is taken, or refused for its many parts, and harms nobody.
pub fn longest(ground: &mut Ground) -> Verdict {
    for request in ground.requests() {
        if ground.device.kind == Kind::Net && request.write {
            // Whatever comes from outside would be taken.
            continue;
        }
        ground.bring_up()?;
        // Each across the border of two pages: twice as many parts, if they are apart.
        let across = ground.buffers.part(4096 - 32, 64);
        let chain = alloc::vec![Descriptor::of(across, request.write); usize::from(SIZE)];
        ground.queues[request.queue].chain(0, &chain);
        ground.queues[request.queue].offer(0);
        match ground.kick(request.queue) {
            Ok(()) | Err(Error::BadQueue | Error::DeviceFailed) => {}
            Err(error) => return Err(error.into()),
        }
    }
    ground.works()
}
