// SPDX-License-Identifier: BSD-2-Clause
//! TCP connections, and sockets that listen for them.
//!
//! smoltcp has sockets: one listens or is a connection. A *listener* here is as many sockets as it needs: one that
//! listens, and those that were one until a peer came (its queue). A connection that its client is done with goes on
//! by itself until the peer has everything (an orphan).

mod connection;
mod listener;

use alloc::{
    collections::{BTreeMap, VecDeque},
    vec::Vec,
};

use core::mem::replace;

use atoll_abi::net::{Error, LINGER_MS, Local};
use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::{Socket as AnySocket, tcp},
    time::{Duration, Instant},
};

use crate::{table::Table, wakers::Wakers};

pub use connection::Flow;

/// A TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConnectionId(u32);

/// A listening TCP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ListenerId(u32);

/// Bytes that a connection has room for, in each direction.
pub const BUFFER: usize = 64 << 10;

/// How long a peer may take to answer a SYN, ours or the one with which we answer its own.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);
/// How long a peer may be silent. One whose window is closed is asked for more room ever less often, at the end once
/// a minute.
const SILENCE: Duration = Duration::from_secs(180);
/// How often a peer is asked whether it is there, when there is nothing else to say.
const KEEP_ALIVE: Duration = Duration::from_secs(60);
/// How long a connection may exist that nobody has.
const ALONE: Duration = Duration::from_secs(60);
/// How long a connection may take to end that its client is done with.
const LINGER: Duration = Duration::from_millis(LINGER_MS as u64);
/// Connections that are kept only so that late packets find them (TIME-WAIT); beyond that the oldest is forgotten.
const LATE: usize = 16;
/// Closed sockets that are kept for the next connections, so that these need no new memory.
const SPARE: usize = 16;

/// A connection that a client has, or will have when it accepts.
pub(super) struct Connection {
    handle: SocketHandle,
    /// The state in which it was when it was last looked at.
    last: tcp::State,
    /// Why it ended, if not in good order.
    fate: Option<Error>,
}

/// A connection that ends by itself.
struct Orphan {
    handle: SocketHandle,
    /// When that must be over.
    until: Instant,
    /// A reset is to go out first.
    is_reset: bool,
}

struct Listener {
    local: Local,
    backlog: usize,
    /// The socket that listens, if there is room in the queue.
    listening: Option<SocketHandle>,
    /// Those for whom a peer came, the oldest first.
    queue: VecDeque<SocketHandle>,
    wakers: Wakers,
}

pub struct Tcp {
    /// Sockets at a time.
    most: usize,
    count: usize,
    connections: Table<Connection>,
    listeners: Table<Listener>,
    orphans: Vec<Orphan>,
    spare: Vec<tcp::Socket<'static>>,
    /// How many sockets use a port that this stack has chosen.
    chosen: BTreeMap<u16, SocketHandle>,
}

/// Memory that is not for sockets: who asks for one gets an error while there is still some for everything else.
const HEADROOM: usize = 512 << 10;

/// So many zeros; none if there is not much memory left.
pub(crate) fn zeros(len: usize) -> Option<Vec<u8>> {
    // Taken for as long as the others are looked for.
    let mut headroom = Vec::<u8>::new();
    headroom.try_reserve_exact(HEADROOM).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(len).ok()?;
    bytes.resize(len, 0);
    Some(bytes)
}

impl Tcp {
    pub const fn new(most: usize) -> Self {
        Self {
            most,
            count: 0,
            connections: Table::new(),
            listeners: Table::new(),
            orphans: Vec::new(),
            spare: Vec::new(),
            chosen: BTreeMap::new(),
        }
    }

    pub const fn len(&self) -> usize {
        self.count
    }

    /// A closed socket.
    fn add(&mut self, sockets: &mut SocketSet<'static>) -> Result<SocketHandle, Error> {
        if self.count >= self.most {
            // Those that nobody needs any more go first.
            let late = self.orphans.iter().position(|orphan| !orphan.is_reset);
            let late = late.ok_or(Error::TooManySockets)?;
            if state(sockets, self.orphans[late].handle) != tcp::State::TimeWait {
                return Err(Error::TooManySockets);
            }
            let orphan = self.orphans.remove(late);
            self.remove(sockets, orphan.handle);
        }
        let socket = match self.spare.pop() {
            Some(socket) => socket,
            None => {
                let (received, sent) = (zeros(BUFFER), zeros(BUFFER));
                tcp::Socket::new(
                    tcp::SocketBuffer::new(received.ok_or(Error::NoMemory)?),
                    tcp::SocketBuffer::new(sent.ok_or(Error::NoMemory)?),
                )
            }
        };
        self.count += 1;
        let handle = sockets.add(socket);
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.set_congestion_control(tcp::CongestionControl::Reno);
        // Clients collect what they send; what is there is worth sending.
        socket.set_nagle_enabled(false);
        socket.set_timeout(Some(CONNECT_TIMEOUT));
        socket.set_keep_alive(None);
        Ok(handle)
    }

