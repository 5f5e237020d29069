// SPDX-License-Identifier: BSD-2-Clause
//! Each rule that a device may break.

use std::{boxed::Box, vec::Vec};

use super::{
    machine::{Machine, net},
    ring::{BUFFERS, NEXT, Ring, WRITE, driven},
};
use crate::{
    Device, DeviceFault, Error, Fault, Identity, Unsupported,
    fake::{Fake, Model},
    register::{self as reg, interrupt, status},
    tests::machine::{Pages, View},
};

fn broken<T>(fault: DeviceFault) -> Result<T, Error> {
    Err(Error::Broken(Fault::Device(fault)))
}

/// Two chains in flight: head 0 with room for 24 bytes in two pieces, head 2 with none; and their real
/// names.
fn busy() -> (Machine, Ring, [u16; 2]) {
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFERS.into(), 8, NEXT | WRITE, 1);
    ring.descriptor(&m, 1, u64::from(BUFFERS) + 0x100, 16, WRITE, 0);
    ring.descriptor(&m, 2, u64::from(BUFFERS) + 0x200, 8, 0, 0);
    ring.offer(&m, 0);
    ring.offer(&m, 2);
    m.kick(0).unwrap();
    let ids = [m.fake.take(0).unwrap().id, m.fake.take(0).unwrap().id];
    (m, ring, ids)
}

fn assert_broken(m: &mut Machine, ring: &mut Ring) {
    assert_eq!(m.fake.status(), 0, "the device was not reset");
    assert_eq!(
        m.read(reg::STATUS),
        Ok(15 | status::DEVICE_NEEDS_RESET),
        "the guest does not see it"
    );
    assert!(!m.device.in_flight(0, u32::MAX));
    assert_eq!(m.kick(0), Err(Error::NeedsReset));
    assert_eq!(ring.used(m), []);
    m.fake.set_lie(None);
    assert_eq!(m.write(reg::STATUS, 0), Ok(()));
    assert_eq!(m.read(reg::STATUS), Ok(0));
}

#[test]
fn used_indexes_that_jump() {
    for index in [3, 0x8000, u16::MAX] {
        let (mut m, mut ring, _) = busy();
        m.fake.set_used(0, index);
        let fault = DeviceFault::UsedIndex { queue: 0, index };
        assert_eq!(m.collect(), broken(fault));
        assert_broken(&mut m, &mut ring);
    }
    // A kick and a wait look, too.
    let fault = DeviceFault::UsedIndex { queue: 0, index: 9 };
    let (mut m, mut ring, _) = busy();
    m.fake.set_used(0, 9);
    assert_eq!(m.kick(0), broken(fault));
    assert_broken(&mut m, &mut ring);
    let (mut m, mut ring, _) = busy();
    m.fake.set_used(0, 9);
    assert_eq!(m.wait(0), broken(fault));
    assert_broken(&mut m, &mut ring);
    let (mut m, mut ring, _) = busy();
    m.fake.set_used(0, 9);
    assert_eq!(m.ack(), broken(fault));
    assert_broken(&mut m, &mut ring);
}

#[test]
fn used_ids_that_are_none() {
    let (_, _, ids) = busy();
    // A piece that is no first one, free ones, beyond the queue, beyond a byte.
    let middle = u32::from(ids[0]) + 1;
    assert_ne!(middle, ids[1].into());
    for id in [
        middle,
        5,
        15,
        16,
        255,
        256,
        256 + u32::from(ids[0]),
        u32::MAX,
    ] {
        let (mut m, mut ring, _) = busy();
        m.fake.put(0, id, 0);
        let fault = DeviceFault::UsedId { queue: 0, id };
        assert_eq!(m.collect(), broken(fault));
        assert_broken(&mut m, &mut ring);
    }
    // Twice, in one look or in two.
    for looks in [1, 2] {
        let (mut m, mut ring, ids) = busy();
        m.fake.put(0, ids[0].into(), 0);
        if looks == 2 {
            m.collect().unwrap();
            assert_eq!(ring.used(&m), [(0, 0)]);
        }
        m.fake.put(0, ids[0].into(), 0);
        let fault = DeviceFault::UsedId {
            queue: 0,
            id: ids[0].into(),
        };
        assert_eq!(m.collect(), broken(fault));
        assert_broken(&mut m, &mut ring);
    }
}

