// SPDX-License-Identifier: BSD-2-Clause
//! UDP sockets.

use alloc::collections::VecDeque;
use core::net::SocketAddr;

use atoll_abi::net::{Local, MAX_DATAGRAM, PEER_BYTES, Peer, Reply, Request};

use super::{Error, Net, buffer::Lease};
use crate::channel::{Chunk, Input, Output};

/// Peers that a socket remembers the net guest lets it send to.
const KNOWN: usize = 16;

/// A UDP socket. To drop it closes it.
///
/// Datagrams may be lost, as UDP has it: also those that come while this guest has not read so many that the socket's
/// buffer is full.
///
/// ```no_run
/// use userland::net::{Error, Net, UdpSocket};
///
/// /// Sends back what comes.
/// async fn echo(net: &Net) -> Result<(), Error> {
///     let mut socket = UdpSocket::bind(net, 7).await?;
///     let mut bytes = [0; 1500];
///     loop {
///         let (len, peer) = socket.recv_from(&mut bytes).await?;
///         socket.send_to(&bytes[..len], peer).await?;
///     }
/// }
/// ```
pub struct UdpSocket {
    // Dropped before the lease.
    input: Option<Input>,
    output: Option<Output>,
    local: Local,
    /// The last ones, none twice.
    known: VecDeque<SocketAddr>,
    lease: Lease,
}

impl UdpSocket {
    /// Opens a socket at a port of all addresses, or of one: see [`TcpListener::bind`](super::TcpListener::bind). Port
    /// 0 is one that the net guest chooses. See the example of [`UdpSocket`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn bind(net: &Net, local: impl Into<Local>) -> Result<Self, Error> {
        let lease = net.lease(false).await?;
        let (input, output) = lease.begin()?;
        let (local, buffer) = (local.into(), lease.id());
        match lease.ask(&Request::Bind { local, buffer }).await? {
            Reply::Bound { local } => Ok(Self {
                input: Some(input),
                output: Some(output),
                local,
                known: VecDeque::new(),
                lease,
            }),
            _ => Err(Error::Unexpected),
        }
    }

    /// Where it is.
    ///
    /// ```no_run
    /// # use userland::net::UdpSocket;
    /// fn port(socket: &UdpSocket) -> u16 {
    ///     socket.local().port
    /// }
    /// ```
    pub const fn local(&self) -> Local {
        self.local
    }

    /// Waits for a datagram, and copies it; answers its length and whose it is. What does not fit is lost. See the
    /// example of [`UdpSocket`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn recv_from(&mut self, bytes: &mut [u8]) -> Result<(usize, SocketAddr), Error> {
        let datagram = self.recv().await?;
        let (len, peer) = (datagram.len() as usize, datagram.peer());
        let len = len.min(bytes.len());
        if let Some(bytes) = bytes.get_mut(..len) {
            // There are as many.
            let _ = datagram.read_at(0, bytes);
        }
        Ok((len, peer))
    }

    /// Waits for a datagram, and shows it where it is.
    ///
    /// ```no_run
    /// # use userland::{info, net::{Error, UdpSocket}};
    /// async fn show(socket: &mut UdpSocket) -> Result<(), Error> {
    ///     let datagram = socket.recv().await?;
    ///     let mut first = [0];
    ///     if datagram.read_at(0, &mut first).is_some() {
    ///         info!("{} sent {} bytes, the first is {}", datagram.peer(), datagram.len(), first[0]);
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn recv(&mut self) -> Result<Datagram<'_>, Error> {
        let input = self.input.as_mut().ok_or(Error::Ended)?;
        let chunk = match input.chunk().await {
            Ok(Some(chunk)) => chunk,
            Ok(None) => return Err(Error::Gone),
            Err(lost) => return Err(self.lease.fate(lost).await),
        };
        let mut header = [0; PEER_BYTES as usize];
        let peer = chunk
            .read_at(0, &mut header)
            .and_then(|()| Peer::from_bytes(&header));
        let Some(Peer(peer)) = peer else {
            let len = chunk.len();
            chunk.consume(len);
            return Err(Error::Unexpected);
        };
        remember(&mut self.known, peer);
        Ok(Datagram {
            chunk: Some(chunk),
            peer,
        })
    }

    /// Waits for room, and takes a datagram to be sent. Whether it arrives, nobody says. See the example of
    /// [`UdpSocket`].
    ///
    /// # Errors
    /// See [`Error`]: [`Error::TooLong`] above 1472 bytes, [`Reason::NotAllowed`](super::Reason::NotAllowed).
    pub async fn send_to(&mut self, bytes: &[u8], peer: SocketAddr) -> Result<(), Error> {
        let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        if len > MAX_DATAGRAM {
            return Err(Error::TooLong);
        }
        if !self.known.contains(&peer) {
            let buffer = self.lease.id();
            let may_send = Request::MaySend { buffer, peer };
            self.lease.ask_about(&may_send).await?;
            remember(&mut self.known, peer);
        }
        let output = self.output.as_mut().ok_or(Error::Ended)?;
        match output.reserve_frame(PEER_BYTES + len).await {
            Ok(mut room) => {
                // It has as many.
                let _ = room.write(0, &Peer(peer).to_bytes());
                let _ = room.write(PEER_BYTES, bytes);
                room.commit();
                Ok(())
            }
            Err(lost) => Err(self.lease.fate(lost).await),
        }
    }

    /// Closes it, as dropping it does, and waits until all that was written is with the net guest, which sends it.
    ///
    /// ```no_run
    /// # use core::net::SocketAddr;
    /// # use userland::net::{Error, UdpSocket};
    /// async fn say_goodbye(mut socket: UdpSocket, peer: SocketAddr) -> Result<(), Error> {
    ///     socket.send_to(b"goodbye", peer).await?;
    ///     socket.close().await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn close(mut self) -> Result<(), Error> {
        self.finish();
        self.lease.ended().await
    }

    fn finish(&mut self) {
        if let Some(output) = self.output.take() {
            output.finish();
        }
        *self.lease.unread.borrow_mut() = self.input.take();
    }
}