    /// Forgets a socket, in whatever state it is.
    fn remove(&mut self, sockets: &mut SocketSet<'static>, handle: SocketHandle) {
        self.chosen.retain(|_, other| *other != handle);
        self.count -= 1;
        if let AnySocket::Tcp(mut socket) = sockets.remove(handle) {
            socket.abort();
            if self.spare.len() < SPARE {
                self.spare.push(socket);
            }
        }
    }

    /// Has a socket end by itself: with a reset, or in good order.
    fn abandon(
        &mut self,
        sockets: &mut SocketSet<'static>,
        handle: SocketHandle,
        is_reset: bool,
        now: Instant,
    ) {
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        if is_reset {
            socket.abort();
        } else {
            socket.close();
            socket.set_timeout(Some(LINGER));
            socket.set_keep_alive(Some(KEEP_ALIVE));
        }
        self.orphans.push(Orphan {
            handle,
            until: now + ALONE,
            is_reset,
        });
    }

    // ---- Every round

    /// Takes note of connections that a peer has reset: after frames were received, before anything is sent.
    pub fn note_resets(&mut self, sockets: &SocketSet<'static>) {
        for (_, connection) in self.connections.iter_mut() {
            connection.note(sockets, Error::Reset);
        }
    }

    /// Takes note of connections that have ended because a peer is silent, and of those that nobody has and that are
    /// over: after everything was sent.
    pub fn note_timeouts(&mut self, sockets: &mut SocketSet<'static>, now: Instant) {
        for (_, connection) in self.connections.iter_mut() {
            connection.note(sockets, Error::TimedOut);
        }
        self.sweep(sockets, now);
    }

    /// Throws away what peers send to nobody.
    pub fn discard_for_nobody(&mut self, sockets: &mut SocketSet<'static>) {
        for orphan in &self.orphans {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(orphan.handle);
            while socket.can_recv() && socket.recv(|bytes| (bytes.len(), ())).is_ok() {}
        }
    }

    fn sweep(&mut self, sockets: &mut SocketSet<'static>, now: Instant) {
        let mut late = self
            .orphans
            .iter()
            .filter(|orphan| state(sockets, orphan.handle) == tcp::State::TimeWait)
            .count();
        let mut index = 0;
        while let Some(orphan) = self.orphans.get_mut(index) {
            let socket = sockets.get_mut::<tcp::Socket<'_>>(orphan.handle);
            let is_over = match socket.state() {
                // With its peer forgotten, the last packet is out.
                tcp::State::Closed => socket.remote_endpoint().is_none() || now >= orphan.until,
                tcp::State::TimeWait if late > LATE => {
                    late -= 1;
                    true
                }
                _ if now >= orphan.until => {
                    orphan.is_reset = true;
                    orphan.until = now + ALONE;
                    socket.abort();
                    false
                }
                _ => false,
            };
            if is_over {
                let handle = self.orphans.remove(index).handle;
                self.remove(sockets, handle);
            } else {
                index += 1;
            }
        }
    }

    /// When the next of them must be over.
    pub fn sweep_at(&self) -> Option<Instant> {
        self.orphans.iter().map(|orphan| orphan.until).min()
    }
}

fn state(sockets: &SocketSet<'static>, handle: SocketHandle) -> tcp::State {
    sockets.get::<tcp::Socket<'_>>(handle).state()
}

impl Connection {
    fn new(handle: SocketHandle, last: tcp::State) -> Self {
        Self {
            handle,
            last,
            fate: None,
        }
    }

    /// If it has ended since the last look, and not in good order, it was this.
    fn note(&mut self, sockets: &SocketSet<'static>, why: Error) {
        let socket = sockets.get::<tcp::Socket<'_>>(self.handle);
        let last = replace(&mut self.last, socket.state());
        if self.last != tcp::State::Closed || last == tcp::State::Closed {
            return;
        }
        self.fate = match last {
            // Both directions have ended, and the peer has everything.
            tcp::State::LastAck | tcp::State::Closing | tcp::State::TimeWait
                if socket.send_queue() == 0 =>
            {
                None
            }
            tcp::State::SynSent if why == Error::Reset => Some(Error::Refused),
            _ => Some(why),
        };
    }
}
