// SPDX-License-Identifier: BSD-2-Clause
//! The network service: what a client and the net guest say to each other.
//!
//! A client holds a channel with the net guest, its *door*, under whatever name its spec gives it. It speaks
//! [`Request`] and [`Answer`] there through the guest library's request and reply (`userland::rpc`: frames of a
//! header and a postcard value). Calls may be under way in any number up to [`MAX_CALLS`], and are answered in any
//! order. Addresses and ports are those of `core::net`: serde writes them as an enum of the family, the octets in
//! network order and the port as a varint.
//!
//! # Buffers
//! Bytes of streams and datagrams do not travel in requests. They travel in *buffers*: regions of shared memory
//! that the client makes, out of its own budget, and hands over with [`Request::Attach`]. A buffer serves one
//! connection or one UDP socket at a time, and is that one's name in every request; when that has ended it serves
//! the next, and nothing is allocated for it.
//!
//! A region of `n` bytes is two pipes ([`channel`](crate::channel), flag `FLAG_PIPE`, 64 frames each): the half
//! from 0 is *up*, which the client writes; the half from `(n / 2) & !63` is *down*, which the net guest writes. The
//! data ring of each is the largest power of two that fits the half. A longest frame is half a data ring. The guest
//! library has it as `userland::channel::Duplex`: the client begins, the net guest joins.
//!
//! | state | who may touch the memory | ends with |
//! |---|---|---|
//! | free | the client: it writes zeros over header, slots and descriptors of both pipes, makes the channels anew and takes its two ends | a request that names the buffer: `Accept`, `Connect` or `Bind` |
//! | asked | the net guest: it takes its two ends before it answers | the answer: an error makes it free, any other one makes it used |
//! | used | both, as the ends of two pipes | the answer to `Close` or `Abort`: it is free |
//!
//! `Close` and `Abort` may be sent in every state, also while another request about the buffer is under way, which
//! then ends with [`Error::Aborted`]; a free buffer stays free. So a client that has cancelled a call, and cannot know
//! whether it was answered meanwhile, sends `Abort` and waits for its answer.
//!
//! # Streams
//! A TCP connection's bytes are what the frames hold, one after the other; where a frame ends means nothing, and one
//! of no bytes is allowed. A pipe that is full is what holds the other side back: down, the receive window closes;
//! up, the client waits until the peer has acknowledged.
//!
//! | what happens | what is seen |
//! |---|---|
//! | the peer ends its direction (FIN) | *down* drains (`DRAINS`) when all is written |
//! | the client ends its direction | it has *up* drain; the net guest sends FIN behind the last byte. *Down* goes on |
//! | the connection is reset, or times out | both pipes are terminated (`TERMINATED`); [`Request::Fate`] says why |
//! | `Close` | what is in *up* is sent, then FIN; what the peer sends is acknowledged and dropped. The answer comes when *up* is empty, or after [`LINGER_MS`] without progress, when the connection is reset |
//! | `Abort` | RST; the answer comes at once |
//! | the client ends, or its end of *up* goes without draining it | as `Abort` |
//!
//! # Datagrams
//! A frame of a UDP socket's buffer is one datagram: [`PEER_BYTES`] of where it goes to or comes from ([`Peer`]), and
//! its payload. What finds no room in *down* is dropped, as networks do, and counted. What the client has no rule
//! for, or what is no frame of a datagram, is dropped and counted too; [`Request::MaySend`] tells beforehand.
//!
//! # What a client may do
//! The net guest's arguments say it, rule by rule, for each door. What no rule allows is [`Error::NotAllowed`].
//!
//! A client that is an administrator, which the arguments say, too, can see the rules of all ([`Request::Rules`]),
//! withdraw one, and restore it. Listening sockets, connections and UDP sockets that no rule allows any more are ended
//! at once: their requests end with [`Error::NotAllowed`], which is also the [`Request::Fate`] of a connection.

mod error;
#[cfg(test)]
mod tests;

use core::net::{IpAddr, SocketAddr};

