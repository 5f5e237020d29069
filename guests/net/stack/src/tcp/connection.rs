// SPDX-License-Identifier: BSD-2-Clause
//! What a client does with a connection.

use core::{
    net::{IpAddr, SocketAddr},
    task::{Poll, Waker},
};

use atoll_abi::net::{Error, Local};
use smoltcp::{
    socket::tcp,
    wire::{IpEndpoint, IpListenEndpoint},
};

use super::{Connection, ConnectionId, KEEP_ALIVE, SILENCE};
use crate::Stack;

/// What there is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// So many bytes, though not all of them need lie together.
    Bytes(usize),
    /// The peer has ended its direction, and everything was read.
    Ended,
}

impl Stack {
    /// Begins to connect.
    ///
    /// # Errors
    /// [`Error::InvalidArgument`], [`Error::Unreachable`], [`Error::NotConfigured`], [`Error::AddressInUse`],
    /// [`Error::AddressNotAvailable`], [`Error::TooManySockets`], [`Error::NoMemory`].
    pub fn tcp_connect(&mut self, peer: SocketAddr, local: Local) -> Result<ConnectionId, Error> {
        let is_host = match peer.ip() {
            IpAddr::V4(ip) => !(ip.is_multicast() || ip.is_broadcast()),
            IpAddr::V6(ip) => !ip.is_multicast(),
        };
        if peer.port() == 0 || !is_host {
            return Err(Error::InvalidArgument);
        }
        self.check_local(local.address)?;
        let is_other_family = |ip: IpAddr| ip.is_ipv4() != peer.is_ipv4();
        if local.address.is_some_and(is_other_family) {
            return Err(Error::InvalidArgument);
        }
        self.check_route(peer.ip())?;
        let tcp = &self.tcp;
        let port = match local.port {
            0 => self.ports.pick(|port| !tcp.is_free(port)),
            port => Some(port).filter(|port| tcp.is_free(*port)),
        };
        let port = port.ok_or(Error::AddressInUse)?;
        let handle = self.tcp.add(&mut self.sockets)?;
        let from = IpListenEndpoint {
            addr: local.address.map(Into::into),
            port,
        };
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(handle);
        let context = self.interface.context();
        if socket
            .connect(context, IpEndpoint::from(peer), from)
            .is_err()
        {
            self.tcp.remove(&mut self.sockets, handle);
            return Err(Error::Unreachable);
        }
        self.tcp.chosen.insert(port, handle);
        self.is_dirty = true;
        let connection = Connection::new(handle, tcp::State::SynSent);
        Ok(ConnectionId(self.tcp.connections.insert(connection)))
    }

    /// Whether the peer has answered. The task is woken when it may have.
    ///
    /// # Errors
    /// [`Error::Refused`], [`Error::TimedOut`].
    pub fn poll_connected(&mut self, id: ConnectionId, waker: &Waker) -> Poll<Result<(), Error>> {
        let Some(connection) = self.tcp.connections.get(id.0) else {
            return Poll::Ready(Err(Error::Aborted));
        };
        if let Some(fate) = connection.fate {
            return Poll::Ready(Err(fate));
        }
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
        if matches!(
            socket.state(),
            tcp::State::SynSent | tcp::State::SynReceived
        ) {
            socket.register_send_waker(waker);
            return Poll::Pending;
        }
        socket.set_timeout(Some(SILENCE));
        socket.set_keep_alive(Some(KEEP_ALIVE));
        Poll::Ready(Ok(()))
    }

    /// This end and the other one, of a connection that is one.
    pub fn tcp_ends(&self, id: ConnectionId) -> Option<(SocketAddr, SocketAddr)> {
        let connection = self.tcp.connections.get(id.0)?;
        let socket = self.sockets.get::<tcp::Socket<'_>>(connection.handle);
        Some((
            socket.local_endpoint()?.into(),
            socket.remote_endpoint()?.into(),
        ))
    }

