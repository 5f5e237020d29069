// SPDX-License-Identifier: BSD-2-Clause
//! A client of a net guest that is made up.

mod fake;

use alloc::{boxed::Box, rc::Rc, vec::Vec};
use core::{cell::RefCell, net::SocketAddr, time::Duration};

use fake::{Fake, HERE};

use super::*;
use crate::{
    PAGE,
    channel::Duplex,
    fake::World,
    future::{Either, join, select},
    handle::{Capability as _, Token},
    rpc::{Owned, meet},
    shm::Region,
    sys::local::local,
    task::{block_on, spawn, yield_now},
    time::{sleep, timeout},
};

/// The process that is the client.
const CLIENT: u32 = 2;

local! {
    /// Where buffers come from, in the test that runs.
    static REGIONS: RefCell<Option<World>> = RefCell::new(None);
}

/// A region of the test's, its duplex and its token.
pub(super) fn allocate() -> Option<(Duplex, Owned, Token)> {
    let world = REGIONS.with(|world| world.borrow().clone())?;
    let region = world.region(PAGE);
    let mut token = [0; Token::BYTES];
    token[..4].copy_from_slice(&region.to_le_bytes());
    let owned = Owned(Region::from_handle(world.handle(region, CLIENT)));
    let duplex = Duplex::over(world.place(region, CLIENT));
    Some((duplex, owned, Token::from_bytes(token)))
}

/// A client and its net guest.
struct Scene {
    net: Net,
    fake: Rc<Fake>,
    stop: Option<Box<dyn FnOnce()>>,
}

impl Scene {
    fn new() -> Self {
        let world = World::new();
        REGIONS.with(|regions| *regions.borrow_mut() = Some(world.clone()));
        let fake = Rc::new(Fake::new(&world));
        let service = fake.clone();
        let (client, stop) = meet(&world, CLIENT, move |request, _| {
            let service = service.clone();
            async move { Some(service.answer(request).await) }
        });
        Self {
            net: Net::over(client, Options::named("test")),
            fake,
            stop: Some(stop),
        }
    }
}

fn at(port: u16) -> SocketAddr {
    SocketAddr::new(HERE, port)
}

/// Two ends of one connection.
async fn pair(net: &Net, listener: &mut TcpListener) -> (TcpStream, TcpStream) {
    let there = listener.local().port;
    let (one, other) = join(TcpStream::connect(net, at(there)), listener.accept()).await;
    (one.unwrap(), other.unwrap())
}

async fn read_all(stream: &mut TcpStream) -> Result<Vec<u8>, Error> {
    let mut all = Vec::new();
    let mut bytes = [0; 700];
    loop {
        match stream.read(&mut bytes).await? {
            0 => return Ok(all),
            len => all.extend_from_slice(&bytes[..len]),
        }
    }
}

#[test]
fn a_connection_carries_bytes_both_ways_and_closes() {
    let scene = Scene::new();
    let net = scene.net.clone();
    block_on(async {
        let mut listener = TcpListener::bind(&net, 80).await.unwrap();
        let (mut client, mut server) = pair(&net, &mut listener).await;
        assert_eq!(client.peer_addr(), at(80));
        assert_eq!(
            (server.local_addr(), server.peer_addr()),
            (at(80), client.local_addr())
        );
        let sent: Vec<u8> = (0..100_000u32).map(|at| ((at * 7) >> 3) as u8).collect();
        let expected = sent.clone();
        let answer = spawn(async move {
            client.write_all(&sent).await.unwrap();
            client.shutdown();
            client.shutdown();
            assert_eq!(client.write(b"more").await, Err(Error::Ended));
            let answer = read_all(&mut client).await.unwrap();
            client.close().await.unwrap();
            answer
        });
        assert!(read_all(&mut server).await.unwrap() == expected);
        server.write_all(b"thank you").await.unwrap();
        server.close().await.unwrap();
        assert_eq!(answer.await.unwrap(), b"thank you");
    });
    assert_eq!(scene.fake.count("close"), 2);
    assert_eq!(scene.fake.count("abort"), 0);
}

