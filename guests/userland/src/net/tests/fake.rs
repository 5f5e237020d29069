// SPDX-License-Identifier: BSD-2-Clause
//! A net guest that knows no other machine: its clients meet each other.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use atoll_abi::net::{
    Answer, Buffer, Error as Reason, Limits, Listener, Local, PEER_BYTES, Peer, Reply, Request,
    Status, Traffic, VERSION,
};

use crate::{
    channel::{Channel, Duplex, Input, Lost, Output},
    fake::World,
    task::{JoinHandle, spawn},
    time::sleep,
};

/// The process that is the net guest.
pub(super) const SERVICE: u32 = 1;
/// Its address.
pub(super) const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 0, 2, 15));

#[derive(Default)]
pub(super) struct Fake {
    pub world: World,
    /// What the interface's state counts.
    pub generation: Cell<u32>,
    buffers: RefCell<Vec<Slot>>,
    /// Their ports; 0 for one that is closed.
    listeners: RefCell<Vec<u16>>,
    /// The buffers that wait for a connection.
    accepts: RefCell<Vec<(Listener, Buffer)>>,
    /// What each request was, in the order they came.
    pub asked: RefCell<Vec<&'static str>>,
}

/// A buffer, and what it is.
struct Slot {
    duplex: Rc<Duplex>,
    used: Option<Used>,
}

struct Used {
    /// What moves its bytes on.
    from: JoinHandle<()>,
    channels: [Channel; 2],
    /// The socket that it is, if it is one of UDP.
    port: u16,
    output: Rc<RefCell<Option<Output>>>,
    /// The other end, if it is a connection.
    other: Option<Buffer>,
    fate: Option<Reason>,
}

impl Fake {
    pub fn new(world: &World) -> Self {
        Self {
            world: world.clone(),
            ..Self::default()
        }
    }

    pub async fn answer(self: Rc<Self>, request: Request) -> Answer {
        self.note(&request);
        match request {
            Request::Hello { version } if version == VERSION => Ok(Reply::Welcome(Limits {
                buffers: 4,
                listeners: 2,
                backlog: 4,
            })),
            Request::Hello { .. } => Err(Reason::OtherVersion),
            Request::Status { seen } => {
                while seen == Some(self.generation.get()) {
                    pause().await;
                }
                Ok(Reply::Status(self.status()))
            }
            Request::Attach { token } => {
                let region = u32::from_le_bytes(*token.first_chunk().unwrap());
                let mut buffers = self.buffers.borrow_mut();
                buffers.push(Slot {
                    duplex: Rc::new(Duplex::over(self.world.place(region, SERVICE))),
                    used: None,
                });
                Ok(Reply::Attached(Buffer(buffers.len() as u32 - 1)))
            }
            Request::Listen { local, .. } => {
                let mut listeners = self.listeners.borrow_mut();
                if listeners.contains(&local.port) {
                    return Err(Reason::AddressInUse);
                }
                listeners.push(local.port);
                let listener = Listener(listeners.len() as u32 - 1);
                Ok(Reply::Listening { listener, local })
            }
            Request::Unlisten { listener } => {
                self.listeners.borrow_mut()[listener.0 as usize] = 0;
                Ok(Reply::Done)
            }
            Request::Accept { listener, buffer } => {
                self.accepts.borrow_mut().push((listener, buffer));
                loop {
                    if let Some(other) = self.other(buffer) {
                        let peer = SocketAddr::new(HERE, 50_000 + other.0 as u16);
                        let port = self.listeners.borrow()[listener.0 as usize];
                        let local = SocketAddr::new(HERE, port);
                        return Ok(Reply::Connected { local, peer });
                    }
                    pause().await;
                }
            }
            Request::Connect { peer, buffer, .. } => self.connect(peer, buffer).await,
            Request::Close { buffer } => {
                while self.moves(buffer) {
                    pause().await;
                }
                self.end(buffer, Reason::Reset);
                Ok(Reply::Done)
            }
            Request::Abort { buffer } => {
                self.accepts.borrow_mut().retain(|(_, it)| *it != buffer);
                self.end(buffer, Reason::Reset);
                Ok(Reply::Done)
            }
            Request::Fate { buffer } => {
                let buffers = self.buffers.borrow();
                Ok(Reply::Fate(
                    buffers[buffer.0 as usize].used.as_ref().unwrap().fate,
                ))
            }
            Request::Bind { local, buffer } => {
                self.bind(local, buffer);
                Ok(Reply::Bound { local })
            }
            Request::MaySend { peer, .. } if peer.port() == 666 => Err(Reason::NotAllowed),
            Request::MaySend { .. } => Ok(Reply::Done),
            Request::Resolve { name, .. } if name == "here.test" => {
                Ok(Reply::Resolved([HERE].into_iter().collect()))
            }
            Request::Resolve { .. } => Err(Reason::NameNotFound),
            Request::Ping { address: HERE, .. } => Ok(Reply::Pong { nanoseconds: 1500 }),
            // Nobody answers.
            Request::Ping { .. } => core::future::pending().await,
            Request::Detach { .. } => Ok(Reply::Done),
            Request::Rules { .. } | Request::Withdraw { .. } | Request::Restore { .. } => {
                Err(Reason::NotAdministrator)
            }
        }
    }

