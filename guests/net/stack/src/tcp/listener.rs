// SPDX-License-Identifier: BSD-2-Clause
//! Listening, and accepting.

use alloc::{collections::VecDeque, vec::Vec};
use core::{
    net::IpAddr,
    task::{Poll, Waker},
};

use atoll_abi::net::{Error, Local};
use smoltcp::{
    iface::{SocketHandle, SocketSet},
    socket::tcp,
    wire::IpListenEndpoint,
};

use super::{Connection, ConnectionId, KEEP_ALIVE, Listener, ListenerId, SILENCE, Tcp, state};
use crate::{Stack, stack::overlap, wakers::Wakers};

impl Tcp {
    fn is_used(&self, address: Option<IpAddr>, port: u16) -> bool {
        let mut all = self.listeners.iter();
        self.chosen.contains_key(&port)
            || all.any(|(_, it)| it.local.port == port && overlap(it.local.address, address))
    }

    /// Whether a port is no listener's, and was not chosen for another connection.
    pub(super) fn is_free(&self, port: u16) -> bool {
        !self.is_used(None, port)
    }

    /// Moves those for whom a peer came into the queue of their listener, and has another socket listen in their
    /// place; forgets those whose peer went away.
    pub fn refill(&mut self, sockets: &mut SocketSet<'static>) {
        // Mostly none.
        let due: Vec<u32> = (self.listeners.iter())
            .filter(|(_, listener)| listener.is_due(sockets))
            .map(|(number, _)| number)
            .collect();
        for number in due {
            self.refill_one(sockets, number);
        }
    }

    fn refill_one(&mut self, sockets: &mut SocketSet<'static>, number: u32) {
        let Some(listener) = self.listeners.get_mut(number) else {
            return;
        };
        if let Some(handle) = listener.listening
            && state(sockets, handle) != tcp::State::Listen
        {
            listener.listening = None;
            listener.queue.push_back(handle);
        }
        let mut gone = VecDeque::new();
        listener.queue.retain(|handle| {
            // A peer that goes away before it is a connection leaves a socket that listens.
            let is_gone = matches!(
                state(sockets, *handle),
                tcp::State::Closed | tcp::State::Listen
            );
            if is_gone {
                gone.push_back(*handle);
            }
            !is_gone
        });
        if listener.queue.iter().any(|it| is_ready(sockets, *it)) {
            listener.wakers.wake();
        }
        let wants_more = listener.listening.is_none() && listener.queue.len() < listener.backlog;
        let local = listener.local;
        for handle in gone {
            self.remove(sockets, handle);
        }
        if wants_more && let Ok(handle) = self.listen(sockets, local) {
            match self.listeners.get_mut(number) {
                Some(listener) => listener.listening = Some(handle),
                None => self.remove(sockets, handle),
            }
        }
    }

    /// A socket that listens.
    fn listen(
        &mut self,
        sockets: &mut SocketSet<'static>,
        local: Local,
    ) -> Result<SocketHandle, Error> {
        let handle = self.add(sockets)?;
        let endpoint = IpListenEndpoint {
            addr: local.address.map(Into::into),
            port: local.port,
        };
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        match socket.listen(endpoint) {
            Ok(()) => Ok(handle),
            Err(_) => {
                self.remove(sockets, handle);
                Err(Error::InvalidArgument)
            }
        }
    }
}

impl Listener {
    /// Whether there may be something to do for it.
    fn is_due(&self, sockets: &SocketSet<'static>) -> bool {
        let listens = |handle| state(sockets, handle) == tcp::State::Listen;
        !self.queue.is_empty() || !self.listening.is_some_and(listens)
    }
}

/// Whether the peer has done its part, so that it can be accepted.
fn is_ready(sockets: &SocketSet<'static>, handle: SocketHandle) -> bool {
    !matches!(
        state(sockets, handle),
        tcp::State::SynReceived | tcp::State::Listen | tcp::State::Closed
    )
}

impl Stack {
    /// Listens. A port of 0 becomes one that is free.
    ///
    /// # Errors
    /// [`Error::AddressInUse`], [`Error::AddressNotAvailable`], [`Error::TooManySockets`], [`Error::NoMemory`].
    pub fn tcp_listen(&mut self, local: Local, backlog: u16) -> Result<(ListenerId, Local), Error> {
        self.check_local(local.address)?;
        let tcp = &self.tcp;
        let port = match local.port {
            0 => self.ports.pick(|port| !tcp.is_free(port)),
            port => Some(port).filter(|port| !tcp.is_used(local.address, *port)),
        };
        let port = port.ok_or(Error::AddressInUse)?;
        let local = Local { port, ..local };
        let listening = self.tcp.listen(&mut self.sockets, local)?;
        let listener = Listener {
            local,
            backlog: backlog.max(1).into(),
            listening: Some(listening),
            queue: VecDeque::new(),
            wakers: Wakers::default(),
        };
        Ok((ListenerId(self.tcp.listeners.insert(listener)), local))
    }

    /// Stops listening, and resets connections that were not accepted. Those who wait end with [`Error::Closed`].
    pub fn tcp_unlisten(&mut self, id: ListenerId) {
        let Some(mut listener) = self.tcp.listeners.remove(id.0) else {
            return;
        };
        for handle in listener.listening.into_iter().chain(listener.queue) {
            (self.tcp).abandon(&mut self.sockets, handle, true, self.now);
        }
        listener.wakers.wake();
        self.is_dirty = true;
    }

    /// The connection that waits longest. The task is woken when there may be one.
    ///
    /// # Errors
    /// [`Error::Closed`].
    pub fn poll_accept(
        &mut self,
        id: ListenerId,
        waker: &Waker,
    ) -> Poll<Result<ConnectionId, Error>> {
        let sockets = &mut self.sockets;
        let Some(listener) = self.tcp.listeners.get_mut(id.0) else {
            return Poll::Ready(Err(Error::Closed));
        };
        let ready = listener.queue.iter().position(|it| is_ready(sockets, *it));
        let Some(handle) = ready.and_then(|index| listener.queue.remove(index)) else {
            listener.wakers.register(waker);
            return Poll::Pending;
        };
        let socket = sockets.get_mut::<tcp::Socket<'_>>(handle);
        socket.set_timeout(Some(SILENCE));
        socket.set_keep_alive(Some(KEEP_ALIVE));
        // There is room in the queue again.
        self.tcp.refill_one(sockets, id.0);
        let connection = Connection::new(handle, state(&self.sockets, handle));
        Poll::Ready(Ok(ConnectionId(self.tcp.connections.insert(connection))))
    }
}
