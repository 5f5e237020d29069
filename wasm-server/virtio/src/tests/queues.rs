// SPDX-License-Identifier: BSD-2-Clause
//! When queues can be set up, notify, interrupt and stop.

use std::{vec, vec::Vec};

use super::{
    machine::{FRAMES, Machine, Mapping, PAGE, PAGES, net},
    ring::{BUFFERS, Ring, WRITE, driven},
};
use crate::{
    Error,
    register::{self as reg, interrupt, status},
};

const BUFFER: u64 = BUFFERS as u64;

#[test]
fn a_kick_notifies_once_or_not_at_all() {
    let (mut m, mut ring) = driven(1, 64);
    ring.descriptor(&m, 0, BUFFER, 8, 0, 0);
    for _ in 0..40 {
        ring.offer(&m, 0);
    }
    assert_eq!(m.kick(1), Ok(()));
    assert_eq!(m.fake.notified(1), 1);
    // Nothing new.
    assert_eq!(m.kick(1), Ok(()));
    assert_eq!(m.fake.notified(1), 0);
    // The device looks by itself.
    m.fake.want_notifications(1, false);
    ring.offer(&m, 0);
    assert_eq!(m.kick(1), Ok(()));
    assert_eq!(m.fake.notified(1), 0);
    m.fake.want_notifications(1, true);
    ring.offer(&m, 0);
    assert_eq!(m.write(reg::QUEUE_NOTIFY, 1), Ok(()));
    assert_eq!(m.fake.notified(1), 1);
    // Each was made available once.
    assert_eq!((0..).map_while(|_| m.fake.take(1)).count(), 42);
}

#[test]
fn what_was_not_kicked_is_not_taken() {
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFER, 8, 0, 0);
    ring.offer(&m, 0);
    assert_eq!(
        (m.collect(), m.ack(), m.wait(0)),
        (Ok(()), Ok(0), Ok(false))
    );
    assert_eq!(m.fake.take(0), None);
    assert!(!m.device.in_flight(0, u32::MAX));
    m.kick(0).unwrap();
    assert!(m.fake.take(0).is_some());
}

#[test]
fn who_wants_no_interrupts_gets_none_unless_it_waits() {
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFER, 8, 0, 0);
    let used = |m: &mut Machine, ring: &mut Ring, kick: bool| {
        ring.offer(m, 0);
        if kick {
            m.kick(0).unwrap();
        }
        let chain = m.fake.take(0).unwrap();
        m.fake.put(0, chain.id.into(), 0)
    };
    assert!(used(&mut m, &mut ring, true));
    ring.set_flags(&m, 1);
    assert!(!used(&mut m, &mut ring, true));
    // Other flags are nothing.
    ring.set_flags(&m, 2);
    assert!(used(&mut m, &mut ring, true));
    ring.set_flags(&m, 1);
    assert_eq!(m.collect(), Ok(()));
    ring.offer(&m, 0);
    m.kick(0).unwrap();
    assert_eq!(ring.used(&m).len(), 3);
    let chain = m.fake.take(0).unwrap();
    assert_eq!(m.wait(0), Ok(false));
    assert!(m.fake.put(0, chain.id.into(), 0));
    assert_eq!(m.wait(0), Ok(true));
    // It said so.
    assert_eq!(m.wait(0), Ok(false));
    ring.set_flags(&m, 0);
    assert_eq!(m.collect(), Ok(()));
    assert!(used(&mut m, &mut ring, true));
}