/// Keeps a peer among the last ones.
fn remember(known: &mut VecDeque<SocketAddr>, peer: SocketAddr) {
    if known.back() == Some(&peer) {
        return;
    }
    known.retain(|other| *other != peer);
    if known.len() == KNOWN {
        known.pop_front();
    }
    known.push_back(peer);
}

impl Drop for UdpSocket {
    fn drop(&mut self) {
        if self.output.is_some() {
            self.finish();
        }
    }
}

/// A datagram where it is, in memory that the net guest can write: what is copied from it twice can differ. To drop it
/// is to be done with it. See the example of [`UdpSocket::recv`].
pub struct Datagram<'a> {
    /// None only while it is dropped.
    chunk: Option<Chunk<'a>>,
    peer: SocketAddr,
}

impl Datagram<'_> {
    /// Whose it is. See the example of [`UdpSocket::recv`].
    pub const fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Bytes. See the example of [`UdpSocket::recv`].
    pub fn len(&self) -> u32 {
        let frame = self.chunk.as_ref().map_or(0, Chunk::len);
        frame.saturating_sub(PEER_BYTES)
    }

    /// Whether it has none. See the example of [`UdpSocket::recv`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Copies bytes from this offset; none if there are not as many. See the example of [`UdpSocket::recv`].
    pub fn read_at(&self, offset: u32, bytes: &mut [u8]) -> Option<()> {
        let offset = offset.checked_add(PEER_BYTES)?;
        self.chunk.as_ref()?.read_at(offset, bytes)
    }
}

impl Drop for Datagram<'_> {
    fn drop(&mut self) {
        if let Some(chunk) = self.chunk.take() {
            let len = chunk.len();
            chunk.consume(len);
        }
    }
}