    fn note(&self, request: &Request) {
        self.asked.borrow_mut().push(match request {
            Request::Hello { .. } => "hello",
            Request::Attach { .. } => "attach",
            Request::Accept { .. } => "accept",
            Request::Connect { .. } => "connect",
            Request::Close { .. } => "close",
            Request::Abort { .. } => "abort",
            Request::Unlisten { .. } => "unlisten",
            Request::MaySend { .. } => "may send",
            _ => "other",
        });
    }

    /// How often something was asked.
    pub fn count(&self, what: &str) -> usize {
        self.asked.borrow().iter().filter(|it| **it == what).count()
    }

    fn status(&self) -> Status {
        let generation = self.generation.get();
        Status {
            generation,
            is_configured: generation >= 2,
            has_link: true,
            mac: [2; 6],
            mtu: 1500,
            addresses: Default::default(),
            routers: Default::default(),
            name_servers: Default::default(),
            traffic: Traffic::default(),
        }
    }

    fn other(&self, buffer: Buffer) -> Option<Buffer> {
        self.buffers.borrow()[buffer.0 as usize]
            .used
            .as_ref()?
            .other
    }

    /// Whether bytes of this client are still under way.
    fn moves(&self, buffer: Buffer) -> bool {
        let buffers = self.buffers.borrow();
        let used = buffers[buffer.0 as usize].used.as_ref();
        used.is_some_and(|used| used.fate.is_none() && !used.from.is_finished())
    }

    fn take_accept(&self, listener: Listener) -> Option<Buffer> {
        let mut accepts = self.accepts.borrow_mut();
        let place = accepts.iter().position(|(at, _)| *at == listener)?;
        Some(accepts.remove(place).1)
    }

    async fn connect(self: &Rc<Self>, peer: SocketAddr, buffer: Buffer) -> Answer {
        let listener = {
            let listeners = self.listeners.borrow();
            let place = listeners.iter().position(|port| *port == peer.port());
            Listener(place.ok_or(Reason::Refused)? as u32)
        };
        let other = loop {
            if let Some(other) = self.take_accept(listener) {
                break other;
            }
            pause().await;
        };
        let join = |buffer: Buffer| {
            let duplex = self.buffers.borrow()[buffer.0 as usize].duplex.clone();
            duplex.join("net").unwrap()
        };
        let ((in_a, out_a), (in_b, out_b)) = (join(buffer), join(other));
        let (down_a, down_b) = (out_a.channel().clone(), out_b.channel().clone());
        self.use_for_connection(buffer, other, in_a, down_a, out_b);
        self.use_for_connection(other, buffer, in_b, down_b, out_a);
        let local = SocketAddr::new(HERE, 50_000 + buffer.0 as u16);
        Ok(Reply::Connected { local, peer })
    }

