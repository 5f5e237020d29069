// SPDX-License-Identifier: BSD-2-Clause
//! What a driver may make available, and each rule that it may break with that.

use std::vec::Vec;

use super::{
    machine::{BASE, Machine, Mapping, PAGE, PAGES, net},
    ring::{BUFFERS, NEXT, Ring, WRITE, driven},
};
use crate::{
    DriverFault, Error, Fault, MAX_CHAIN,
    fake::Buffer,
    register::{self as reg, interrupt, status},
};

const BUFFER: u64 = BUFFERS as u64;

fn broken(fault: DriverFault) -> Result<(), Error> {
    Err(Error::Broken(Fault::Driver { queue: 0, fault }))
}

/// The device is reset, the guest sees it, and can begin again.
fn assert_broken(machine: &mut Machine) {
    assert_eq!(machine.fake.status(), 0);
    assert!(!machine.device.in_flight(0, u32::MAX));
    let now = 15 | status::DEVICE_NEEDS_RESET;
    assert_eq!(machine.read(reg::STATUS), Ok(now));
    assert_eq!(machine.kick(0), Err(Error::NeedsReset));
    assert_eq!(machine.wait(0), Err(Error::NeedsReset));
    assert_eq!(machine.collect(), Ok(()));
    assert_eq!(machine.write(reg::STATUS, 15), Err(Error::NeedsReset));
    assert_eq!(machine.write(reg::QUEUE_READY, 1), Err(Error::NeedsReset));
    assert_eq!(machine.read(reg::INTERRUPT_STATUS), Ok(interrupt::CONFIG));
    assert_eq!(machine.ack(), Ok(interrupt::CONFIG));
    assert_eq!(machine.ack(), Ok(0));
    assert_eq!(machine.fake.complaints(), Vec::<&str>::new());
    // Everything works again, in the same memory.
    let taken = machine.taken.borrow().clone();
    machine.negotiate(1 << 32);
    let mut ring = Ring::new(0, 4);
    ring.set_up(machine);
    machine.finish();
    ring.descriptor(machine, 0, BUFFER, 5, 0, 0);
    ring.offer(machine, 0);
    assert_eq!(machine.kick(0), Ok(()));
    assert!(machine.fake.take(0).is_some());
    assert_eq!(*machine.taken.borrow(), taken);
    assert_eq!(machine.fake.complaints(), Vec::<&str>::new());
}

#[test]
fn a_chain_goes_there_and_back() {
    let (mut m, mut ring) = driven(0, 8);
    m.guest.write(BUFFERS + 5, b"question");
    ring.descriptor(&m, 6, BUFFER + 5, 8, NEXT, 1);
    ring.descriptor(&m, 1, BUFFER + 0x100, 16, WRITE, 0);
    ring.offer(&m, 6);
    assert_eq!(m.kick(0), Ok(()));
    assert_eq!(m.fake.notified(0), 1);

    let chain = m.fake.take(0).unwrap();
    assert_eq!(m.fake.take(0), None);
    assert_eq!(m.fake.receive(&chain), b"question");
    let physical = |address| m.guest.physical(address).unwrap();
    let buffers = [
        (physical(BUFFERS + 5), 8, false),
        (physical(BUFFERS + 0x100), 16, true),
    ];
    let buffers = buffers.map(|(at, len, write)| Buffer { at, len, write });
    assert_eq!(chain.buffers, buffers);
    m.fake.answer(&chain, b"answer");
    m.fake.put(0, chain.id.into(), 6);

    assert!(m.device.has_used());
    assert_eq!(ring.used(&m), []);
    assert_eq!(m.ack(), Ok(interrupt::USED));
    assert_eq!(m.fake.interrupt(), 0);
    assert!(!m.device.has_used());
    assert_eq!(ring.used(&m), [(6, 6)]);
    assert_eq!(m.guest.read(BUFFERS + 0x100, 6), b"answer");
    assert_eq!(m.fake.complaints(), Vec::<&str>::new());
}

