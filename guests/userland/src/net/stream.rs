// SPDX-License-Identifier: BSD-2-Clause
//! TCP connections.

use alloc::rc::Rc;
use core::net::SocketAddr;

use atoll_abi::net::{Local, Reply, Request};

use super::{
    Error, Net, Reason,
    buffer::{Ending, Lease},
};
use crate::channel::{Chunk, Input, Output, Reservation};

/// A TCP connection. See the example of [`net`](crate::net).
///
/// Both directions are independent: to end one ([`TcpStream::shutdown`]) leaves the other as it is, and two tasks can
/// have one each ([`TcpStream::into_split`]).
pub struct TcpStream {
    read: ReadHalf,
    write: WriteHalf,
}

/// What the halves have in common.
struct Connection {
    lease: Lease,
    local: SocketAddr,
    peer: SocketAddr,
}

/// The half of a connection that reads. See the example of [`TcpStream::into_split`].
pub struct ReadHalf {
    // Left to the lease when this goes.
    input: Option<Input>,
    connection: Rc<Connection>,
}

/// The half of a connection that writes. To drop it ends this direction. See the example of
/// [`TcpStream::into_split`].
pub struct WriteHalf {
    /// None once it is ended.
    output: Option<Output>,
    connection: Rc<Connection>,
}

impl TcpStream {
    /// Connects.
    ///
    /// ```no_run
    /// use core::time::Duration;
    /// use userland::{net::{Error, Net, Reason, TcpStream}, time::timeout};
    ///
    /// async fn connect(net: &Net) -> Result<TcpStream, Error> {
    ///     let peer = "192.0.2.7:80".parse().expect("an address");
    ///     let stream = timeout(Duration::from_secs(5), TcpStream::connect(net, peer)).await;
    ///     stream.map_err(|_| Reason::TimedOut)?
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn connect(net: &Net, peer: SocketAddr) -> Result<Self, Error> {
        let lease = net.lease(false).await?;
        let buffer = lease.id();
        let local = Local::default();
        let request = Request::Connect {
            peer,
            local,
            buffer,
        };
        Self::open(lease, &request).await
    }

    /// Connects to a host by its name: to the first of its addresses that takes the connection.
    ///
    /// ```no_run
    /// # use userland::net::{Error, Net, TcpStream};
    /// async fn connect(net: &Net) -> Result<TcpStream, Error> {
    ///     TcpStream::connect_to(net, "example.org", 80).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`]; that of the last address.
    pub async fn connect_to(net: &Net, host: &str, port: u16) -> Result<Self, Error> {
        let mut last = Reason::NameNotFound.into();
        for address in net.resolve(host).await? {
            match Self::connect(net, SocketAddr::new(address, port)).await {
                Ok(stream) => return Ok(stream),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    /// Asks for a connection in this buffer.
    pub(super) async fn open(lease: Lease, request: &Request) -> Result<Self, Error> {
        let (input, output) = lease.begin()?;
        match lease.ask(request).await? {
            Reply::Connected { local, peer } => {
                let connection = Rc::new(Connection { lease, local, peer });
                Ok(Self {
                    read: ReadHalf {
                        input: Some(input),
                        connection: connection.clone(),
                    },
                    write: WriteHalf {
                        output: Some(output),
                        connection,
                    },
                })
            }
            _ => Err(Error::Unexpected),
        }
    }

    /// The other end.
    ///
    /// ```no_run
    /// # use userland::{info, net::TcpStream};
    /// fn show(stream: &TcpStream) {
    ///     info!("{} is connected to {}", stream.peer_addr(), stream.local_addr());
    /// }
    /// ```
    pub fn peer_addr(&self) -> SocketAddr {
        self.read.connection.peer
    }

    /// This end. See the example of [`TcpStream::peer_addr`].
    pub fn local_addr(&self) -> SocketAddr {
        self.read.connection.local
    }

    /// Waits for bytes, and copies as many as there are and fit; 0 when the peer has ended its direction, or nothing
    /// fits. See the example of [`net`](crate::net).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        self.read.read(bytes).await
    }

    /// Waits for bytes, and shows them where they are; none when the peer has ended its direction. What is not
    /// consumed comes again. To drop a chunk consumes nothing.
    ///
    /// ```no_run
    /// # use userland::net::{Error, TcpStream};
    /// /// How many bytes come, without copying one.
    /// async fn count(stream: &mut TcpStream) -> Result<u64, Error> {
    ///     let mut count = 0;
    ///     while let Some(chunk) = stream.chunk().await? {
    ///         let len = chunk.len();
    ///         count += u64::from(len);
    ///         chunk.consume(len);
    ///     }
    ///     Ok(count)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn chunk(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        self.read.chunk().await
    }

    /// Waits for room, and takes as many of these bytes to be sent as there is sense in; answers how many.
    ///
    /// ```no_run
    /// # use userland::net::{Error, TcpStream};
    /// async fn begin(stream: &mut TcpStream, text: &str) -> Result<usize, Error> {
    ///     stream.write(text.as_bytes()).await
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        self.write.write(bytes).await
    }

