// SPDX-License-Identifier: BSD-2-Clause
//! Two machines on a cable, in a time that only goes by when somebody says so.

mod addresses;
mod datagrams;
mod garbage;
mod streams;

use alloc::{collections::VecDeque, rc::Rc, vec, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    net::{IpAddr, SocketAddr},
    task::{Poll, Waker},
};

use atoll_abi::net::{Error, Local};
use smoltcp::{
    phy::{self, Device, DeviceCapabilities, Medium},
    time::{Duration, Instant},
};

use crate::{ConnectionId, Flow, ListenerId, Stack, config::Config};

type Frames = Rc<RefCell<VecDeque<Vec<u8>>>>;

/// An end of a cable.
pub struct Port {
    incoming: Frames,
    outgoing: Frames,
    /// Frames that are sent until one is lost; 0: none is.
    lose: Rc<Cell<u32>>,
}

pub struct Received(Vec<u8>);
pub struct Sending(Frames, bool);

impl phy::RxToken for Received {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, f: F) -> R {
        f(&self.0)
    }
}

impl phy::TxToken for Sending {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, f: F) -> R {
        let mut frame = vec![0; len];
        let result = f(&mut frame);
        if self.1 {
            self.0.borrow_mut().push_back(frame);
        }
        result
    }
}

impl Port {
    fn sending(&self) -> Sending {
        let arrives = match self.lose.get() {
            0 => true,
            1 => {
                self.lose.set(0);
                false
            }
            left => {
                self.lose.set(left - 1);
                true
            }
        };
        Sending(self.outgoing.clone(), arrives)
    }
}

impl Device for Port {
    type RxToken<'a> = Received;
    type TxToken<'a> = Sending;

    fn receive(&mut self, _: Instant) -> Option<(Received, Sending)> {
        let frame = self.incoming.borrow_mut().pop_front()?;
        Some((Received(frame), self.sending()))
    }

    fn transmit(&mut self, _: Instant) -> Option<Sending> {
        Some(self.sending())
    }

    fn capabilities(&self) -> DeviceCapabilities {
        let mut caps = DeviceCapabilities::default();
        caps.medium = Medium::Ethernet;
        caps.max_transmission_unit = 1514;
        caps
    }
}

pub struct Machine {
    pub stack: Stack,
    pub port: Port,
}

impl Machine {
    fn new(args: &[&str], number: u8, port: Port) -> Self {
        let config = Config::parse(args.iter().copied()).unwrap();
        let mut port = port;
        let mac = [2, 0, 0, 0, 0, number];
        let seed = 0x1234_5678_9abc_def0 + u64::from(number);
        let stack = Stack::new(&config, &mut port, mac, seed, Instant::ZERO);
        Self { stack, port }
    }
}

/// Two machines.
pub struct World {
    pub a: Machine,
    pub b: Machine,
    pub now: Instant,
}

pub const A: &str = "10.0.2.15";
pub const B: &str = "10.0.2.2";
pub const A6: &str = "fec0::15";
pub const B6: &str = "fec0::2";

pub fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

pub fn at(address: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip(address), port)
}

impl World {
    /// Two with these arguments.
    pub fn with(a: &[&str], b: &[&str]) -> Self {
        let (there, back) = (Frames::default(), Frames::default());
        let port = |incoming: &Frames, outgoing: &Frames| Port {
            incoming: incoming.clone(),
            outgoing: outgoing.clone(),
            lose: Rc::default(),
        };
        Self {
            a: Machine::new(a, 1, port(&back, &there)),
            b: Machine::new(b, 2, port(&there, &back)),
            now: Instant::ZERO,
        }
    }

    /// Two with addresses.
    pub fn new() -> Self {
        Self::with(
            &[
                "ipv4=10.0.2.15/24 via 10.0.2.2",
                "ipv6=fec0::15/64 via fec0::2",
            ],
            &["ipv4=10.0.2.2/24", "ipv6=fec0::2/64"],
        )
    }

    /// Lets both do what there is to do, until there is nothing more; or so often.
    pub fn settle(&mut self) {
        for _ in 0..1000 {
            let Self { a, b, now } = self;
            a.stack.poll(*now, &mut a.port);
            b.stack.poll(*now, &mut b.port);
            let idle = a.port.incoming.borrow().is_empty() && b.port.incoming.borrow().is_empty();
            let due = |it: &mut Machine| it.stack.poll_at(*now).is_some_and(|then| then <= *now);
            if idle && !due(a) && !due(b) {
                return;
            }
        }
    }

    /// Lets so much time go by, and them work whenever one of them wants to.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let next = [&mut self.a, &mut self.b].map(|it| it.stack.poll_at(self.now));
            let next = next.into_iter().flatten().min().unwrap_or(end);
            // A stack that always wants to work gets some time in between.
            self.now = next.max(self.now + Duration::from_micros(100));
            if self.now >= end {
                self.now = end;
                self.settle();
                return;
            }
        }
    }

    pub fn second(&mut self) {
        self.run(Duration::from_secs(1));
    }

    /// A connection from A to a listener of B; and that listener.
    pub fn connect(
        &mut self,
        address: &str,
        port: u16,
    ) -> (ConnectionId, ConnectionId, ListenerId) {
        let (listener, _) = self.b.stack.tcp_listen(Local::port(port), 4).unwrap();
        let peer = at(address, port);
        let a = self.a.stack.tcp_connect(peer, Local::default()).unwrap();
        self.second();
        assert_eq!(
            self.a.stack.poll_connected(a, Waker::noop()),
            Poll::Ready(Ok(()))
        );
        let b = self.b.stack.poll_accept(listener, Waker::noop());
        let Poll::Ready(Ok(b)) = b else {
            panic!("{b:?}");
        };
        (a, b, listener)
    }
}

impl Machine {
    /// Writes as many of the bytes as there is room for.
    pub fn write(&mut self, id: ConnectionId, bytes: &[u8]) -> usize {
        let mut written = 0;
        while let Poll::Ready(Ok(_)) = self.stack.poll_room(id, Waker::noop()) {
            let rest = &bytes[written..];
            if rest.is_empty() {
                break;
            }
            let put = |room: &mut [u8]| {
                let len = room.len().min(rest.len());
                room[..len].copy_from_slice(&rest[..len]);
                (len, len)
            };
            written += self.stack.tcp_put(id, put).unwrap();
        }
        written
    }

    /// Reads what there is; what comes then.
    pub fn read(&mut self, id: ConnectionId) -> (Vec<u8>, Poll<Result<Flow, Error>>) {
        let mut all = Vec::new();
        loop {
            match self.stack.poll_flow(id, Waker::noop()) {
                Poll::Ready(Ok(Flow::Bytes(_))) => {
                    let take = |bytes: &[u8]| (bytes.len(), bytes.to_vec());
                    all.extend(self.stack.tcp_take(id, take).unwrap());
                }
                other => return (all, other),
            }
        }
    }
}