#[test]
fn pages_that_are_apart_are_pieces() {
    let frames = [1, 2, 3, 9, 10, 7];
    let page = |i: usize| Mapping {
        frame: *frames.get(i).unwrap_or(&(20 + i as u64)),
        write: true,
        is_window: false,
    };
    let pages = (0..PAGES as usize).map(|i| Some(page(i))).collect();
    let mut m = Machine::with_pages(net(), pages);
    let mut ring = Ring::new(0, 8);
    m.negotiate(1 << 32);
    ring.at = [0, 0x200, 0x400];
    ring.set_up(&mut m);
    m.finish();
    ring.descriptor(&m, 0, 0x1ff0, 0x3020, NEXT, 1);
    // Two descriptors stay two, though they touch.
    ring.descriptor(&m, 1, 0x5010, 0x10, 0, 0);
    ring.offer(&m, 0);
    assert_eq!(m.kick(0), Ok(()));
    let buffers = m.fake.take(0).unwrap().buffers;
    let at = |frame, offset| BASE + frame * u64::from(PAGE) + offset;
    let expected = [
        (at(2, 0xff0), 0x1010),
        (at(9, 0), 0x2000),
        (at(7, 0), 0x10),
        (at(7, 0x10), 0x10),
    ];
    assert_eq!(
        buffers.iter().map(|b| (b.at, b.len)).collect::<Vec<_>>(),
        expected
    );
    // Exactly that is in flight.
    for (range, expected) in [
        ((0x1fef, 1), false),
        ((0x1fef, 2), true),
        ((0x1ff0, 1), true),
        ((0x501f, 1), true),
        ((0x5020, 1), false),
        ((0x5020, u32::MAX), false),
        ((0, 0x1ff0), false),
        ((0, u32::MAX), true),
        ((0x3000, 0), false),
    ] {
        assert_eq!(m.device.in_flight(range.0, range.1), expected, "{range:?}");
    }
}

/// A driver breaks a rule with the first descriptor, which is followed by a good one.
#[test]
fn descriptors_that_are_refused() {
    let end = u64::from(PAGES * PAGE);
    let bad = |address, len| DriverFault::Address {
        index: 0,
        address,
        len,
    };
    let cases = [
        // Outside, across the end, around the end, beyond 32 bits.
        (end, 1, 0, bad(end, 1)),
        (end - 1, 2, 0, bad(end - 1, 2)),
        (0xffff_fff0, 0x20, 0, bad(0xffff_fff0, 0x20)),
        (1 << 32 | BUFFER, 8, 0, bad(1 << 32 | BUFFER, 8)),
        (u64::MAX, 8, 0, bad(u64::MAX, 8)),
        // A physical address.
        (BASE, 8, 0, bad(BASE, 8)),
        (BUFFER, 0, 0, DriverFault::Empty(0)),
        (BUFFER, MAX_CHAIN + 1, 0, DriverFault::TooLong(0)),
        (BUFFER, u32::MAX, 0, DriverFault::TooLong(0)),
        (BUFFER, 8, NEXT, DriverFault::DescriptorIndex(8)),
        (BUFFER, 16, 4, DriverFault::Flags { index: 0, flags: 4 }),
        (
            BUFFER,
            16,
            0x8000,
            DriverFault::Flags {
                index: 0,
                flags: 0x8000,
            },
        ),
    ];
    for (address, len, flags, fault) in cases {
        let (mut m, mut ring) = driven(0, 8);
        ring.descriptor(&m, 0, address, len, flags, 8);
        ring.descriptor(&m, 1, BUFFER, 8, 0, 0);
        ring.offer(&m, 1);
        ring.offer(&m, 0);
        assert_eq!(m.kick(0), broken(fault));
        assert_eq!(m.fake.notified(0), 0);
        assert_broken(&mut m);
    }
}

#[test]
fn pages_that_are_not_to_be_used_so() {
    for (mapping, write, works) in [
        (None, false, false),
        (None, true, false),
        (Some(false), false, true),
        (Some(false), true, false),
        (Some(true), true, true),
    ] {
        let (mut m, mut ring) = driven(0, 8);
        m.guest.pages.borrow_mut()[11] = mapping.map(|write| Mapping {
            frame: 50,
            write,
            is_window: true,
        });
        let flags = if write { WRITE } else { 0 };
        ring.descriptor(&m, 0, 0xaff0, 0x20, flags, 0);
        ring.offer(&m, 0);
        let fault = DriverFault::Address {
            index: 0,
            address: 0xaff0,
            len: 0x20,
        };
        let expected = if works { Ok(()) } else { broken(fault) };
        assert_eq!(m.kick(0), expected, "{mapping:?} {write}");
    }
}

#[test]
fn chains_that_are_refused() {
    // A loop, of one and of all.
    for length in [1, 8] {
        let (mut m, mut ring) = driven(0, 8);
        for i in 0..8 {
            ring.descriptor(&m, i, BUFFER, 8, NEXT, (i + 1) % length);
        }
        ring.offer(&m, 0);
        assert_eq!(m.kick(0), broken(DriverFault::Loop(0)));
        assert_broken(&mut m);
    }
    // What the device reads is behind what it writes.
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 3, BUFFER, 8, WRITE | NEXT, 4);
    ring.descriptor(&m, 4, BUFFER, 8, 0, 0);
    ring.offer(&m, 3);
    assert_eq!(m.kick(0), broken(DriverFault::Order(4)));
    assert_broken(&mut m);
    // Bytes in all, which do not wrap either.
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFER, 8, NEXT, 1);
    ring.descriptor(&m, 1, BUFFER, MAX_CHAIN - 7, 0, 0);
    ring.offer(&m, 0);
    assert_eq!(m.kick(0), broken(DriverFault::TooLong(0)));
    assert_broken(&mut m);
    // A head that is none.
    for head in [8, 9, 255, 256, u16::MAX] {
        let (mut m, mut ring) = driven(0, 8);
        ring.offer(&m, head);
        assert_eq!(m.kick(0), broken(DriverFault::DescriptorIndex(head)));
        assert_broken(&mut m);
    }
    // As many as there are is a chain.
    let (mut m, mut ring) = driven(0, 8);
    for i in 0..8 {
        let flags = if i == 7 { 0 } else { NEXT };
        ring.descriptor(&m, i, BUFFER, 8, flags, i + 1);
    }
    ring.offer(&m, 0);
    assert_eq!(m.kick(0), Ok(()));
    assert_eq!(m.fake.take(0).unwrap().buffers.len(), 8);
}

