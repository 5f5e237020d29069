// SPDX-License-Identifier: BSD-2-Clause
//! UDP, and ICMP echo.

use super::*;
use atoll_abi::net::MAX_DATAGRAM;

fn send(
    stack: &mut Stack,
    id: crate::UdpId,
    to: SocketAddr,
    bytes: &[u8],
) -> Poll<Result<(), Error>> {
    stack.udp_send(id, to, bytes.len(), Waker::noop(), |room| {
        room.copy_from_slice(bytes)
    })
}

fn receive(stack: &mut Stack, id: crate::UdpId) -> Poll<Result<(SocketAddr, Vec<u8>), Error>> {
    stack.udp_receive(id, Waker::noop(), |from, bytes| (from, bytes.to_vec()))
}

#[test]
fn there_and_back() {
    for (here, there) in [(A, B), (A6, B6)] {
        let mut world = World::new();
        let (a, local) = world.a.stack.udp_bind(Local::default()).unwrap();
        let (b, _) = world.b.stack.udp_bind(Local::port(7)).unwrap();
        assert!(receive(&mut world.b.stack, b).is_pending());
        for len in [0, 1, 1452] {
            let bytes = vec![len as u8; len];
            assert_eq!(
                send(&mut world.a.stack, a, at(there, 7), &bytes),
                Poll::Ready(Ok(()))
            );
            world.second();
            let from = at(here, local.port);
            assert_eq!(
                receive(&mut world.b.stack, b),
                Poll::Ready(Ok((from, bytes.clone())))
            );
            assert_eq!(
                send(&mut world.b.stack, b, from, &bytes),
                Poll::Ready(Ok(()))
            );
            world.second();
            assert_eq!(
                receive(&mut world.a.stack, a),
                Poll::Ready(Ok((at(there, 7), bytes)))
            );
        }
    }
}

#[test]
fn the_longest_one_goes_in_one_piece() {
    let mut world = World::new();
    let (a, _) = world.a.stack.udp_bind(Local::default()).unwrap();
    let (b, _) = world.b.stack.udp_bind(Local::port(7)).unwrap();
    let bytes = vec![7; MAX_DATAGRAM as usize];
    assert_eq!(
        send(&mut world.a.stack, a, at(B, 7), &bytes),
        Poll::Ready(Ok(()))
    );
    world.second();
    assert!(receive(&mut world.b.stack, b).is_ready());
    let bytes = vec![7; MAX_DATAGRAM as usize + 1];
    let refused = send(&mut world.a.stack, a, at(B, 7), &bytes);
    assert_eq!(refused, Poll::Ready(Err(Error::InvalidArgument)));
}

#[test]
fn what_nobody_reads_is_dropped_and_what_cannot_be_sent_waits() {
    let mut world = World::new();
    let (a, _) = world.a.stack.udp_bind(Local::default()).unwrap();
    let (b, _) = world.b.stack.udp_bind(Local::port(7)).unwrap();
    let mut sent = 0;
    while send(&mut world.a.stack, a, at(B, 7), &[1; 1000]).is_ready() {
        sent += 1;
    }
    assert!((60..=64).contains(&sent), "{sent}");
    for _ in 0..5 {
        world.second();
        while send(&mut world.a.stack, a, at(B, 7), &[1; 1000]).is_ready() {}
    }
    let mut received = 0;
    while receive(&mut world.b.stack, b).is_ready() {
        received += 1;
    }
    assert!((60..=64).contains(&received), "{received}");
}

#[test]
fn ports_are_used_once() {
    let mut world = World::new();
    let stack = &mut world.a.stack;
    let (a, _) = stack.udp_bind(Local::port(7)).unwrap();
    assert_eq!(
        stack.udp_bind(Local::port(7)).unwrap_err(),
        Error::AddressInUse
    );
    // The DHCP client's.
    assert_eq!(
        stack.udp_bind(Local::port(68)).unwrap_err(),
        Error::AddressInUse
    );
    let foreign = Local {
        address: Some(ip(B)),
        port: 8,
    };
    assert_eq!(
        stack.udp_bind(foreign).unwrap_err(),
        Error::AddressNotAvailable
    );
    stack.udp_close(a);
    assert_eq!(receive(stack, a), Poll::Ready(Err(Error::Aborted)));
    assert_eq!(stack.counts().udp, 0);
    stack.udp_bind(Local::port(7)).unwrap();
    let (a, _) = stack.udp_bind(Local::default()).unwrap();
    assert_eq!(
        send(stack, a, at(B, 0), b"x"),
        Poll::Ready(Err(Error::InvalidArgument))
    );
    assert_eq!(
        send(stack, a, at("127.0.0.1", 7), b"x"),
        Poll::Ready(Err(Error::Unreachable))
    );
}

#[test]
fn pings() {
    for there in [B, B6] {
        let mut world = World::new();
        for bytes in [0, 56, 1024] {
            let ping = world.a.stack.ping(ip(there), bytes).unwrap();
            assert!(world.a.stack.poll_ping(ping, Waker::noop()).is_pending());
            world.second();
            let reply = world.a.stack.poll_ping(ping, Waker::noop());
            assert!(
                matches!(reply, Poll::Ready(Ok(_))),
                "{there} {bytes}: {reply:?}"
            );
            // It is forgotten.
            let again = world.a.stack.poll_ping(ping, Waker::noop());
            assert_eq!(again, Poll::Ready(Err(Error::Aborted)));
        }
    }
}

#[test]
fn pings_that_are_not_answered() {
    let mut world = World::new();
    let stack = &mut world.a.stack;
    assert_eq!(stack.ping(ip(B), 1025), Err(Error::InvalidArgument));
    assert_eq!(stack.ping(ip("224.0.0.1"), 1), Err(Error::InvalidArgument));
    assert_eq!(stack.ping(ip("127.0.0.1"), 1), Err(Error::Unreachable));
    let ping = stack.ping(ip("10.0.2.99"), 1).unwrap();
    world.run(Duration::from_secs(9));
    assert!(world.a.stack.poll_ping(ping, Waker::noop()).is_pending());
    world.run(Duration::from_secs(2));
    assert_eq!(
        world.a.stack.poll_ping(ping, Waker::noop()),
        Poll::Ready(Err(Error::TimedOut))
    );
}
