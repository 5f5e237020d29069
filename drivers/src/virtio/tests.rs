// SPDX-License-Identifier: BSD-2-Clause
//! Drivers, and devices that are made up.

use alloc::{vec, vec::Vec};

use proptest::prelude::*;
use userland::Error as Refusal;

use super::{
    blocking,
    fake::{Fake, MAC},
    frames::QUEUE,
};
use crate::{
    Error,
    net::{BUFFERS, MAX_FRAME, Nic, Rest},
    virtio::{Hal, VirtIORng},
};
use virtio_drivers::transport::DeviceType;

fn nic() -> (Fake, Nic<Fake>) {
    let fake = Fake::network();
    let nic = Nic::new(fake.clone()).unwrap();
    (fake, nic)
}

fn receive(nic: &mut Nic<Fake>) -> Option<Vec<u8>> {
    nic.receive().map(|(frame, _)| frame.to_vec())
}

fn send(nic: &mut Nic<Fake>, frame: &[u8]) -> bool {
    let slot = nic.transmit();
    slot.map(|slot| slot.send(frame.len(), |room| room.copy_from_slice(frame)))
        .is_some()
}

#[test]
fn all_buffers_wait_for_frames_after_one_kick() {
    let (fake, nic) = nic();
    assert_eq!(nic.mac(), MAC);
    assert_eq!(nic.has_link(), Ok(true));
    let state = fake.0.borrow();
    assert_eq!(state.kicks, [0]);
    assert_eq!(state.queues[0].held.len(), BUFFERS);
    // Each in one page, so that the server makes one descriptor of it.
    for (_, buffers) in &state.queues[0].held {
        let (address, len, writable) = buffers[0];
        assert!(buffers.len() == 1 && writable);
        assert_eq!(address / 4096, (address + u64::from(len) - 1) / 4096);
    }
}

#[test]
fn frames_come_and_go_in_order_with_a_kick_for_many() {
    let (fake, mut nic) = nic();
    fake.0.borrow_mut().kicks.clear();
    for round in 0..100u8 {
        for number in 0..3 {
            assert!(fake.deliver(&[round, number]));
        }
        // Not before the driver asks.
        assert_eq!(receive(&mut nic), None);
        assert_eq!(nic.ack(), Ok(false));
        for number in 0..3 {
            let (frame, slot) = nic.receive().unwrap();
            assert_eq!(frame, [round, number]);
            slot.send(3, |answer| {
                answer[..2].copy_from_slice(frame);
                answer[2] = 0xff;
            });
        }
        assert_eq!(receive(&mut nic), None);
        assert_eq!(nic.flush(), Ok(Rest::None));
        assert_eq!(
            fake.frames_sent(),
            [0, 1, 2].map(|number| vec![round, number, 0xff])
        );
        fake.complete(3);
        // The device has most of them always.
        assert!(fake.0.borrow().queues[0].held.len() > BUFFERS * 3 / 4 - 3);
    }
    let kicks = fake.0.borrow().kicks.clone();
    let of = |queue| kicks.iter().filter(|kicked| **kicked == queue).count();
    assert_eq!((of(0), of(1)), (300 / (BUFFERS / 4 + 1), 100));
    // Nobody is told of frames that were sent.
    assert!(!fake.interrupts(1) && fake.interrupts(0));
    assert_eq!(nic.flush(), Ok(Rest::None));
    assert_eq!(fake.0.borrow().kicks.len(), kicks.len());
}