    /// Why it has ended; none if it has not, or in good order.
    pub fn tcp_fate(&self, id: ConnectionId) -> Option<Error> {
        self.tcp.connections.get(id.0)?.fate
    }

    /// How much there is to be read. The task is woken when there is something.
    ///
    /// # Errors
    /// [`Error::Reset`], [`Error::TimedOut`], [`Error::Aborted`].
    pub fn poll_flow(&mut self, id: ConnectionId, waker: &Waker) -> Poll<Result<Flow, Error>> {
        let Some(connection) = self.tcp.connections.get(id.0) else {
            return Poll::Ready(Err(Error::Aborted));
        };
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
        if socket.can_recv() {
            return Poll::Ready(Ok(Flow::Bytes(socket.recv_queue())));
        }
        if let Some(fate) = connection.fate {
            return Poll::Ready(Err(fate));
        }
        if !socket.may_recv() {
            return Poll::Ready(Ok(Flow::Ended));
        }
        socket.register_recv_waker(waker);
        Poll::Pending
    }

    /// Shows bytes where they are, as many as lie together. The closure says how many of them it takes.
    pub fn tcp_take<R>(
        &mut self,
        id: ConnectionId,
        take: impl FnOnce(&[u8]) -> (usize, R),
    ) -> Option<R> {
        let connection = self.tcp.connections.get(id.0)?;
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
        // There may be a larger window to tell.
        self.is_dirty = true;
        let taken = socket.recv(|bytes| {
            let (count, value) = take(bytes);
            (count.min(bytes.len()), value)
        });
        taken.ok()
    }

    /// For how many bytes there is room. The task is woken when there is some.
    ///
    /// # Errors
    /// [`Error::Reset`], [`Error::TimedOut`], [`Error::Aborted`].
    pub fn poll_room(&mut self, id: ConnectionId, waker: &Waker) -> Poll<Result<usize, Error>> {
        let Some(connection) = self.tcp.connections.get(id.0) else {
            return Poll::Ready(Err(Error::Aborted));
        };
        if let Some(fate) = connection.fate {
            return Poll::Ready(Err(fate));
        }
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
        if !socket.may_send() {
            return Poll::Ready(Err(Error::Aborted));
        }
        let room = socket.send_capacity() - socket.send_queue();
        if room == 0 {
            socket.register_send_waker(waker);
            return Poll::Pending;
        }
        Poll::Ready(Ok(room))
    }

    /// Has bytes written where they are sent from, as many as lie together. The closure says how many it wrote.
    pub fn tcp_put<R>(
        &mut self,
        id: ConnectionId,
        put: impl FnOnce(&mut [u8]) -> (usize, R),
    ) -> Option<R> {
        let connection = self.tcp.connections.get(id.0)?;
        let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
        self.is_dirty = true;
        let put = socket.send(|bytes| {
            let (count, value) = put(bytes);
            (count.min(bytes.len()), value)
        });
        put.ok()
    }

    /// Ends this direction, behind what was written.
    pub fn tcp_finish(&mut self, id: ConnectionId) {
        if let Some(connection) = self.tcp.connections.get(id.0) {
            self.sockets
                .get_mut::<tcp::Socket<'_>>(connection.handle)
                .close();
            self.is_dirty = true;
        }
    }

    /// Is done with a connection: it ends by itself, in good order.
    pub fn tcp_close(&mut self, id: ConnectionId) {
        self.let_go(id, false);
    }

    /// Resets a connection, and is done with it.
    pub fn tcp_abort(&mut self, id: ConnectionId) {
        self.let_go(id, true);
    }

    fn let_go(&mut self, id: ConnectionId, is_reset: bool) {
        if let Some(connection) = self.tcp.connections.remove(id.0) {
            let socket = self.sockets.get_mut::<tcp::Socket<'_>>(connection.handle);
            // A connection that has ended is not to be ended again.
            let is_reset = is_reset && socket.state() != tcp::State::Closed;
            (self.tcp).abandon(&mut self.sockets, connection.handle, is_reset, self.now);
            self.is_dirty = true;
        }
    }
}