#[test]
fn news_are_since_the_last_kick() {
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFER, 8, 0, 0);
    for _ in 0..3 {
        ring.offer(&m, 0);
        m.kick(0).unwrap();
        let chain = m.fake.take(0).unwrap();
        assert_eq!(m.wait(0), Ok(false));
        m.fake.put(0, chain.id.into(), 0);
        // However it got there.
        m.collect().unwrap();
        assert_eq!(m.wait(0), Ok(true));
        assert_eq!(m.wait(0), Ok(false));
    }
    ring.offer(&m, 0);
    m.kick(0).unwrap();
    let chain = m.fake.take(0).unwrap();
    m.fake.put(0, chain.id.into(), 0);
    m.collect().unwrap();
    // Known before the kick, so no news.
    m.kick(0).unwrap();
    assert_eq!(m.wait(0), Ok(false));
    // The kick itself found it.
    ring.offer(&m, 0);
    m.kick(0).unwrap();
    let chain = m.fake.take(0).unwrap();
    m.fake.put(0, chain.id.into(), 0);
    m.kick(0).unwrap();
    assert_eq!(m.wait(0), Ok(true));
}

#[test]
fn a_stopped_queue_is_left_alone() {
    let (mut m, mut ring) = driven(0, 8);
    ring.descriptor(&m, 0, BUFFER, 8, WRITE, 0);
    ring.offer(&m, 0);
    m.kick(0).unwrap();
    let chain = m.fake.take(0).unwrap();
    assert_eq!(m.write(reg::QUEUE_READY, 0), Ok(()));
    assert_eq!(m.read(reg::QUEUE_READY), Ok(0));
    // Its registers can be written, as `virtio-drivers` does, and it cannot be used again.
    assert_eq!(m.write(reg::QUEUE_NUM, 0), Ok(()));
    assert_eq!(m.queue(0, 8, ring.at), Err(Error::Busy));
    assert_eq!(m.kick(0), Err(Error::NotReady));
    assert_eq!(m.wait(0), Err(Error::NotReady));
    // The device still has the buffer.
    assert!(m.device.in_flight(BUFFERS, 8));
    ring.descriptor(&m, 0, u64::MAX, 8, WRITE, 0);
    m.fake.put(0, chain.id.into(), 8);
    assert_eq!(m.ack(), Ok(interrupt::USED));
    assert!(!m.device.in_flight(BUFFERS, 8));
    assert_eq!(ring.used(&m), []);
    // A reset makes it new.
    m.negotiate(1 << 32);
    ring.set_up(&mut m);
}

#[test]
fn a_live_queue_is_not_programmed() {
    let (mut m, ring) = driven(0, 8);
    let registers = [
        reg::QUEUE_NUM,
        reg::QUEUE_READY,
        reg::QUEUE_DESC_LOW,
        reg::QUEUE_DESC_HIGH,
        reg::QUEUE_DRIVER_LOW,
        reg::QUEUE_DRIVER_HIGH,
        reg::QUEUE_DEVICE_LOW,
        reg::QUEUE_DEVICE_HIGH,
    ];
    let before = m.fake.rings(0);
    for register in registers {
        assert_eq!(m.write(register, 1), Err(Error::Busy));
    }
    assert_eq!(m.fake.rings(0), before);
    // Nor is another added once the device is driven.
    assert_eq!(m.queue(1, 8, ring.at), Err(Error::InvalidValue));
    // Before that, it is live, too.
    m.negotiate(1 << 32);
    ring.set_up(&mut m);
    assert_eq!(m.write(reg::QUEUE_READY, 1), Err(Error::Busy));
    assert_eq!(m.fake.complaints(), Vec::<&str>::new());
}