#[test]
fn what_is_not_sent_yet_is_not_written_over() {
    let (fake, mut nic) = nic();
    for number in 0..BUFFERS {
        assert!(send(&mut nic, &[number as u8; 60]), "{number}");
    }
    assert!(!send(&mut nic, &[0; 60]));
    // What cannot be answered waits.
    fake.deliver(&[1, 2, 3]);
    nic.ack().unwrap();
    assert_eq!(receive(&mut nic), None);
    // There will be an interrupt.
    assert_eq!(nic.flush(), Ok(Rest::Waits));
    assert!(fake.interrupts(1));
    let sent = fake.frames_sent();
    assert!(
        sent.iter()
            .enumerate()
            .all(|(number, frame)| frame == &[number as u8; 60])
    );
    fake.complete(2);
    assert!(!send(&mut nic, &[0; 60]));
    nic.ack().unwrap();
    assert_eq!(receive(&mut nic), Some(vec![1, 2, 3]));
    assert!(send(&mut nic, &[0; 60]) && send(&mut nic, &[0; 60]));
    assert!(!send(&mut nic, &[0; 60]));
    // If the device was quicker, there may be none, and none is needed.
    fake.complete(2);
    assert_eq!(nic.flush(), Ok(Rest::Goes));
    assert!(!fake.interrupts(1));
    assert!(send(&mut nic, &[0; 60]));
    assert_eq!(nic.flush(), Ok(Rest::None));
}

#[test]
fn the_longest_frame_and_one_more() {
    let (fake, mut nic) = nic();
    assert!(send(&mut nic, &[7; MAX_FRAME]));
    // Filled in, and not sent.
    assert!(send(&mut nic, &[7; MAX_FRAME + 1]));
    nic.flush().unwrap();
    assert_eq!(fake.frames_sent(), [vec![7; MAX_FRAME]]);
    fake.deliver(&[8; MAX_FRAME]);
    fake.deliver(&[]);
    fake.deliver(&[9]);
    nic.ack().unwrap();
    assert_eq!(receive(&mut nic), Some(vec![8; MAX_FRAME]));
    assert_eq!(receive(&mut nic), Some(vec![9]));
    assert_eq!(receive(&mut nic), None);
}

#[test]
fn a_device_that_says_what_cannot_be() {
    // A chain that it was not given, one that is none, and one twice.
    for (id, len) in [(QUEUE as u32, 20), (u32::MAX, 20), (u32::MAX, u32::MAX)] {
        let (fake, mut nic) = nic();
        fake.lie(0, id, len);
        nic.ack().unwrap();
        assert_eq!(receive(&mut nic), None);
        assert!(matches!(nic.flush(), Err(Error::Driver(_))));
        assert!(nic.transmit().is_none());
    }
    // Lengths without a header, and beyond the buffer, are as good as no frame.
    for len in [0, 11, 2049, u32::MAX] {
        let (fake, mut nic) = nic();
        let head = fake.0.borrow_mut().queues[0].held.remove(0).0;
        fake.lie(0, head.into(), len);
        fake.deliver(&[1]);
        nic.ack().unwrap();
        assert_eq!(receive(&mut nic), Some(vec![1]), "{len}");
        assert_eq!(nic.flush(), Ok(Rest::None));
    }
    // Of a frame that was never sent.
    let (fake, mut nic) = nic();
    assert!(send(&mut nic, &[0]));
    nic.flush().unwrap();
    fake.lie(1, 500, 0);
    nic.ack().unwrap();
    let mut sent = 1;
    while send(&mut nic, &[0]) {
        sent += 1;
    }
    assert_eq!(sent, BUFFERS);
    assert!(matches!(nic.flush(), Err(Error::Driver(_))));
}

#[test]
fn a_refusal_is_told_once_it_is_known() {
    let (fake, mut nic) = nic();
    fake.0.borrow_mut().refuse = Some((0, Refusal::BadQueue));
    assert!(send(&mut nic, &[1]));
    assert_eq!(nic.flush(), Err(Error::Device(Refusal::BadQueue)));
    assert_eq!(nic.ack(), Err(Error::Device(Refusal::BadQueue)));
    fake.0.borrow_mut().refuse = None;
    // For good.
    assert!(nic.flush().is_err());
    let mut again = Nic::new(fake.clone()).unwrap();
    assert!(send(&mut again, &[1]));
    assert_eq!(again.flush(), Ok(Rest::None));
}

