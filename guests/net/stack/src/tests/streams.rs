// SPDX-License-Identifier: BSD-2-Clause
//! TCP.

use super::*;

const ENDED: Poll<Result<Flow, Error>> = Poll::Ready(Ok(Flow::Ended));

fn noise(len: usize) -> Vec<u8> {
    (0..len as u32)
        .map(|at| (at.wrapping_mul(0x9e37_79b9) >> 24) as u8)
        .collect()
}

#[test]
fn bytes_go_both_ways() {
    for address in [B, B6] {
        let mut world = World::new();
        let (a, b, _) = world.connect(address, 80);
        let (local, peer) = world.a.stack.tcp_ends(a).unwrap();
        assert_eq!(peer, at(address, 80));
        assert!(local.port() >= 49152);
        assert_eq!(world.b.stack.tcp_ends(b), Some((peer, local)));
        world.a.write(a, b"ping");
        world.b.write(b, b"pong!");
        world.second();
        assert_eq!(world.b.read(b), (b"ping".to_vec(), Poll::Pending));
        assert_eq!(world.a.read(a), (b"pong!".to_vec(), Poll::Pending));
    }
}

#[test]
fn one_direction_ends_and_the_other_goes_on() {
    let mut world = World::new();
    let (a, b, _) = world.connect(B, 80);
    world.a.write(a, b"question");
    world.a.stack.tcp_finish(a);
    world.second();
    assert_eq!(world.b.read(b), (b"question".to_vec(), ENDED));
    // Long after.
    world.run(Duration::from_secs(100));
    assert_eq!(world.b.write(b, b"answer"), 6);
    world.b.stack.tcp_finish(b);
    world.second();
    assert_eq!(world.a.read(a), (b"answer".to_vec(), ENDED));
    assert_eq!(
        (world.a.stack.tcp_fate(a), world.b.stack.tcp_fate(b)),
        (None, None)
    );
    world.a.stack.tcp_close(a);
    world.b.stack.tcp_close(b);
    world.run(Duration::from_secs(60));
    // What remains is the listener.
    assert_eq!(world.a.stack.counts().tcp, 0);
    assert_eq!(world.b.stack.counts().tcp, 1);
}

#[test]
fn many_bytes_with_losses() {
    let mut world = World::new();
    let (a, b, _) = world.connect(B, 80);
    let bytes = noise(3 << 20);
    let (mut sent, mut received) = (0, Vec::new());
    for round in 0.. {
        sent += world.a.write(a, &bytes[sent..]);
        if round % 7 == 0 {
            world.a.port.lose.set(20);
            world.b.port.lose.set(9);
        }
        world.run(Duration::from_millis(100));
        received.extend(world.b.read(b).0);
        if received.len() == bytes.len() {
            break;
        }
        assert!(round < 10_000, "{} bytes", received.len());
    }
    assert!(received == bytes);
}

#[test]
fn a_reader_that_does_not_read_stops_the_writer() {
    let mut world = World::new();
    let (a, b, _) = world.connect(B, 80);
    let bytes = noise(1 << 20);
    let mut sent = 0;
    for _ in 0..50 {
        sent += world.a.write(a, &bytes[sent..]);
        world.run(Duration::from_secs(5));
    }
    // What fits into both buffers, and no more; and after minutes nobody has given up.
    assert!((100 << 10..=128 << 10).contains(&sent), "{sent}");
    assert!(world.a.stack.poll_room(a, Waker::noop()).is_pending());
    let mut received = Vec::new();
    while received.len() < bytes.len() {
        let before = received.len();
        received.extend(world.b.read(b).0);
        sent += world.a.write(a, &bytes[sent..]);
        world.second();
        assert!(received.len() > before || !world.b.read(b).1.is_ready());
    }
    assert!(received == bytes);
}

#[test]
fn a_reset_is_told() {
    let mut world = World::new();
    let (a, b, _) = world.connect(B, 80);
    world.b.write(b, b"last words");
    world.second();
    world.b.stack.tcp_abort(b);
    world.second();
    let (_, end) = world.a.read(a);
    assert_eq!(end, Poll::Ready(Err(Error::Reset)));
    assert_eq!(
        world.a.stack.poll_room(a, Waker::noop()),
        Poll::Ready(Err(Error::Reset))
    );
    assert_eq!(world.a.stack.tcp_fate(a), Some(Error::Reset));
    assert_eq!(world.b.stack.counts().tcp, 1);
    world.a.stack.tcp_abort(a);
    world.second();
    assert_eq!(world.a.stack.counts().tcp, 0);
}