use heapless::{String, Vec};
use serde::{Deserialize, Serialize};

use crate::{
    describe::constants,
    message::{Name, Text},
};
pub use error::Error;

constants! {
    /// Version of this protocol.
    VERSION: u32 = 1;
    /// Most calls of a client that are under way at once.
    MAX_CALLS: u32 = 256;
    /// Pages of the smallest buffer.
    MIN_BUFFER_PAGES: u32 = 1;
    /// Pages of the largest buffer.
    MAX_BUFFER_PAGES: u32 = 16;
    /// Frames that each pipe of a buffer has room for.
    BUFFER_FRAMES: u32 = 64;
    /// Bytes before the payload of a datagram.
    PEER_BYTES: u32 = 20;
    /// Most bytes of a datagram's payload: of an Ethernet frame of 1500 bytes, less the headers of IPv4 and UDP.
    MAX_DATAGRAM: u32 = 1472;
    /// Most bytes that a ping carries.
    MAX_PING: u32 = 1024;
    /// Milliseconds that a connection which is closed has, without progress, to be rid of its last bytes.
    LINGER_MS: u32 = 10_000;
    /// Longest message of either side, in bytes.
    MAX_MESSAGE: u32 = 2048;
}

/// Most bytes of a name in the domain name system, as text (RFC 1035, 2.3.4).
pub const MAX_NAME: usize = 253;
/// Most addresses that a name is resolved to.
pub const MAX_RESOLVED: usize = 8;
/// Most addresses of the interface.
pub const MAX_ADDRESSES: usize = 8;
/// Most rules in a page of them.
pub const MAX_RULES: usize = 8;
/// Most routers, and most name servers.
pub const MAX_SERVERS: usize = 4;

/// A buffer that the net guest holds: its number among those of this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Buffer(pub u32);

/// A listening TCP socket: its number among those of this client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Listener(pub u32);

/// Where a socket is on this machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Local {
    /// One of the interface's addresses; none for all of them, of both families.
    pub address: Option<IpAddr>,
    /// The port; 0 for one that the net guest chooses, from 49152 up (RFC 6335, 6).
    pub port: u16,
}

/// Which addresses a name is to be resolved to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Family {
    /// Both; those of IPv4 first.
    #[default]
    Any,
    /// IPv4: A records.
    V4,
    /// IPv6: AAAA records.
    V6,
}

