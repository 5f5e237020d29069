// SPDX-License-Identifier: BSD-2-Clause
//! UDP sockets.

use alloc::vec::Vec;
use core::{
    net::{IpAddr, SocketAddr},
    task::{Poll, Waker},
};

use atoll_abi::net::{Error, Local, MAX_DATAGRAM};
use smoltcp::{
    iface::SocketHandle,
    socket::udp,
    wire::{IpEndpoint, IpListenEndpoint},
};

use crate::{Stack, stack::overlap, table::Table, tcp::zeros};

/// A UDP socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UdpId(u32);

/// Datagrams that can wait in each direction, and their bytes.
const DATAGRAMS: usize = 64;
const BYTES: usize = 64 << 10;

struct Socket {
    handle: SocketHandle,
    local: Local,
}

pub struct Udp {
    sockets: Table<Socket>,
}

impl Udp {
    pub const fn new() -> Self {
        Self {
            sockets: Table::new(),
        }
    }

    pub fn len(&self) -> usize {
        self.sockets.len()
    }

    fn is_used(&self, address: Option<IpAddr>, port: u16) -> bool {
        let mut all = self.sockets.iter();
        // The DHCP client's.
        port == 68
            || all.any(|(_, socket)| {
                socket.local.port == port && overlap(socket.local.address, address)
            })
    }
}

fn buffer() -> Option<udp::PacketBuffer<'static>> {
    let mut metadata = Vec::new();
    metadata.try_reserve_exact(DATAGRAMS).ok()?;
    metadata.resize(DATAGRAMS, udp::PacketMetadata::EMPTY);
    Some(udp::PacketBuffer::new(metadata, zeros(BYTES)?))
}

impl Stack {
    /// Opens a socket. A port of 0 becomes one that is free.
    ///
    /// # Errors
    /// [`Error::AddressInUse`], [`Error::AddressNotAvailable`], [`Error::NoMemory`].
    pub fn udp_bind(&mut self, local: Local) -> Result<(UdpId, Local), Error> {
        self.check_local(local.address)?;
        let udp = &self.udp;
        let port = match local.port {
            0 => {
                let is_used = |port| udp.is_used(local.address, port);
                self.ports.pick(is_used).ok_or(Error::AddressInUse)?
            }
            port if udp.is_used(local.address, port) => return Err(Error::AddressInUse),
            port => port,
        };
        let (received, sent) = (buffer(), buffer());
        let mut socket = udp::Socket::new(
            received.ok_or(Error::NoMemory)?,
            sent.ok_or(Error::NoMemory)?,
        );
        let endpoint = IpListenEndpoint {
            addr: local.address.map(Into::into),
            port,
        };
        socket.bind(endpoint).map_err(|_| Error::InvalidArgument)?;
        let handle = self.sockets.add(socket);
        let local = Local { port, ..local };
        Ok((
            UdpId(self.udp.sockets.insert(Socket { handle, local })),
            local,
        ))
    }

    /// Closes it. What was not sent yet is dropped.
    pub fn udp_close(&mut self, id: UdpId) {
        if let Some(socket) = self.udp.sockets.remove(id.0) {
            self.sockets.remove(socket.handle);
        }
    }

    /// Shows the next datagram where it is, with who has sent it; it is gone then. The task is woken when there is one.
    pub fn udp_receive<R>(
        &mut self,
        id: UdpId,
        waker: &Waker,
        show: impl FnOnce(SocketAddr, &[u8]) -> R,
    ) -> Poll<Result<R, Error>> {
        let Some(socket) = self.udp.sockets.get(id.0) else {
            return Poll::Ready(Err(Error::Aborted));
        };
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(socket.handle);
        match socket.recv() {
            Ok((bytes, metadata)) => Poll::Ready(Ok(show(metadata.endpoint.into(), bytes))),
            Err(_) => {
                socket.register_recv_waker(waker);
                Poll::Pending
            }
        }
    }

    /// Whether a datagram can go there.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NotConfigured`], [`Error::InvalidArgument`] for a port of 0.
    pub fn udp_check(&self, peer: SocketAddr) -> Result<(), Error> {
        if peer.port() == 0 {
            return Err(Error::InvalidArgument);
        }
        self.check_route(peer.ip())
    }

    /// Has a datagram of `len` bytes written where it is sent from. The task is woken when there is room.
    ///
    /// # Errors
    /// As [`Stack::udp_check`]; [`Error::InvalidArgument`] for more than [`MAX_DATAGRAM`] bytes; [`Error::Aborted`]
    /// if there is no such socket.
    pub fn udp_send(
        &mut self,
        id: UdpId,
        peer: SocketAddr,
        len: usize,
        waker: &Waker,
        fill: impl FnOnce(&mut [u8]),
    ) -> Poll<Result<(), Error>> {
        if let Err(error) = self.udp_check(peer) {
            return Poll::Ready(Err(error));
        }
        if len > MAX_DATAGRAM as usize {
            return Poll::Ready(Err(Error::InvalidArgument));
        }
        let Some(socket) = self.udp.sockets.get(id.0) else {
            return Poll::Ready(Err(Error::Aborted));
        };
        let socket = self.sockets.get_mut::<udp::Socket<'_>>(socket.handle);
        match socket.send(len, IpEndpoint::from(peer)) {
            Ok(bytes) => {
                fill(bytes);
                self.is_dirty = true;
                Poll::Ready(Ok(()))
            }
            Err(udp::SendError::Unaddressable) => Poll::Ready(Err(Error::InvalidArgument)),
            Err(udp::SendError::BufferFull) => {
                socket.register_send_waker(waker);
                Poll::Pending
            }
        }
    }
}
