// SPDX-License-Identifier: BSD-2-Clause
//! Ports between guests that are made up.

use std::{string::String, vec, vec::Vec};

use serde::{Deserialize, Serialize};

use super::*;
use crate::{
    channel::{Config, Strength, WhenFull, WriteError},
    fake::World,
    task::{block_on, spawn},
};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Order {
    Stop,
    Go { to: String, speed: u32 },
}

fn go(speed: u32) -> Order {
    let to = "north".into();
    Order::Go { to, speed }
}

const MANY: Config = Config::new().frames(4).data(1024).writers(4).readers(4);

#[test]
fn values_arrive_in_order_with_who_sent_them() {
    let world = World::new();
    let region = world.region(MANY.bytes());
    let captain = world.channel(region, 1, &MANY);
    let crew = world.channel(region, 2, &MANY);
    let mut orders = Receiver::<Order>::new(&crew, Strength::Strong, "crew").unwrap();
    let received = block_on(async move {
        // More than there is room for.
        let sender = spawn(async move {
            let mut port = Sender::new(&captain, Strength::Strong, "captain").unwrap();
            for speed in 0..50 {
                port.send(&go(speed)).await.unwrap();
            }
            port.send(&Order::Stop).await.unwrap();
            port.id()
        });
        let mut received = vec![];
        let mut from = None;
        while let Some(message) = orders.receive().await.unwrap() {
            if let Some(end) = orders.sender_of(&message) {
                assert_eq!((end.name.as_str(), end.owner.0), ("captain", 1));
            }
            from = Some(message.from);
            received.push(message.value);
        }
        assert_eq!(from, Some(sender.await.unwrap()));
        received
    });
    let expected: Vec<_> = (0..50).map(go).chain([Order::Stop]).collect();
    assert_eq!(received, expected);
}

#[test]
fn what_is_no_value_is_an_error_of_that_message() {
    let world = World::new();
    let region = world.region(MANY.bytes());
    let mine = world.channel(region, 1, &MANY);
    let theirs = world.channel(region, 2, &MANY);
    let mut orders = Receiver::<Order>::new(&mine, Strength::Strong, "").unwrap();
    let mut orders_at_most = Receiver::<Order>::new(&mine, Strength::Strong, "")
        .unwrap()
        .at_most(7);
    let mut writer = theirs.writer(Strength::Strong, "").unwrap();
    let long = postcard::to_allocvec(&go(1)).unwrap();
    let id = writer.id();
    let undecodable = Err(ReceiveError::Undecodable(id));
    let stop = || Ok(Some(Order::Stop));
    for (frame, expected) in [
        (&[2][..], undecodable.clone()),
        (&[0], stop()),
        // Shorter and longer than the value.
        (&[], undecodable.clone()),
        (&[1, 5, b'n'], undecodable.clone()),
        (&[1, 0xff, 0xff, 0xff, 0xff, 0xf], undecodable.clone()),
        (&[0, 0], undecodable),
        (&[0], stop()),
    ] {
        writer.try_send(frame).unwrap();
        for port in [&mut orders, &mut orders_at_most] {
            let got = port.try_receive().map(|got| got.map(|got| got.value));
            assert_eq!(got, expected, "{frame:?}");
        }
    }
    writer.try_send(&long).unwrap();
    assert!(orders.try_receive().unwrap().is_some());
    let too_long = ReceiveError::TooLong(id);
    assert_eq!(orders_at_most.try_receive(), Err(too_long));
    assert_eq!(orders_at_most.try_receive(), Ok(None));
}

#[test]
fn a_value_that_no_frame_holds_is_refused_and_the_next_goes() {
    let world = World::new();
    let region = world.region(MANY.bytes());
    let channel = world.channel(region, 1, &MANY);
    let mut port = Sender::<Vec<u8>>::new(&channel, Strength::Strong, "").unwrap();
    let mut reader = Receiver::<Vec<u8>>::new(&channel, Strength::Strong, "").unwrap();
    let too_long = SendError::Channel(WriteError::TooLong);
    // A length of two bytes stands in front.
    for len in [0, 200, 300, 510] {
        port.try_send(&vec![7; len]).unwrap();
        let got = reader.try_receive().unwrap().unwrap();
        assert_eq!(got.value, vec![7; len]);
        assert_eq!(port.try_send(&vec![7; 511]), Err(too_long));
    }
}

#[test]
fn a_weak_receiver_learns_what_it_lost() {
    let config = MANY.when_full(WhenFull::Drop);
    let world = World::new();
    let region = world.region(config.bytes());
    let channel = world.channel(region, 1, &config);
    let mut port = Sender::<u32>::new(&channel, Strength::Strong, "").unwrap();
    let mut weak = Receiver::<u32>::new(&channel, Strength::Weak, "").unwrap();
    for number in 0..100 {
        port.try_send(&number).unwrap();
    }
    let mut seen = 0;
    while let Some(message) = weak.try_receive().unwrap() {
        seen += 1;
        assert!(message.value >= 96);
    }
    assert!(seen > 0);
    assert_eq!(weak.take_lost() + seen, 100);
    // A strong one has it drop.
    let strong = Receiver::<u32>::new(&channel, Strength::Strong, "").unwrap();
    for number in 0..10 {
        let sent = port.try_send(&number);
        let dropped = Err(SendError::Channel(WriteError::Dropped));
        assert_eq!(sent, if number < 4 { Ok(()) } else { dropped });
    }
    assert_eq!(port.dropped(), 6);
    drop(strong);
}