#[test]
fn buffers_serve_again_and_their_number_is_bounded() {
    let scene = Scene::new();
    let net = scene.net.clone();
    block_on(async {
        let mut listener = TcpListener::bind(&net, 80).await.unwrap();
        for round in 0..10u8 {
            let (mut client, mut server) = pair(&net, &mut listener).await;
            client.write_all(&[round; 3]).await.unwrap();
            drop(client);
            assert_eq!(read_all(&mut server).await.unwrap(), [round; 3]);
            server.close().await.unwrap();
            // The other one closes by itself.
            sleep(Duration::from_millis(10)).await;
        }
        assert_eq!(scene.fake.count("attach"), 2);
        let _first = pair(&net, &mut listener).await;
        let second = pair(&net, &mut listener).await;
        let full = TcpStream::connect(&net, at(80)).await;
        assert_eq!(full.err(), Some(Error::Net(Reason::TooManyBuffers)));
        // Who accepts waits for one.
        let accepted = spawn(async move { listener.accept().await.map(drop) });
        sleep(Duration::from_millis(10)).await;
        assert!(!accepted.is_finished());
        drop(second);
        sleep(Duration::from_millis(10)).await;
        TcpStream::connect(&net, at(80)).await.unwrap();
        accepted.await.unwrap().unwrap();
    });
    assert_eq!(scene.fake.count("attach"), 4);
}

#[test]
fn what_is_dropped_while_it_waits_is_undone() {
    let scene = Scene::new();
    let net = scene.net.clone();
    block_on(async {
        let mut listener = TcpListener::bind(&net, 80).await.unwrap();
        let millisecond = Duration::from_millis(5);
        // Nobody accepts.
        assert!(
            timeout(millisecond, TcpStream::connect(&net, at(80)))
                .await
                .is_err()
        );
        sleep(millisecond).await;
        assert_eq!(scene.fake.count("abort"), 1);
        // Nobody connects; the next accept goes on with it.
        assert!(timeout(millisecond, listener.accept()).await.is_err());
        let client = TcpStream::connect(&net, at(80)).await.unwrap();
        let server = listener.accept().await.unwrap();
        assert_eq!(scene.fake.count("accept"), 1);
        assert_eq!(server.peer_addr(), client.local_addr());
        // One that waits is ended with its listener.
        assert!(timeout(millisecond, listener.accept()).await.is_err());
        drop(listener);
        sleep(millisecond).await;
        assert_eq!(scene.fake.count("unlisten"), 1);
        assert_eq!(scene.fake.count("abort"), 2);
        let refused = TcpStream::connect(&net, at(80)).await;
        assert_eq!(refused.err(), Some(Error::Net(Reason::Refused)));
    });
}

#[test]
fn a_read_that_is_dropped_loses_nothing() {
    let scene = Scene::new();
    let net = scene.net.clone();
    block_on(async {
        let mut listener = TcpListener::bind(&net, 80).await.unwrap();
        let (mut client, mut server) = pair(&net, &mut listener).await;
        let mut bytes = [0; 4];
        for _ in 0..3 {
            match select(server.read(&mut bytes), yield_now()).await {
                Either::First(_) => unreachable!("nothing was sent"),
                Either::Second(()) => {}
            }
        }
        client.write_all(b"abcdef").await.unwrap();
        assert_eq!(server.read(&mut bytes).await, Ok(4));
        assert_eq!(&bytes, b"abcd");
        let chunk = server.chunk().await.unwrap().unwrap();
        assert_eq!(chunk.len(), 2);
        client.shutdown();
        assert_eq!(read_all(&mut server).await.unwrap(), b"ef");
    });
}

#[test]
fn both_sides_hear_of_a_reset_and_why() {
    let scene = Scene::new();
    let net = scene.net.clone();
    block_on(async {
        let mut listener = TcpListener::bind(&net, 80).await.unwrap();
        let (mut client, server) = pair(&net, &mut listener).await;
        server.abort().await.unwrap();
        let reset = Err(Error::Net(Reason::Reset));
        assert_eq!(client.read(&mut [0; 1]).await, reset);
        // It writes as long as there is room, at most.
        let written = timeout(Duration::from_secs(1), async {
            while client.write(&[0; 1000]).await.is_ok() {}
        });
        assert!(written.await.is_ok());
        drop(client);

        let (mut client, _server) = pair(&net, &mut listener).await;
        scene.fake.reset(client_buffer(&client));
        let late = Err(Error::Net(Reason::TimedOut));
        assert_eq!(client.read(&mut [0; 1]).await, late);
    });
}

fn client_buffer(stream: &TcpStream) -> u32 {
    u32::from(stream.local_addr().port()) - 50_000
}