    /// Takes all of these bytes to be sent. See the example of [`net`](crate::net).
    ///
    /// # Errors
    /// See [`Error`]; some bytes may be sent then.
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.write.write_all(bytes).await
    }

    /// Waits for room for as many bytes, or for as many as there is sense in, and gives it to be written in place.
    ///
    /// ```no_run
    /// # use userland::net::{Error, TcpStream};
    /// /// Sends as many zeros.
    /// async fn zeros(stream: &mut TcpStream, mut count: u32) -> Result<(), Error> {
    ///     while count > 0 {
    ///         let mut room = stream.reserve(count).await?;
    ///         let len = room.len();
    ///         room.write(0, &vec![0; len as usize]);
    ///         room.commit();
    ///         count -= len;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn reserve(&mut self, len: u32) -> Result<Reservation<'_>, Error> {
        self.write.reserve(len).await
    }

    /// Ends this guest's direction: the peer reads what was written, and then that this is all. What the peer sends
    /// can be read still. Once more it does nothing.
    ///
    /// ```no_run
    /// # use userland::net::{Error, TcpStream};
    /// /// Sends a question, and reads the answer to its end.
    /// async fn ask(stream: &mut TcpStream, question: &[u8]) -> Result<Vec<u8>, Error> {
    ///     stream.write_all(question).await?;
    ///     stream.shutdown();
    ///     let mut answer = Vec::new();
    ///     let mut bytes = [0; 512];
    ///     loop {
    ///         match stream.read(&mut bytes).await? {
    ///             0 => return Ok(answer),
    ///             len => answer.extend_from_slice(&bytes[..len]),
    ///         }
    ///     }
    /// }
    /// ```
    pub fn shutdown(&mut self) {
        self.write.shutdown();
    }

    /// Makes two of it, for two tasks. The connection is closed when both are dropped.
    ///
    /// ```no_run
    /// use userland::{net::{Error, TcpStream}, task::spawn};
    ///
    /// /// Two connections as one.
    /// async fn join(one: TcpStream, other: TcpStream) -> Result<(), Error> {
    ///     let ((mut from_one, mut to_one), (mut from_other, mut to_other)) =
    ///         (one.into_split(), other.into_split());
    ///     let there = spawn(async move {
    ///         let mut bytes = [0; 1024];
    ///         loop {
    ///             match from_one.read(&mut bytes).await? {
    ///                 0 => return Ok::<(), Error>(()),
    ///                 len => to_other.write_all(&bytes[..len]).await?,
    ///             }
    ///         }
    ///     });
    ///     let mut bytes = [0; 1024];
    ///     loop {
    ///         match from_other.read(&mut bytes).await? {
    ///             0 => break,
    ///             len => to_one.write_all(&bytes[..len]).await?,
    ///         }
    ///     }
    ///     to_one.shutdown();
    ///     there.await.unwrap_or(Ok(()))
    /// }
    /// ```
    pub fn into_split(self) -> (ReadHalf, WriteHalf) {
        (self.read, self.write)
    }

    /// Ends the connection in good order, as dropping it does, and waits until all that was written is with the net
    /// guest, which sends it. See the example of [`net`](crate::net).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn close(self) -> Result<(), Error> {
        let connection = self.into_connection();
        connection.lease.ended().await
    }

    /// Resets the connection. See the example of [`net`](crate::net).
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn abort(mut self) -> Result<(), Error> {
        self.read.connection.lease.ending.set(Ending::Abort);
        // Not ended in good order.
        drop(self.write.output.take());
        let connection = self.into_connection();
        connection.lease.ended().await
    }

    /// Both halves are dropped, and the connection is not yet.
    fn into_connection(self) -> Rc<Connection> {
        self.read.connection.clone()
    }
}

impl ReadHalf {
    /// As [`TcpStream::read`].
    ///
    /// See the example of [`TcpStream::into_split`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Error> {
        let input = self.input.as_mut().ok_or(Error::Ended)?;
        match input.read(bytes).await {
            Ok(len) => Ok(len),
            Err(lost) => Err(self.connection.lease.fate(lost).await),
        }
    }

    /// As [`TcpStream::chunk`].
    ///
    /// See the example of [`TcpStream::chunk`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn chunk(&mut self) -> Result<Option<Chunk<'_>>, Error> {
        let input = self.input.as_mut().ok_or(Error::Ended)?;
        match input.chunk().await {
            Ok(chunk) => Ok(chunk),
            Err(lost) => Err(self.connection.lease.fate(lost).await),
        }
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        *self.connection.lease.unread.borrow_mut() = self.input.take();
    }
}

impl WriteHalf {
    /// As [`TcpStream::write`].
    ///
    /// See the example of [`TcpStream::write`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, Error> {
        let output = self.output.as_mut().ok_or(Error::Ended)?;
        match output.write(bytes).await {
            Ok(len) => Ok(len),
            Err(lost) => Err(self.connection.lease.fate(lost).await),
        }
    }

    /// As [`TcpStream::write_all`].
    ///
    /// See the example of [`TcpStream::into_split`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn write_all(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let output = self.output.as_mut().ok_or(Error::Ended)?;
        match output.write_all(bytes).await {
            Ok(()) => Ok(()),
            Err(lost) => Err(self.connection.lease.fate(lost).await),
        }
    }

    /// As [`TcpStream::reserve`].
    ///
    /// See the example of [`TcpStream::reserve`].
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn reserve(&mut self, len: u32) -> Result<Reservation<'_>, Error> {
        let output = self.output.as_mut().ok_or(Error::Ended)?;
        match output.reserve(len).await {
            Ok(room) => Ok(room),
            Err(lost) => Err(self.connection.lease.fate(lost).await),
        }
    }

    /// As [`TcpStream::shutdown`].
    ///
    /// See the example of [`TcpStream::into_split`].
    pub fn shutdown(&mut self) {
        if let Some(output) = self.output.take() {
            output.finish();
        }
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        self.shutdown();
    }
}
