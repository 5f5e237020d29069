// SPDX-License-Identifier: BSD-2-Clause
//! The network: TCP, UDP, names and pings, through the net guest. Needs the grants `shared_memory`, `wake` and
//! `time`.
//!
//! A guest that may use the network shares a channel with the net guest, whose arguments say what it may do
//! there. It opens that channel by the name of its slot, and does everything through the [`Net`] that it gets.
//!
//! ```no_run
//! #![no_main]
//!
//! use core::time::Duration;
//! use userland::{info, net::{Error, Net, TcpListener, TcpStream}, task::spawn, time::timeout};
//!
//! /// Sends back what comes.
//! async fn echo(mut stream: TcpStream) -> Result<(), Error> {
//!     let mut bytes = [0; 1024];
//!     loop {
//!         match timeout(Duration::from_secs(60), stream.read(&mut bytes)).await {
//!             Ok(len) => match len? {
//!                 0 => return stream.close().await,
//!                 len => stream.write_all(&bytes[..len]).await?,
//!             },
//!             Err(_) => return stream.abort().await,
//!         }
//!     }
//! }
//!
//! #[userland::entrypoint]
//! async fn main() -> Result<(), Error> {
//!     let net = Net::open("net").await?;
//!     let mut listener = TcpListener::bind(&net, 7).await?;
//!     loop {
//!         let stream = listener.accept().await?;
//!         info!("{} has come", stream.peer_addr());
//!         spawn(echo(stream));
//!     }
//! }
//! ```
//!
//! Every future here can be dropped, as [`timeout`](crate::time::timeout) does: what it had begun is undone, and no
//! byte is lost. To drop a socket closes it: bytes that were written are still sent, as long as this guest runs.
//!
//! # What it costs
//! Each connection and each UDP socket has a *buffer*, a region of this guest's own ([`Options::pages`]), in which
//! bytes lie between this guest and the net guest. Those that are not in use any more are used again, so a server has
//! as many as it had connections at one time. Requests are made for what a socket begins and ends with; a byte
//! that is read or written takes none. Nothing has to be copied in this guest: see [`TcpStream::chunk`] and
//! [`TcpStream::reserve`].
//!
//! # When the net guest ends
//! What there was of sockets ends with [`Error::Gone`] or [`CallError::Disconnected`](crate::rpc::CallError). The
//! [`Net`] stays: the next request waits for the net guest to be there again.
//!
//! The protocol is in `atoll_abi::net`.

mod buffer;
mod error;
mod listener;
mod service;
mod stream;
#[cfg(test)]
mod tests;
mod udp;

pub use atoll_abi::net::{Error as Reason, Family, Limits, Local, Rule, Status, Subnet, Traffic};

pub use error::Error;
pub use listener::TcpListener;
pub use service::{Net, Options};
pub use stream::{ReadHalf, TcpStream, WriteHalf};
pub use udp::{Datagram, UdpSocket};