#[test]
fn used_lengths_that_are_too_long() {
    for (chain, room) in [(0, 24), (1, 0)] {
        for len in [room + 1, u32::MAX] {
            let (mut m, mut ring, ids) = busy();
            m.fake.put(0, ids[chain].into(), len);
            let fault = DeviceFault::UsedLen {
                queue: 0,
                len,
                room,
            };
            assert_eq!(m.collect(), broken(fault));
            assert_broken(&mut m, &mut ring);
        }
        let (mut m, mut ring, ids) = busy();
        m.fake.put(0, ids[chain].into(), room);
        assert_eq!(m.collect(), Ok(()));
        assert_eq!(ring.used(&m), [(2 * chain as u32, room)]);
    }
}

#[test]
fn any_order_is_good() {
    let (mut m, mut ring, ids) = busy();
    m.fake.put(0, ids[1].into(), 0);
    m.fake.put(0, ids[0].into(), 3);
    assert_eq!(m.collect(), Ok(()));
    assert_eq!(ring.used(&m), [(2, 0), (0, 3)]);
}

#[test]
fn a_status_that_flips() {
    for now in [0, 15 | status::DEVICE_NEEDS_RESET, 11, 0xffff_ffff] {
        let (mut m, mut ring, _) = busy();
        m.fake.set_status(now);
        m.read(reg::STATUS).unwrap();
        assert_broken(&mut m, &mut ring);
        // It says so with an interrupt.
        let (mut m, mut ring, _) = busy();
        m.fake.set_status(now);
        m.fake.set_interrupt(interrupt::CONFIG);
        assert_eq!(m.ack(), broken(DeviceFault::Status(now)));
        assert_broken(&mut m, &mut ring);
    }
}

#[test]
fn interrupts_that_are_none() {
    let (mut m, mut ring, ids) = busy();
    assert_eq!(m.ack(), Ok(0));
    m.fake.set_interrupt(interrupt::ALL | 0xff00);
    assert_eq!(m.read(reg::INTERRUPT_STATUS), Ok(interrupt::ALL));
    assert_eq!(m.ack(), Ok(interrupt::ALL));
    // What was used is seen without one.
    m.fake.put(0, ids[0].into(), 1);
    m.write(reg::INTERRUPT_ACK, interrupt::USED).unwrap();
    assert_eq!(m.ack(), Ok(0));
    assert_eq!(ring.used(&m), [(0, 1)]);
    assert_eq!(m.fake.complaints(), Vec::<&str>::new());
}

#[test]
fn a_reset_that_does_not_complete() {
    let (mut m, ring, _) = busy();
    m.fake.set_stuck(true);
    assert_eq!(m.reset(), Err(Error::Stuck));
    assert_eq!(m.write(reg::STATUS, 0), Err(Error::Stuck));
    let now = m.read(reg::STATUS).unwrap();
    assert_eq!(now, 15 | status::DEVICE_NEEDS_RESET);
    // Nothing is let go.
    assert!(m.device.in_flight(BUFFERS, 8));
    assert!(m.device.in_flight(BUFFERS + 0x100, 16));
    assert!(m.device.in_flight(BUFFERS + 0x200, 8));
    assert_eq!(m.kick(0), Err(Error::NeedsReset));
    assert_eq!(m.queue(0, 8, ring.at), Err(Error::Busy));
    // So when a fault is the reason.
    let (mut m, _, _) = busy();
    m.fake.set_stuck(true);
    m.fake.set_used(0, 9);
    assert!(matches!(m.collect(), Err(Error::Broken(_))));
    assert!(m.device.in_flight(BUFFERS, 8));
    assert_eq!(m.write(reg::STATUS, 0), Err(Error::Stuck));
    m.fake.set_stuck(false);
    assert_eq!(m.write(reg::STATUS, 0), Ok(()));
    assert!(!m.device.in_flight(0, u32::MAX));
}