#[test]
fn an_available_index_that_jumps() {
    for index in [9, 0x8000, u16::MAX] {
        let (mut m, mut ring) = driven(0, 8);
        ring.descriptor(&m, 0, BUFFER, 8, 0, 0);
        ring.set_index(&m, index);
        assert_eq!(m.kick(0), broken(DriverFault::AvailableIndex(index)));
        assert_broken(&mut m);
    }
    // What is in flight counts, for it has descriptors.
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFER, 8, 0, 0);
    ring.set_index(&m, 8);
    assert_eq!(m.kick(0), Ok(()));
    ring.set_index(&m, 9);
    assert_eq!(m.kick(0), broken(DriverFault::AvailableIndex(9)));
    assert_broken(&mut m);
    // Until it comes back.
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFER, 8, 0, 0);
    ring.set_index(&m, 8);
    assert_eq!(m.kick(0), Ok(()));
    let chain = m.fake.take(0).unwrap();
    m.fake.put(0, chain.id.into(), 0);
    ring.set_index(&m, 9);
    assert_eq!(m.kick(0), Ok(()));
    assert_eq!(ring.used(&m), [(0, 0)]);
    // And not back.
    ring.set_index(&m, 8);
    assert_eq!(m.kick(0), broken(DriverFault::AvailableIndex(8)));
}

/// The real queue of queue 0 has 16 descriptors.
fn scattered() -> (Machine, Ring) {
    let page = |i: u32| Mapping {
        // No two are side by side.
        frame: u64::from(2 * i + 1),
        write: true,
        is_window: false,
    };
    let pages = (0..PAGES).map(|i| Some(page(i))).collect();
    let mut m = Machine::with_pages(net(), pages);
    let mut ring = Ring::new(0, 16);
    ring.at = [0, 0x200, 0x400];
    m.negotiate(1 << 32);
    ring.set_up(&mut m);
    m.finish();
    (m, ring)
}

#[test]
fn what_has_no_room_waits() {
    let (mut m, mut ring) = scattered();
    ring.descriptor(&m, 0, 0x1000, 10 * PAGE, 0, 0);
    ring.descriptor(&m, 1, 0x1800, 6 * PAGE, 0, 0);
    ring.descriptor(&m, 2, 0x1000, 1, 0, 0);
    for head in 0..3 {
        ring.offer(&m, head);
    }
    assert_eq!(m.kick(0), Ok(()));
    let first = m.fake.take(0).unwrap();
    // Order is kept: the third would have room.
    assert_eq!(m.fake.take(0), None);
    let accesses = m.memory.accesses.get();
    assert_eq!((m.kick(0), m.collect()), (Ok(()), Ok(())));
    assert!(
        m.memory.accesses.get() - accesses < 10,
        "it was walked again"
    );
    m.fake.notified(0);

    m.fake.put(0, first.id.into(), 0);
    assert_eq!(m.ack(), Ok(interrupt::USED));
    assert_eq!(m.fake.notified(0), 1);
    assert_eq!(m.fake.take(0).unwrap().buffers.len(), 7);
    assert_eq!(m.fake.take(0).unwrap().buffers.len(), 1);
    assert_eq!(ring.used(&m), [(0, 0)]);
    assert_eq!(m.fake.complaints(), Vec::<&str>::new());
}

#[test]
fn what_never_has_room_is_refused() {
    for others in [0, 1] {
        let (mut m, mut ring) = scattered();
        ring.descriptor(&m, 0, 0x1800, 16 * PAGE, 0, 0);
        ring.descriptor(&m, 1, 0x1000, 16 * PAGE, 0, 0);
        ring.descriptor(&m, 2, 0x1000, 1, 0, 0);
        if others == 1 {
            ring.offer(&m, 2);
        }
        ring.offer(&m, 0);
        assert_eq!(m.kick(0), broken(DriverFault::TooScattered(0)));
        // One less, and it has.
        let (mut m, mut ring) = scattered();
        ring.descriptor(&m, 1, 0x1000, 16 * PAGE, 0, 0);
        ring.offer(&m, 1);
        assert_eq!(m.kick(0), Ok(()));
        assert_eq!(m.fake.take(0).unwrap().buffers.len(), 16);
    }
}