#[test]
fn queues_that_are_refused() {
    let mut m = Machine::new(net());
    let ring = Ring::new(0, 8);
    // Before the features.
    assert_eq!(m.queue(0, 8, ring.at), Err(Error::InvalidValue));
    m.negotiate(1 << 32);
    for size in [0, 3, 32, 256, 0x1_0000, 0x1_0008] {
        assert_eq!(
            m.queue(0, size, ring.at),
            Err(Error::InvalidValue),
            "{size}"
        );
    }
    let end = PAGES * PAGE;
    for at in [
        [8, 0x1000, 0x2000],
        [0, 0x1002, 0x2000],
        [0, 0x1000, 0x2002],
        [end, 0x1000, 0x2000],
        [end - 16, 0x1000, 0x2000],
        [0, end - 16, 0x2000],
        [0, 0x1000, end - 64],
        [0, 0x1000, 0xffff_fffc],
    ] {
        assert_eq!(m.queue(0, 8, at), Err(Error::InvalidValue), "{at:x?}");
    }
    for high in [
        reg::QUEUE_DESC_HIGH,
        reg::QUEUE_DRIVER_HIGH,
        reg::QUEUE_DEVICE_HIGH,
    ] {
        m.write(high, 1).unwrap();
        assert_eq!(m.queue(0, 8, ring.at), Err(Error::InvalidValue));
        m.write(high, 0).unwrap();
    }
    // In a window, others could change it.
    let window = Mapping {
        frame: 50,
        write: true,
        is_window: true,
    };
    m.guest.pages.borrow_mut()[1] = Some(window);
    assert_eq!(m.queue(0, 8, ring.at), Err(Error::InvalidValue));
    // None of those cost a page.
    assert!(m.taken.borrow().is_empty());
    // Only queues that the device has.
    assert_eq!(m.queue(3, 8, ring.at), Err(Error::InvalidValue));
    assert_eq!(m.queue(8, 8, ring.at), Err(Error::InvalidValue));
    assert_eq!(m.queue(u32::MAX, 8, ring.at), Err(Error::InvalidValue));
    assert_eq!(m.kick(0), Err(Error::NotReady));
    m.guest.pages.borrow_mut()[1] = Some(Mapping {
        is_window: false,
        ..window
    });
    ring.set_up(&mut m);
    // Not before DRIVER_OK.
    assert_eq!(m.kick(0), Err(Error::NotReady));
    m.finish();
    for queue in [1, 3, 7, 8, u32::MAX] {
        assert_eq!(m.kick(queue), Err(Error::NotReady), "{queue}");
    }
    assert_eq!(m.kick(0), Ok(()));
    // A driver that has given up has.
    m.write(reg::STATUS, 15 | status::FAILED).unwrap();
    assert_eq!(m.kick(0), Err(Error::NotReady));
    assert_eq!(m.fake.complaints(), Vec::<&str>::new());
}

#[test]
fn no_memory_for_a_queue() {
    let mut m = Machine::new(net());
    m.negotiate(1 << 32);
    *m.taken.borrow_mut() = vec![0; FRAMES as usize];
    let ring = Ring::new(0, 8);
    assert_eq!(m.queue(0, 8, ring.at), Err(Error::NoMemory(())));
    assert_eq!(m.read(reg::QUEUE_READY), Ok(0));
    m.taken.borrow_mut().clear();
    ring.set_up(&mut m);
}

#[test]
fn a_ring_of_one() {
    let (mut m, mut ring) = driven(0, 1);
    for _ in 0..5 {
        ring.descriptor(&m, 0, BUFFER, 8, WRITE, 0);
        ring.offer(&m, 0);
        m.kick(0).unwrap();
        let chain = m.fake.take(0).unwrap();
        m.fake.put(0, chain.id.into(), 8);
        m.collect().unwrap();
        assert_eq!(ring.used(&m), [(0, 8)]);
    }
}

#[test]
fn indexes_wrap() {
    let (mut m, mut ring) = driven(0, 4);
    for i in 0..70_000_u32 {
        let head = (i % 4) as u16;
        ring.descriptor(&m, head, BUFFER, 8, WRITE, 0);
        ring.offer(&m, head);
        m.kick(0).unwrap();
        let chain = m.fake.take(0).unwrap();
        m.fake.put(0, chain.id.into(), i % 8);
        m.collect().unwrap();
        assert_eq!(ring.used(&m), [(head.into(), i % 8)]);
        m.memory.dma.borrow_mut().clear();
    }
    assert_eq!(m.fake.complaints(), Vec::<&str>::new());
}