#[test]
fn nobody_listens() {
    let mut world = World::new();
    let a = world
        .a
        .stack
        .tcp_connect(at(B, 81), Local::default())
        .unwrap();
    world.second();
    let end = world.a.stack.poll_connected(a, Waker::noop());
    assert_eq!(end, Poll::Ready(Err(Error::Refused)));
    world.a.stack.tcp_abort(a);
    world.second();
    assert_eq!(world.a.stack.counts().tcp, 0);
}

#[test]
fn nobody_answers() {
    let mut world = World::new();
    let a = world
        .a
        .stack
        .tcp_connect(at("10.0.2.77", 80), Local::default())
        .unwrap();
    world.run(Duration::from_secs(15));
    assert!(world.a.stack.poll_connected(a, Waker::noop()).is_pending());
    world.run(Duration::from_secs(15));
    let end = world.a.stack.poll_connected(a, Waker::noop());
    assert_eq!(end, Poll::Ready(Err(Error::TimedOut)));
}

#[test]
fn a_peer_that_falls_silent_is_noticed() {
    let mut world = World::new();
    let (a, b, _) = world.connect(B, 80);
    // A connection that only rests lives.
    world.run(Duration::from_secs(1000));
    assert_eq!(world.a.stack.tcp_fate(a), None);
    assert_eq!(world.b.stack.tcp_fate(b), None);
    // Its cable is cut.
    world.a.port.incoming = Frames::default();
    world.run(Duration::from_secs(250));
    assert_eq!(world.a.read(a).1, Poll::Ready(Err(Error::TimedOut)));
}

#[test]
fn a_connection_that_nobody_has_ends_by_itself() {
    let mut world = World::new();
    let (a, b, _) = world.connect(B, 80);
    let bytes = noise(50_000);
    assert_eq!(world.a.write(a, &bytes), bytes.len());
    world.a.stack.tcp_close(a);
    world.b.write(b, &noise(1000));
    world.second();
    // Everything has come, and what B sent is gone.
    let (received, end) = world.b.read(b);
    assert!(received == bytes);
    assert_eq!(end, ENDED);
    assert_eq!(world.b.stack.tcp_fate(b), None);
    // B never ends its direction: A does not wait for ever.
    world.run(Duration::from_secs(70));
    assert_eq!(world.a.stack.counts().tcp, 0);
    assert_eq!(world.b.stack.tcp_fate(b), Some(Error::Reset));
}

#[test]
fn more_peers_than_the_queue_has_room_for() {
    let mut world = World::new();
    let (listener, local) = world.b.stack.tcp_listen(Local::default(), 3).unwrap();
    assert!(local.port >= 49152);
    let peer = at(B, local.port);
    let connect = |world: &mut World| {
        let a = world.a.stack.tcp_connect(peer, Local::default()).unwrap();
        world.second();
        world.a.stack.poll_connected(a, Waker::noop())
    };
    for _ in 0..3 {
        assert_eq!(connect(&mut world), Poll::Ready(Ok(())));
    }
    assert_eq!(connect(&mut world), Poll::Ready(Err(Error::Refused)));
    let first = world.b.stack.poll_accept(listener, Waker::noop());
    assert!(matches!(first, Poll::Ready(Ok(_))));
    assert_eq!(connect(&mut world), Poll::Ready(Ok(())));
    // Those at once, too.
    for _ in 0..3 {
        assert!(
            world
                .b
                .stack
                .poll_accept(listener, Waker::noop())
                .is_ready()
        );
    }
    assert!(
        world
            .b
            .stack
            .poll_accept(listener, Waker::noop())
            .is_pending()
    );
    let all: Vec<_> = (0..3)
        .map(|_| world.a.stack.tcp_connect(peer, Local::default()).unwrap())
        .collect();
    world.second();
    for a in all {
        assert_eq!(
            world.a.stack.poll_connected(a, Waker::noop()),
            Poll::Ready(Ok(()))
        );
    }
    world.b.stack.tcp_unlisten(listener);
    assert_eq!(
        world.b.stack.poll_accept(listener, Waker::noop()),
        Poll::Ready(Err(Error::Closed))
    );
    world.second();
    // Those that were accepted go on.
    assert_eq!(world.b.stack.counts().tcp, 4);
}

#[test]
fn ports_are_used_once() {
    let mut world = World::new();
    let stack = &mut world.b.stack;
    let (listener, _) = stack.tcp_listen(Local::port(80), 1).unwrap();
    let on = |address, port| Local {
        address: Some(ip(address)),
        port,
    };
    assert_eq!(
        stack.tcp_listen(Local::port(80), 1).unwrap_err(),
        Error::AddressInUse
    );
    assert_eq!(
        stack.tcp_listen(on(B, 80), 1).unwrap_err(),
        Error::AddressInUse
    );
    assert_eq!(
        stack.tcp_listen(on(A, 81), 1).unwrap_err(),
        Error::AddressNotAvailable
    );
    stack.tcp_listen(on(B, 81), 1).unwrap();
    stack.tcp_listen(on(B6, 81), 1).unwrap();
    assert_eq!(
        stack.tcp_connect(at(A, 9), Local::port(80)).unwrap_err(),
        Error::AddressInUse
    );
    stack.tcp_unlisten(listener);
    stack.tcp_listen(Local::port(80), 1).unwrap();
}

