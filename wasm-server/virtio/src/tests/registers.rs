// SPDX-License-Identifier: BSD-2-Clause
//! The register file: which there are, what they take, and when.

use std::vec::Vec;

use super::machine::{Machine, net};
use crate::{
    Error, Width,
    register::{self as reg, status},
};

/// Those that can be read.
const READ: [u32; 10] = [
    reg::MAGIC_VALUE,
    reg::VERSION,
    reg::DEVICE_ID,
    reg::VENDOR_ID,
    reg::DEVICE_FEATURES,
    reg::QUEUE_NUM_MAX,
    reg::QUEUE_READY,
    reg::INTERRUPT_STATUS,
    reg::STATUS,
    reg::CONFIG_GENERATION,
];

/// Those that can be written.
const WRITTEN: [u32; 15] = [
    reg::DEVICE_FEATURES_SEL,
    reg::DRIVER_FEATURES,
    reg::DRIVER_FEATURES_SEL,
    reg::QUEUE_SEL,
    reg::QUEUE_NUM,
    reg::QUEUE_READY,
    reg::QUEUE_NOTIFY,
    reg::INTERRUPT_ACK,
    reg::STATUS,
    reg::QUEUE_DESC_LOW,
    reg::QUEUE_DESC_HIGH,
    reg::QUEUE_DRIVER_LOW,
    reg::QUEUE_DRIVER_HIGH,
    reg::QUEUE_DEVICE_LOW,
    reg::QUEUE_DEVICE_HIGH,
];

const WIDTHS: [Width; 3] = [Width::Byte, Width::Half, Width::Word];

#[test]
fn those_that_there_are() {
    // The neighbour's, too.
    let offsets = (0..0x420)
        .chain(0xfff..0x1003)
        .chain(u32::MAX - 4..=u32::MAX);
    let mut m = Machine::new(net());
    for offset in offsets {
        for width in WIDTHS {
            let is_word = width == Width::Word;
            let is_config =
                (reg::CONFIG..reg::LEN).contains(&offset) && offset.is_multiple_of(width.bytes());
            let read = m.read_as(offset, width);
            let exists = is_config || is_word && READ.contains(&offset);
            assert_eq!(read.is_ok(), exists, "{offset:#x} {width:?}");
            if !exists {
                assert_eq!(read, Err(Error::NoRegister));
            }
            let written = m.write_as(offset, width, 0);
            let exists = is_config || is_word && WRITTEN.contains(&offset);
            assert_eq!(
                written != Err(Error::NoRegister),
                exists,
                "{offset:#x} {width:?}"
            );
            assert_eq!(m.fake.complaints(), Vec::<&str>::new());
        }
    }
}

#[test]
fn widths() {
    assert_eq!(
        [0, 1, 2, 3, 4, 8].map(Width::new),
        [
            None,
            Some(Width::Byte),
            Some(Width::Half),
            None,
            Some(Width::Word),
            None
        ]
    );
    assert_eq!(WIDTHS.map(Width::max), [0xff, 0xffff, u32::MAX]);
}

#[test]
fn what_they_hold() {
    let mut m = Machine::new(net());
    assert_eq!(m.read(reg::MAGIC_VALUE), Ok(0x7472_6976));
    assert_eq!(m.read(reg::VERSION), Ok(2));
    assert_eq!(m.read(reg::DEVICE_ID), Ok(1));
    assert_eq!(m.read(reg::VENDOR_ID), Ok(0x554d_4551));
    for (queue, max) in [(0, 16), (1, 256), (2, 256), (3, 0), (8, 0), (u32::MAX, 0)] {
        m.write(reg::QUEUE_SEL, queue).unwrap();
        assert_eq!(m.read(reg::QUEUE_NUM_MAX), Ok(max), "{queue}");
        assert_eq!(m.read(reg::QUEUE_READY), Ok(0));
    }
    assert_eq!(m.read(reg::STATUS), Ok(0));
}

#[test]
fn the_configuration() {
    let mut m = Machine::new(net());
    assert_eq!(m.read_as(0x101, Width::Byte), Ok(1));
    assert_eq!(m.read_as(0x102, Width::Half), Ok(0x0302));
    assert_eq!(m.read(0x1fc), Ok(0xfffe_fdfc));
    assert_eq!(
        m.write_as(0x101, Width::Byte, 0x100),
        Err(Error::InvalidValue)
    );
    assert_eq!(
        m.write_as(0x102, Width::Half, 0x1_0000),
        Err(Error::InvalidValue)
    );
    assert_eq!(m.write_as(0x102, Width::Half, 0xffff), Ok(()));
    assert_eq!(m.read(0x100), Ok(0xffff_0100));
    assert_eq!(m.read(reg::CONFIG_GENERATION), Ok(1));
}