/// What a client asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "guests may have no heap to box a variant in"
)]
pub enum Request {
    /// Says which version the client speaks; answered with [`Reply::Welcome`]. The first request of a connection:
    /// any other one before it is refused with [`Error::OtherVersion`].
    Hello {
        /// [`VERSION`].
        version: u32,
    },
    /// Asks how the interface is set up; answered with [`Reply::Status`]: at once, or when it is another one than
    /// the client has `seen`.
    Status {
        /// The [`Status::generation`] that the client knows.
        seen: Option<u32>,
    },
    /// Hands a region over; answered with [`Reply::Attached`].
    Attach {
        /// A share token for it, to read and to write.
        token: [u8; 16],
    },
    /// Has a buffer that is free let go of; answered with [`Reply::Done`].
    Detach {
        /// Which.
        buffer: Buffer,
    },
    /// Listens for TCP connections; answered with [`Reply::Listening`].
    Listen {
        /// Where.
        local: Local,
        /// Connections that may wait to be accepted, from 1; more than [`Limits::backlog`] are as many as that.
        backlog: u16,
    },
    /// Stops listening. Connections that were not accepted are reset, those that were go on; accepts that wait end
    /// with [`Error::Closed`]. Answered with [`Reply::Done`].
    Unlisten {
        /// Which.
        listener: Listener,
    },
    /// Waits for a connection; answered with [`Reply::Connected`]. Those that wait longest are served first.
    Accept {
        /// Where.
        listener: Listener,
        /// A free buffer for it.
        buffer: Buffer,
    },
    /// Connects; answered with [`Reply::Connected`].
    Connect {
        /// Where to.
        peer: SocketAddr,
        /// Where from: mostly any address and port.
        local: Local,
        /// A free buffer for it.
        buffer: Buffer,
    },
    /// Ends a connection or a UDP socket in good order; answered with [`Reply::Done`]. See the module.
    Close {
        /// Whose buffer.
        buffer: Buffer,
    },
    /// Ends a connection or a UDP socket at once; answered with [`Reply::Done`]. See the module.
    Abort {
        /// Whose buffer.
        buffer: Buffer,
    },
    /// Asks why a connection has ended; answered with [`Reply::Fate`].
    Fate {
        /// Whose buffer.
        buffer: Buffer,
    },
    /// Opens a UDP socket; answered with [`Reply::Bound`].
    Bind {
        /// Where.
        local: Local,
        /// A free buffer for it.
        buffer: Buffer,
    },
    /// Asks whether a UDP socket may send there; answered with [`Reply::Done`], or [`Error::NotAllowed`] or
    /// [`Error::Unreachable`]. It may always answer whom it has heard of lately.
    MaySend {
        /// Whose buffer.
        buffer: Buffer,
        /// Where to.
        peer: SocketAddr,
    },
    /// Asks the name servers; answered with [`Reply::Resolved`]. An address as text is answered without them.
    Resolve {
        /// The name, as in `example.org`.
        name: String<MAX_NAME>,
        /// Which addresses.
        family: Family,
    },
    /// Sends an ICMP echo request (RFC 792, RFC 4443), and waits for the reply; answered with [`Reply::Pong`].
    Ping {
        /// Where to.
        address: IpAddr,
        /// Bytes that it carries, at most [`MAX_PING`].
        bytes: u16,
    },
    /// Asks an administrator's question, which rules there are; answered with [`Reply::Rules`].
    Rules {
        /// How many the client knows.
        after: u16,
    },
    /// Withdraws a rule, as an administrator; answered with [`Reply::Done`] when nothing goes on that only it allowed.
    Withdraw {
        /// Whose.
        client: Name,
        /// Its number.
        rule: u16,
    },
    /// Restores a rule that was withdrawn, as an administrator; answered with [`Reply::Done`]. Sockets that listened
    /// when it was withdrawn do so again, if nobody else does there.
    Restore {
        /// Whose.
        client: Name,
        /// Its number.
        rule: u16,
    },
}

/// What the net guest answers.
pub type Answer = Result<Reply, Error>;

/// What the net guest answers, if it does what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(
    clippy::large_enum_variant,
    reason = "guests may have no heap to box a variant in"
)]
pub enum Reply {
    /// It is done.
    Done,
    /// How much the client may have.
    Welcome(Limits),
    /// How the interface is set up.
    Status(Status),
    /// The region is a buffer now, and free.
    Attached(Buffer),
    /// It listens.
    Listening {
        /// What to accept with.
        listener: Listener,
        /// Where; with the port that was chosen.
        local: Local,
    },
    /// The buffer is a connection now.
    Connected {
        /// This end.
        local: SocketAddr,
        /// The other end.
        peer: SocketAddr,
    },
    /// The buffer is a UDP socket now.
    Bound {
        /// Where; with the port that was chosen.
        local: Local,
    },
    /// Why a connection has ended: [`Error::Reset`], [`Error::TimedOut`] or [`Error::Aborted`]; none if it has not,
    /// or in good order.
    Fate(Option<Error>),
    /// The addresses of a name, at least one.
    Resolved(Vec<IpAddr, MAX_RESOLVED>),
    /// There was a reply to a ping.
    Pong {
        /// How long that took, in nanoseconds.
        nanoseconds: u64,
    },
    /// Rules; none is the end.
    Rules(Vec<Rule, MAX_RULES>),
}

/// A rule of the net guest's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// Whose it is.
    pub client: Name,
    /// Its number among that client's, from 1.
    pub number: u16,
    /// What it says, as far as there is room.
    pub text: Text,
    /// Whether it was withdrawn.
    pub is_withdrawn: bool,
}