#[test]
fn places_that_there_are_not() {
    let mut world = World::new();
    let stack = &mut world.b.stack;
    for (peer, error) in [
        (at(A, 0), Error::InvalidArgument),
        (at("224.0.0.1", 80), Error::InvalidArgument),
        (at("255.255.255.255", 80), Error::InvalidArgument),
        (at("ff02::1", 80), Error::InvalidArgument),
        (at("0.0.0.0", 80), Error::Unreachable),
        (at("127.0.0.1", 80), Error::Unreachable),
        // Itself, and behind a router that there is not.
        (at(B, 80), Error::Unreachable),
        (at("192.168.1.1", 80), Error::Unreachable),
        (at("2001:db8::1", 80), Error::Unreachable),
    ] {
        assert_eq!(
            stack.tcp_connect(peer, Local::default()).unwrap_err(),
            error,
            "{peer}"
        );
    }
    let from = Local {
        address: Some(ip(B6)),
        port: 0,
    };
    assert_eq!(
        stack.tcp_connect(at(A, 80), from).unwrap_err(),
        Error::InvalidArgument
    );
    assert_eq!(stack.counts().tcp, 0);
    // A has a router, so there is a way.
    assert!(
        world
            .a
            .stack
            .tcp_connect(at("192.168.1.1", 80), Local::default())
            .is_ok()
    );
}

#[test]
fn all_sockets_in_use() {
    let mut world = World::with(&["ipv4=10.0.2.15/24", "sockets=3"], &["ipv4=10.0.2.2/24"]);
    let (listener, _) = world.b.stack.tcp_listen(Local::port(80), 9).unwrap();
    let mut open = Vec::new();
    for _ in 0..3 {
        open.push(
            world
                .a
                .stack
                .tcp_connect(at(B, 80), Local::default())
                .unwrap(),
        );
    }
    let refused = world.a.stack.tcp_connect(at(B, 80), Local::default());
    assert_eq!(refused, Err(Error::TooManySockets));
    world.second();
    // One that only waits for late packets makes room.
    let done = open[0];
    world.a.stack.tcp_close(done);
    for _ in 0..3 {
        let Poll::Ready(Ok(b)) = world.b.stack.poll_accept(listener, Waker::noop()) else {
            panic!();
        };
        world.b.stack.tcp_close(b);
    }
    world.second();
    assert!(
        world
            .a
            .stack
            .tcp_connect(at(B, 80), Local::default())
            .is_ok()
    );
}

#[test]
fn a_hundred_after_each_other_leave_nothing() {
    let mut world = World::new();
    let (listener, _) = world.b.stack.tcp_listen(Local::port(80), 4).unwrap();
    for round in 0..100 {
        let a = world
            .a
            .stack
            .tcp_connect(at(B, 80), Local::default())
            .unwrap();
        world.run(Duration::from_millis(50));
        let Poll::Ready(Ok(b)) = world.b.stack.poll_accept(listener, Waker::noop()) else {
            panic!("round {round}");
        };
        world.a.write(a, b"hello");
        if round % 2 == 0 {
            world.a.stack.tcp_close(a);
        } else {
            world.a.stack.tcp_abort(a);
        }
        world.run(Duration::from_millis(50));
        world.b.stack.tcp_close(b);
    }
    world.run(Duration::from_secs(60));
    assert_eq!(world.a.stack.counts().tcp, 0);
    assert_eq!(world.b.stack.counts().tcp, 1);
}

#[test]
fn a_hundred_listeners() {
    let mut world = World::new();
    let listeners: Vec<_> = (0..100u16)
        .map(|port| {
            world
                .b
                .stack
                .tcp_listen(Local::port(1000 + port), 1)
                .unwrap()
                .0
        })
        .collect();
    let connect = |port: u16| at(B, 1000 + port);
    let open: Vec<_> = [0, 50, 99u16]
        .map(|port| {
            (
                world
                    .a
                    .stack
                    .tcp_connect(connect(port), Local::default())
                    .unwrap(),
                port,
            )
        })
        .into();
    world.second();
    for (a, port) in open {
        assert_eq!(
            world.a.stack.poll_connected(a, Waker::noop()),
            Poll::Ready(Ok(()))
        );
        let listener = listeners[usize::from(port)];
        assert!(
            world
                .b
                .stack
                .poll_accept(listener, Waker::noop())
                .is_ready()
        );
    }
}