#[test]
fn halves_close_when_both_are_gone() {
    let scene = Scene::new();
    let net = scene.net.clone();
    block_on(async {
        let mut listener = TcpListener::bind(&net, 80).await.unwrap();
        let (client, mut server) = pair(&net, &mut listener).await;
        let (read, mut write) = client.into_split();
        // Nobody reads, and that is no end of the connection.
        drop(read);
        write.write_all(b"x").await.unwrap();
        sleep(Duration::from_millis(5)).await;
        assert_eq!(scene.fake.count("close"), 0);
        assert_eq!(server.read(&mut [0; 1]).await, Ok(1));
        drop(write);
        assert_eq!(server.read(&mut [0; 1]).await, Ok(0));
        sleep(Duration::from_millis(5)).await;
        assert_eq!(scene.fake.count("close"), 1);
    });
}

#[test]
fn datagrams_keep_their_bounds_and_their_senders() {
    let scene = Scene::new();
    let net = scene.net.clone();
    block_on(async {
        let mut one = UdpSocket::bind(&net, 5000).await.unwrap();
        let mut other = UdpSocket::bind(&net, 7).await.unwrap();
        assert_eq!(one.local(), Local::port(5000));
        for payload in [b"first".as_slice(), b"", &[7; 1472]] {
            one.send_to(payload, at(7)).await.unwrap();
        }
        let mut bytes = [0; 2000];
        assert_eq!(other.recv_from(&mut bytes).await, Ok((5, at(5000))));
        assert_eq!(&bytes[..5], b"first");
        let empty = other.recv().await.unwrap();
        assert!(empty.is_empty() && empty.peer() == at(5000));
        drop(empty);
        assert_eq!(other.recv_from(&mut bytes[..10]).await, Ok((10, at(5000))));
        // Who was heard of need not be asked about.
        assert_eq!(scene.fake.count("may send"), 1);
        other.send_to(b"answer", at(5000)).await.unwrap();
        assert_eq!(scene.fake.count("may send"), 1);
        assert_eq!(one.recv_from(&mut bytes).await, Ok((6, at(7))));

        assert_eq!(one.send_to(&[0; 1473], at(7)).await, Err(Error::TooLong));
        let evil = one.send_to(b"x", at(666)).await;
        assert_eq!(evil, Err(Error::Net(Reason::NotAllowed)));
        one.close().await.unwrap();
        drop(other);
        sleep(Duration::from_millis(5)).await;
        assert_eq!(scene.fake.count("close"), 2);
    });
}

#[test]
fn names_pings_and_the_state_of_the_interface() {
    let scene = Scene::new();
    let (net, fake) = (scene.net.clone(), scene.fake.clone());
    block_on(async {
        assert_eq!(net.resolve("here.test").await, Ok([HERE].to_vec()));
        let missing = net.resolve_to("there.test", Family::V6).await;
        assert_eq!(missing, Err(Error::Net(Reason::NameNotFound)));
        let long = "long.".repeat(60);
        assert_eq!(net.resolve(&long).await, Err(Error::Net(Reason::BadName)));
        assert_eq!(net.ping(HERE, 56).await, Ok(Duration::from_nanos(1500)));
        let nobody = "10.0.2.99".parse().unwrap();
        assert!(
            timeout(Duration::from_secs(1), net.ping(nobody, 56))
                .await
                .is_err()
        );

        spawn(async move {
            for _ in 0..2 {
                sleep(Duration::from_millis(50)).await;
                fake.generation.set(fake.generation.get() + 1);
            }
        });
        assert_eq!(net.configured().await.unwrap().generation, 2);
    });
    assert_eq!(scene.fake.count("hello"), 1);
    assert_eq!(net.limits().buffers, 4);
}

#[test]
fn the_end_of_the_net_guest_ends_what_there_is() {
    let mut scene = Scene::new();
    let net = scene.net.clone();
    let stop = scene.stop.take().unwrap();
    block_on(async {
        let mut listener = TcpListener::bind(&net, 80).await.unwrap();
        let (mut client, mut server) = pair(&net, &mut listener).await;
        let read = spawn(async move { client.read(&mut [0; 1]).await });
        sleep(Duration::from_millis(5)).await;
        stop();
        scene.fake.world.kill(fake::SERVICE);
        assert_eq!(read.await.unwrap(), Err(Error::Gone));
        assert_eq!(server.read(&mut [0; 1]).await, Err(Error::Gone));
        assert!(listener.accept().await.is_err());
    });
}