#[test]
fn the_device_is_reset_before_its_memory_goes() {
    let (fake, nic) = nic();
    let before = fake.0.borrow().resets;
    drop(nic);
    let state = fake.0.borrow();
    assert!(state.resets > before && state.status == 0);
    assert!(state.queues.iter().all(|queue| queue.held.is_empty()));
}

#[test]
fn what_is_no_network_device() {
    let refused = Nic::new(Fake::new(2)).map(drop);
    assert_eq!(refused, Err(Error::WrongType(2)));
    let refused = Nic::new(Fake::new(99)).map(drop);
    assert_eq!(refused, Err(Error::WrongType(99)));
    let none = Fake::new(0);
    assert_eq!(Nic::new(none).map(drop), Err(Error::WrongType(0)));
    let other = Fake::network();
    other.0.borrow_mut().magic = 7;
    let refused = Nic::new(other).map(drop);
    assert_eq!(
        refused,
        Err(Error::NotVirtio {
            magic: 7,
            version: 2
        })
    );
    let small = Fake::network();
    small.0.borrow_mut().queue_max = 64;
    assert!(matches!(Nic::new(small).map(drop), Err(Error::Driver(_))));
}

#[test]
fn the_link_goes_and_comes() {
    let (fake, mut nic) = nic();
    fake.0.borrow_mut().config[6] = 0;
    fake.0.borrow_mut().interrupt = 2;
    assert_eq!(nic.ack(), Ok(true));
    assert_eq!(nic.has_link(), Ok(false));
}

#[test]
fn a_driver_that_waits_sleeps_instead() {
    let fake = Fake::new(4);
    let mut source = blocking(
        fake.clone(),
        DeviceType::EntropySource,
        VirtIORng::<Hal, _>::new,
    )
    .unwrap();
    let mut bytes = [0; 40];
    assert_eq!(source.request_entropy(&mut bytes), Ok(40));
    assert_eq!(bytes, [0x5a; 40]);
    let other = blocking(
        Fake::network(),
        DeviceType::EntropySource,
        VirtIORng::<Hal, _>::new,
    );
    assert_eq!(other.map(drop), Err(Error::WrongType(1)));
}

#[test]
#[should_panic(expected = "the device failed")]
fn a_driver_that_waits_for_a_failed_device_ends() {
    let fake = Fake::new(4);
    let mut source = blocking(
        fake.clone(),
        DeviceType::EntropySource,
        VirtIORng::<Hal, _>::new,
    )
    .unwrap();
    fake.0.borrow_mut().refuse = Some((0, Refusal::DeviceFailed));
    let _ = source.request_entropy(&mut [0; 8]);
}

proptest! {
    /// Whatever is received, sent and completed in whatever order: each frame once, in order, and unchanged.
    #[test]
    fn frames_are_neither_lost_nor_mixed(steps in prop::collection::vec((0u8..5, 1usize..40), 1..200)) {
        let (fake, mut nic) = nic();
        let (mut delivered, mut received) = (0u32, 0u32);
        let (mut written, mut seen) = (0u32, 0u32);
        for (step, count) in steps {
            for _ in 0..count {
                match step {
                    0 => {
                        if fake.deliver(&delivered.to_le_bytes()) {
                            delivered += 1;
                        }
                    }
                    1 => prop_assert_eq!(nic.ack(), Ok(false)),
                    2 => {
                        if let Some(frame) = receive(&mut nic) {
                            prop_assert_eq!(&frame[..], received.to_le_bytes());
                            received += 1;
                        }
                    }
                    3 => {
                        if send(&mut nic, &written.to_le_bytes()) {
                            written += 1;
                        }
                    }
                    _ => {
                        prop_assert!(nic.flush().is_ok());
                        let sent = fake.frames_sent();
                        for frame in &sent {
                            prop_assert_eq!(&frame[..], seen.to_le_bytes());
                            seen += 1;
                        }
                        let held = fake.0.borrow().queues[1].held.len();
                        fake.complete(held);
                    }
                }
            }
        }
    }
}