/// How much a client may have at a time. What is more is refused with an error that says which.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Buffers, and so connections and UDP sockets.
    pub buffers: u16,
    /// Listening sockets.
    pub listeners: u16,
    /// Connections that may wait to be accepted, of one listening socket.
    pub backlog: u16,
}

/// How the interface is set up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// Counts the changes of what is below, `traffic` excepted.
    pub generation: u32,
    /// Whether it has all the addresses that the net guest's arguments ask for.
    pub is_configured: bool,
    /// Whether the device says that its link is up.
    pub has_link: bool,
    /// Its Ethernet address.
    pub mac: [u8; 6],
    /// Most bytes of a packet, from the IP header on.
    pub mtu: u16,
    /// Its addresses, link-local ones included.
    pub addresses: Vec<Subnet, MAX_ADDRESSES>,
    /// The routers that it sends through.
    pub routers: Vec<IpAddr, MAX_SERVERS>,
    /// The name servers that it asks.
    pub name_servers: Vec<IpAddr, MAX_SERVERS>,
    /// What has gone through it so far.
    pub traffic: Traffic,
}

/// An address, and how much of it is the network's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// The address.
    pub address: IpAddr,
    /// Bits of it that all in the network have in common.
    pub prefix: u8,
}

impl core::fmt::Display for Subnet {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// What has gone through the interface since the net guest was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Traffic {
    /// Frames received.
    pub frames_received: u64,
    /// Their bytes.
    pub bytes_received: u64,
    /// Frames sent.
    pub frames_sent: u64,
    /// Their bytes.
    pub bytes_sent: u64,
    /// Datagrams of this client that found no room, that no rule allows or that were none.
    pub datagrams_dropped: u64,
}

/// The first [`PEER_BYTES`] of a datagram's frame: who is at the other end. The port, in little-endian order; the
/// family, 4 or 6; a zero; the address, with zeros behind one of IPv4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer(pub SocketAddr);

impl Peer {
    /// As bytes.
    pub const fn to_bytes(self) -> [u8; PEER_BYTES as usize] {
        let [low, high] = self.0.port().to_le_bytes();
        let a = match self.0.ip() {
            IpAddr::V4(address) => {
                let [a, b, c, d] = address.octets();
                return [
                    low, high, 4, 0, a, b, c, d, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
                ];
            }
            IpAddr::V6(address) => address.octets(),
        };
        [
            low, high, 6, 0, a[0], a[1], a[2], a[3], a[4], a[5], a[6], a[7], a[8], a[9], a[10],
            a[11], a[12], a[13], a[14], a[15],
        ]
    }

    /// Of these bytes; none if they are no such thing.
    pub fn from_bytes(bytes: &[u8; PEER_BYTES as usize]) -> Option<Self> {
        let ([low, high, family, 0], address) = bytes.split_first_chunk()? else {
            return None;
        };
        let address: &[u8; 16] = address.try_into().ok()?;
        let address = match family {
            4 => {
                let (octets, rest) = address.split_first_chunk::<4>()?;
                if rest.iter().any(|byte| *byte != 0) {
                    return None;
                }
                IpAddr::from(*octets)
            }
            6 => IpAddr::from(*address),
            _ => return None,
        };
        let port = u16::from_le_bytes([*low, *high]);
        Some(Self(SocketAddr::new(address, port)))
    }
}

impl Local {
    /// Any address, and this port.
    pub const fn port(port: u16) -> Self {
        Self {
            address: None,
            port,
        }
    }
}

impl From<u16> for Local {
    /// This port of any address.
    fn from(port: u16) -> Self {
        Self::port(port)
    }
}

impl From<SocketAddr> for Local {
    /// An address that is unspecified is any one.
    fn from(at: SocketAddr) -> Self {
        Self {
            address: Some(at.ip()).filter(|address| !address.is_unspecified()),
            port: at.port(),
        }
    }
}

impl core::fmt::Display for Local {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.address {
            Some(address) => SocketAddr::new(address, self.port).fmt(f),
            None => write!(f, "*:{}", self.port),
        }
    }
}