#[test]
fn features_on_offer() {
    let mut m = Machine::new(net());
    let features = [0, 1, 2, u32::MAX].map(|sel| {
        m.write(reg::DEVICE_FEATURES_SEL, sel).unwrap();
        m.read(reg::DEVICE_FEATURES).unwrap()
    });
    // Those of rings and transport are gone: indirect descriptors, event indices, and so on.
    assert_eq!(features, [1 << 5, 1 | 1 << 31, 0, 0]);
}

#[test]
fn features_that_may_be_taken() {
    for (features, works) in [
        (1 << 32, true),
        (1 << 32 | 1 << 5 | 1 << 63, true),
        // Not VERSION_1; not offered, by the device or by the server; in no half.
        (1 << 5, false),
        (1 << 32 | 1 << 6, false),
        (1 << 32 | 1 << 28, false),
        (1 << 32 | 1 << 29, false),
        (1 << 32 | 1 << 33, false),
        (1 << 32 | 1 << 34, false),
    ] {
        let mut m = Machine::new(net());
        m.negotiate(features);
        let expected = if works { 11 } else { 3 };
        assert_eq!(m.read(reg::STATUS), Ok(expected), "{features:#x}");
        assert_eq!(m.fake.status(), expected);
        let finished = m.write(reg::STATUS, 15);
        assert_eq!(finished.is_ok(), works);
        assert_eq!(m.fake.driver_features(), if works { features } else { 0 });
        assert_eq!(m.fake.complaints(), Vec::<&str>::new());
    }
    let mut m = Machine::new(net());
    m.negotiate(1 << 32);
    // Too late.
    assert_eq!(m.write(reg::DRIVER_FEATURES, 0), Err(Error::InvalidValue));
    m.write(reg::STATUS, 0).unwrap();
    m.write(reg::DRIVER_FEATURES_SEL, 2).unwrap();
    assert_eq!(m.write(reg::DRIVER_FEATURES, 0), Ok(()));
    assert_eq!(m.write(reg::DRIVER_FEATURES, 1), Err(Error::InvalidValue));
}

#[test]
fn a_status_goes_step_by_step() {
    let steps = [0, 1, 3, 11, 15];
    for (at, &now) in steps.iter().enumerate() {
        for next in (0..=u32::from(u8::MAX)).chain([256, 1 << 31]) {
            let mut m = Machine::new(net());
            m.write(reg::DRIVER_FEATURES_SEL, 1).unwrap();
            m.write(reg::DRIVER_FEATURES, 1).unwrap();
            for &step in &steps[1..=at] {
                m.write(reg::STATUS, step).unwrap();
            }
            let is_step = steps.contains(&(next & !status::FAILED));
            let works = next == 0 || is_step && next & now == now;
            let wrote = m.write(reg::STATUS, next);
            let expected = if works {
                Ok(())
            } else {
                Err(Error::InvalidValue)
            };
            assert_eq!(wrote, expected, "{now} to {next}");
            let now = if works { next } else { now };
            assert_eq!(m.read(reg::STATUS), Ok(now));
            assert_eq!(m.fake.status(), now);
            assert_eq!(m.fake.complaints(), Vec::<&str>::new());
        }
    }
}

#[test]
fn a_reset_forgets_what_was_written() {
    let mut m = Machine::new(net());
    m.negotiate(1 << 32 | 1 << 5);
    m.write(reg::QUEUE_SEL, 2).unwrap();
    m.write(reg::QUEUE_NUM, 8).unwrap();
    m.write(reg::QUEUE_DESC_LOW, 0x1000).unwrap();
    m.write(reg::STATUS, 0).unwrap();
    assert_eq!(m.read(reg::QUEUE_NUM_MAX), Ok(16));
    for now in [1, 3, 11] {
        m.write(reg::STATUS, now).unwrap();
    }
    // No features were taken this time.
    assert_eq!(m.read(reg::STATUS), Ok(3));
}

#[test]
fn values_that_are_refused() {
    let mut m = Machine::new(net());
    m.negotiate(1 << 32);
    for value in [2, u32::MAX] {
        assert_eq!(m.write(reg::QUEUE_READY, value), Err(Error::InvalidValue));
    }
    for value in [4, u32::MAX] {
        assert_eq!(m.write(reg::INTERRUPT_ACK, value), Err(Error::InvalidValue));
    }
    // Of a queue that the device does not have, and of one that nobody has.
    for queue in [3, 9] {
        m.write(reg::QUEUE_SEL, queue).unwrap();
        for offset in [reg::QUEUE_NUM, reg::QUEUE_DESC_LOW, reg::QUEUE_READY] {
            assert_eq!(m.write(offset, 1), Err(Error::InvalidValue));
        }
    }
    assert_eq!(m.write(reg::QUEUE_READY, 0), Err(Error::InvalidValue));
}