    fn use_for_connection(
        &self,
        buffer: Buffer,
        other: Buffer,
        input: Input,
        down: Channel,
        output: Output,
    ) {
        let channels = [input.channel().clone(), down];
        self.buffers.borrow_mut()[buffer.0 as usize].used = Some(Used {
            from: spawn(pump(input, output)),
            channels,
            port: 0,
            output: Rc::default(),
            other: Some(other),
            fate: None,
        });
    }

    fn bind(self: &Rc<Self>, local: Local, buffer: Buffer) {
        let duplex = self.buffers.borrow()[buffer.0 as usize].duplex.clone();
        let (mut input, output) = duplex.join("net").unwrap();
        let channels = [input.channel().clone(), output.channel().clone()];
        let this = self.clone();
        let from = async move {
            while let Ok(Some(chunk)) = input.chunk().await {
                let mut frame = alloc::vec![0; chunk.len() as usize];
                chunk.read_at(0, &mut frame).unwrap();
                chunk.consume(frame.len() as u32);
                this.deliver(local.port, &frame);
            }
        };
        self.buffers.borrow_mut()[buffer.0 as usize].used = Some(Used {
            from: spawn(from),
            channels,
            port: local.port,
            output: Rc::new(RefCell::new(Some(output))),
            other: None,
            fate: None,
        });
    }

    fn deliver(&self, from: u16, frame: &[u8]) {
        let (header, payload) = frame
            .split_first_chunk::<{ PEER_BYTES as usize }>()
            .unwrap();
        let to = Peer::from_bytes(header).unwrap().0.port();
        let buffers = self.buffers.borrow();
        let mut used = buffers.iter().filter_map(|slot| slot.used.as_ref());
        let Some(socket) = used.find(|used| used.port == to && to != 0) else {
            return;
        };
        if let Some(output) = &mut *socket.output.borrow_mut()
            && let Some(mut room) = output.try_reserve_frame(frame.len() as u32)
        {
            room.write(0, &Peer(SocketAddr::new(HERE, from)).to_bytes())
                .unwrap();
            if !payload.is_empty() {
                room.write(PEER_BYTES, payload).unwrap();
            }
            room.commit();
        }
    }

    /// Lets go of a buffer, and tells the other end.
    fn end(&self, buffer: Buffer, fate: Reason) {
        let used = self.buffers.borrow_mut()[buffer.0 as usize].used.take();
        let Some(used) = used else {
            return;
        };
        let moved_all = used.from.is_finished();
        used.from.cancel();
        let Some(other) = used.other else {
            return;
        };
        if let Some(other) = &mut self.buffers.borrow_mut()[other.0 as usize].used
            && other.other == Some(buffer)
        {
            let [up, down] = &other.channels;
            if !moved_all {
                other.fate = Some(fate);
                down.terminate();
            }
            // What comes from there finds nobody.
            if !other.from.is_finished() {
                other.fate = Some(fate);
                other.from.cancel();
                up.terminate();
            }
        }
    }

    /// The peer of whoever has this buffer is gone.
    pub fn reset(&self, buffer: u32) {
        let mut buffers = self.buffers.borrow_mut();
        let used = buffers[buffer as usize].used.as_mut().unwrap();
        used.fate = Some(Reason::TimedOut);
        for channel in &used.channels {
            channel.terminate();
        }
    }
}

async fn pump(mut input: Input, mut output: Output) {
    let mut bytes = [0; 3000];
    loop {
        match input.read(&mut bytes).await {
            Ok(0) => return output.finish(),
            Ok(len) => {
                if output.write_all(&bytes[..len]).await.is_err() {
                    return input.channel().terminate();
                }
            }
            Err(Lost::Terminated | Lost::Gone | Lost::Corrupt) => {
                return output.channel().terminate();
            }
        }
    }
}

async fn pause() {
    sleep(Duration::from_millis(1)).await;
}
