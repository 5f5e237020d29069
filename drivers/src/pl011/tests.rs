// SPDX-License-Identifier: BSD-2-Clause
//! The driver, at a device that does what its manual says.

use std::vec::Vec;

use proptest::prelude::*;

use super::{FIFO, LCR_H_FEN, OE, Pl011, RT, RX, TX, fake::Fake};
use crate::Error;

fn set_up() -> (Fake, Pl011<Fake>) {
    let fake = Fake::new();
    let uart = Pl011::new(fake.clone()).unwrap();
    (fake, uart)
}

fn take(uart: &mut Pl011<Fake>) -> Vec<u8> {
    let mut came = Vec::new();
    uart.turn(&[], |byte| came.push(byte)).unwrap();
    came
}

#[test]
fn it_is_set_up_after_what_was_sent_before() {
    let fake = Fake::new();
    fake.0.borrow_mut().busy = 100;
    Pl011::new(fake.clone()).unwrap();
    let state = fake.0.borrow();
    assert_eq!((state.busy, state.mask), (0, RX | RT | OE));
    assert_ne!(state.line_control & LCR_H_FEN, 0);
}

#[test]
fn what_is_no_pl011_is_refused() {
    let fake = Fake::new();
    fake.0.borrow_mut().id = 0x031;
    assert_eq!(Pl011::new(fake).err(), Some(Error::WrongType(0x031)));
    let fake = Fake::new();
    fake.0.borrow_mut().busy = u32::MAX;
    assert_eq!(Pl011::new(fake).err(), Some(Error::TimedOut));
}

#[test]
fn what_comes_is_taken_and_what_came_broken_is_counted() {
    let (fake, mut uart) = set_up();
    assert!(!fake.interrupts());
    for data in [0x41, 1 << 8, 0x42, 1 << 10 | 0x43, 0xff] {
        fake.arrive(data);
    }
    assert!(fake.interrupts());
    assert_eq!(take(&mut uart), [0x41, 0x42, 0xff]);
    assert_eq!((uart.broken(), uart.overruns()), (2, 0));
    assert!(!fake.interrupts());
}

#[test]
fn what_came_before_is_taken() {
    // At the start of the machine, and after somebody who has set it up.
    for line_control in [0x60, 0x60 | LCR_H_FEN] {
        let fake = Fake::new();
        fake.0.borrow_mut().line_control = line_control;
        fake.arrive(0x61);
        fake.arrive(1 << 8);
        fake.arrive(0x62);
        let mut uart = Pl011::new(fake).unwrap();
        assert_eq!(take(&mut uart), [0x61, 0x62]);
        assert_eq!(uart.broken(), 1);
        assert_eq!(take(&mut uart), []);
    }
}

#[test]
fn a_byte_that_comes_alone_interrupts() {
    let (fake, mut uart) = set_up();
    fake.arrive(0x61);
    assert!(fake.interrupts());
    assert_eq!(take(&mut uart), [0x61]);
}

#[test]
fn what_was_too_much_is_counted() {
    let (fake, mut uart) = set_up();
    for data in 0..FIFO as u32 + 3 {
        fake.arrive(data);
    }
    assert_eq!(take(&mut uart).len(), FIFO);
    fake.arrive(0x7a);
    assert_eq!(take(&mut uart), [0x7a]);
    assert_eq!(uart.overruns(), 1);
}

#[test]
fn room_is_heard_of_when_it_is_wanted() {
    let (fake, mut uart) = set_up();
    let text: Vec<u8> = (0..100).collect();
    let sent = uart.turn(&text, |_| ()).unwrap();
    assert_eq!(sent, FIFO);
    assert_ne!(fake.0.borrow().mask & TX, 0);
    assert!(!fake.interrupts());
    fake.transmit(FIFO - 2);
    assert!(fake.interrupts());
    let more = uart.turn(&text[sent..], |_| ()).unwrap();
    assert_eq!(more, FIFO - 2);
    // Nothing more to send: no interrupt when there is room.
    fake.transmit(FIFO);
    uart.turn(&[], |_| ()).unwrap();
    fake.transmit(FIFO);
    assert!(!fake.interrupts());
    assert_eq!(fake.0.borrow().line, text[..sent + more]);
}

#[test]
fn a_line_that_is_never_silent_does_not_hold_it_for_ever() {
    let (fake, mut uart) = set_up();
    fake.arrive(1);
    let mut count = 0;
    let other = fake.clone();
    uart.turn(&[], |_| {
        count += 1;
        assert!(count < 1000);
        other.arrive(1);
    })
    .unwrap();
    assert!(fake.interrupts(), "the rest is heard of");
}

#[derive(Clone, Debug)]
enum Step {
    Arrive(u8),
    Transmit(usize),
    Write(Vec<u8>),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Arrive),
        (1..20usize).prop_map(Step::Transmit),
        prop::collection::vec(any::<u8>(), 1..40).prop_map(Step::Write),
    ]
}

proptest! {
    /// Whatever happens, a driver that has its turn at each interrupt, and when there is something to write, moves
    /// everything, both ways, in order.
    #[test]
    fn everything_arrives(steps in prop::collection::vec(step(), 1..100)) {
        let (fake, mut uart) = set_up();
        let (mut typed, mut came) = (Vec::new(), Vec::new());
        let (mut written, mut waiting) = (Vec::new(), Vec::new());
        let mut turn = |waiting: &mut Vec<u8>, came: &mut Vec<u8>| {
            let sent = uart.turn(waiting, |byte| came.push(byte)).unwrap();
            waiting.drain(..sent);
        };
        for step in steps {
            match step {
                Step::Arrive(byte) => {
                    typed.push(byte);
                    fake.arrive(byte.into());
                }
                Step::Transmit(count) => fake.transmit(count),
                Step::Write(bytes) => {
                    written.extend_from_slice(&bytes);
                    waiting.extend_from_slice(&bytes);
                    turn(&mut waiting, &mut came);
                }
            }
            while fake.interrupts() {
                turn(&mut waiting, &mut came);
            }
        }
        // In the end the line is done: nothing waits for an interrupt that does not come.
        loop {
            fake.transmit(1);
            if fake.interrupts() {
                turn(&mut waiting, &mut came);
            } else if fake.0.borrow().line.len() == written.len() {
                break;
            } else {
                prop_assert!(fake.0.borrow().mask & TX != 0 || waiting.is_empty());
            }
        }
        prop_assert_eq!(came, typed);
        prop_assert_eq!(&fake.0.borrow().line, &written);
    }
}