#[test]
fn a_queue_that_is_not_set_up() {
    for ready in [0, 2, u32::MAX] {
        let mut m = Machine::new(net());
        m.negotiate(1 << 32);
        m.fake
            .set_lie(Some(Box::new(move |offset, value| match offset {
                reg::QUEUE_READY => ready,
                _ => value,
            })));
        let ring = Ring::new(0, 8);
        let fault = Error::Broken(Fault::Device(DeviceFault::Queue(0)));
        assert_eq!(m.queue(0, 8, ring.at), Err(fault));
        assert_eq!(m.fake.status(), 0);
        assert_eq!(m.read(reg::STATUS), Ok(11 | status::DEVICE_NEEDS_RESET));
    }
    // Ready before it was made ready.
    let mut m = Machine::new(net());
    m.negotiate(1 << 32);
    m.fake
        .set_lie(Some(Box::new(move |offset, value| match offset {
            reg::QUEUE_READY => 1,
            _ => value,
        })));
    let fault = Error::Broken(Fault::Device(DeviceFault::Queue(0)));
    assert_eq!(m.queue(0, 8, Ring::new(0, 8).at), Err(fault));
}

#[test]
fn features_that_the_device_takes_back() {
    let mut m = Machine::new(net());
    m.fake.set_lie(Some(Box::new(|offset, value| match offset {
        reg::STATUS => value & !status::FEATURES_OK,
        _ => value,
    })));
    m.negotiate(1 << 32);
    assert_eq!(m.read(reg::STATUS), Ok(3));
    assert_eq!(m.write(reg::STATUS, 15), Err(Error::InvalidValue));
}

/// A device that reads so at one offset.
fn asked(at: u32, reads: u32) -> Result<Identity, Unsupported> {
    let memory = Machine::new(net()).memory;
    let fake = Fake::new(memory, net());
    fake.set_lie(Some(Box::new(
        move |offset, value| {
            if offset == at { reads } else { value }
        },
    )));
    let device = Device::<View, Pages>::new(&fake)?;
    Ok(*device.identity())
}

#[test]
fn what_is_no_device() {
    let magic = asked(reg::MAGIC_VALUE, 0).unwrap_err();
    assert_eq!(
        magic,
        Unsupported::Transport {
            magic: 0,
            version: 2
        }
    );
    for version in [0, 1, 3, u32::MAX] {
        assert!(matches!(
            asked(reg::VERSION, version),
            Err(Unsupported::Transport { .. })
        ));
    }
    // None; balloon, GPU, IOMMU, memory, file system: their requests hold addresses.
    for kind in [0, 5, 16, 23, 24, 26, u32::MAX] {
        assert_eq!(
            asked(reg::DEVICE_ID, kind).unwrap_err(),
            Unsupported::Kind(kind)
        );
    }
    for kind in [1, 2, 3, 4, 9, 18, 19] {
        assert_eq!(asked(reg::DEVICE_ID, kind).unwrap().kind, kind);
    }
    assert_eq!(
        asked(reg::DEVICE_FEATURES, 0).unwrap_err(),
        Unsupported::Legacy
    );
    assert_eq!(asked(reg::STATUS, 1).unwrap_err(), Unsupported::Stuck);
}

#[test]
fn sizes_that_are_odd() {
    let model = Model {
        sizes: [0, 1, 2, 3, 255, 256, 257, u32::MAX, 16].into(),
        ..net()
    };
    let m = Machine::new(model);
    assert_eq!(m.device.identity().sizes, [0, 1, 2, 2, 128, 256, 256, 256]);
}

#[test]
fn what_a_device_is_does_not_change() {
    let mut m = Machine::new(net());
    let sizes = [0, 1, 2].map(|queue| {
        m.write(reg::QUEUE_SEL, queue).unwrap();
        m.read(reg::QUEUE_NUM_MAX).unwrap()
    });
    assert_eq!(sizes, [16, 256, 256]);
    let registers = [
        reg::MAGIC_VALUE,
        reg::VERSION,
        reg::DEVICE_ID,
        reg::VENDOR_ID,
        reg::DEVICE_FEATURES,
        reg::QUEUE_NUM_MAX,
    ];
    let before = registers.map(|offset| m.read(offset));
    m.fake.set_lie(Some(Box::new(|_, _| u32::MAX)));
    assert_eq!(registers.map(|offset| m.read(offset)), before);
}
