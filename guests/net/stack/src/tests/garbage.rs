// SPDX-License-Identifier: BSD-2-Clause
//! Frames that nobody should send. Whatever comes, sockets go on to work.

use super::*;
use proptest::{prelude::*, test_runner::TestRunner};
use std::{format, string::String};

/// Frames of a connection, a datagram and a ping, as they are.
fn samples() -> Vec<Vec<u8>> {
    let mut world = World::new();
    let seen = Rc::new(RefCell::new(Vec::new()));
    let (listener, _) = world.b.stack.tcp_listen(Local::port(80), 4).unwrap();
    for there in [B, B6] {
        let id = world
            .a
            .stack
            .tcp_connect(at(there, 80), Local::default())
            .unwrap();
        world.a.stack.ping(ip(there), 56).unwrap();
        let (udp, _) = world.a.stack.udp_bind(Local::default()).unwrap();
        let sent =
            (world.a.stack).udp_send(udp, at(there, 7), 4, Waker::noop(), |room| room.fill(1));
        assert!(sent.is_ready());
        for _ in 0..20 {
            let Machine { stack, port } = &mut world.a;
            stack.poll(world.now, port);
            seen.borrow_mut()
                .extend(port.outgoing.borrow().iter().cloned());
            let Machine { stack, port } = &mut world.b;
            stack.poll(world.now, port);
            world.a.write(id, b"some bytes of a stream");
            world.now += Duration::from_millis(50);
        }
        let _ = world.b.stack.poll_accept(listener, Waker::noop());
    }
    seen.take()
}

/// A frame with a few bytes changed, cut or made longer.
fn broken(samples: Vec<Vec<u8>>) -> impl Strategy<Value = Vec<u8>> {
    let change = (any::<prop::sample::Index>(), any::<u8>());
    (
        prop::sample::select(samples),
        prop::collection::vec(change, 0..4),
        prop_oneof![3 => Just(None), 1 => (0usize..1600).prop_map(Some)],
    )
        .prop_map(|(mut frame, changes, len)| {
            for (at, value) in changes {
                let at = at.index(frame.len());
                frame[at] = value;
            }
            if let Some(len) = len {
                frame.resize(len, 0xa5);
            }
            frame
        })
}

#[test]
fn sockets_survive() {
    let samples = samples();
    assert!(samples.len() > 10);
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    let frames = prop::collection::vec(prop_oneof![4 => broken(samples), 1 => noise], 1..40);
    let mut runner = TestRunner::default();
    let result = runner.run(&frames, |frames| {
        let mut world = World::new();
        let (listener, _) = world.b.stack.tcp_listen(Local::port(80), 4).unwrap();
        let (udp, _) = world.b.stack.udp_bind(Local::port(7)).unwrap();
        for frame in frames {
            world.b.port.incoming.borrow_mut().push_back(frame);
        }
        world.settle();
        // Half-open connections of nobody are given up meanwhile; established ones are found out.
        world.run(Duration::from_secs(30));
        while world
            .b
            .stack
            .poll_accept(listener, Waker::noop())
            .is_ready()
        {}
        let receive = |stack: &mut Stack| stack.udp_receive(udp, Waker::noop(), |_, _| ());
        while receive(&mut world.b.stack).is_ready() {}
        for there in [B, B6] {
            // A neighbour that was made up is found out, too, at the latest when it is forgotten.
            let mut connected = false;
            for _ in 0..12 {
                let id = world
                    .a
                    .stack
                    .tcp_connect(at(there, 80), Local::default())
                    .unwrap();
                world.run(Duration::from_secs(10));
                connected |= world.a.stack.poll_connected(id, Waker::noop()) == Poll::Ready(Ok(()));
                if connected {
                    break;
                }
                world.a.stack.tcp_abort(id);
            }
            prop_assert!(connected, "{there}");
            prop_assert!(
                world
                    .b
                    .stack
                    .poll_accept(listener, Waker::noop())
                    .is_ready()
            );
        }
        Ok(())
    });
    if let Err(error) = result {
        let text: String = format!("{error}");
        panic!("{text}");
    }
}
