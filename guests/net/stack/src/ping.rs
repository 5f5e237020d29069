// SPDX-License-Identifier: BSD-2-Clause
//! ICMP echo (RFC 792, RFC 4443): all pings go out through one socket, and their sequence numbers tell them apart.

use alloc::{collections::BTreeMap, vec, vec::Vec};
use core::{
    net::IpAddr,
    task::{Poll, Waker},
};

use atoll_abi::net::{Error, MAX_PING};
use smoltcp::{
    iface::{SocketHandle, SocketSet},
    phy::ChecksumCapabilities,
    socket::icmp,
    time::{Duration, Instant},
    wire::{Icmpv4Packet, Icmpv4Repr, Icmpv6Packet, Icmpv6Repr},
};

use crate::{Stack, wakers::Wakers};

/// A ping that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PingId(u16);

/// Pings at a time.
const MOST: usize = 64;
/// How long a reply may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes before the payload.
const HEADER: usize = 8;

struct Ping {
    to: IpAddr,
    since: Instant,
    bytes: usize,
    took: Option<Duration>,
    wakers: Wakers,
}

pub struct Pings {
    socket: SocketHandle,
    identifier: u16,
    next: u16,
    pings: BTreeMap<u16, Ping>,
}

impl Pings {
    pub fn new(sockets: &mut SocketSet<'static>, seed: u64) -> Self {
        let buffer = || {
            let metadata = vec![icmp::PacketMetadata::EMPTY; 16];
            icmp::PacketBuffer::new(metadata, vec![0; 16 << 10])
        };
        let mut socket = icmp::Socket::new(buffer(), buffer());
        let identifier = (seed as u16).max(1);
        // A socket that was not bound before, and not to 0.
        let _ = socket.bind(icmp::Endpoint::Ident(identifier));
        Self {
            socket: sockets.add(socket),
            identifier,
            next: (seed >> 16) as u16,
            pings: BTreeMap::new(),
        }
    }

    /// When the first of them has waited for too long.
    pub fn expires_at(&self) -> Option<Instant> {
        let open = self.pings.values().filter(|ping| ping.took.is_none());
        open.map(|ping| ping.since + PATIENCE).min()
    }

    /// Takes what has come, and wakes those that it concerns.
    pub fn take_replies(&mut self, sockets: &mut SocketSet<'static>, now: Instant) {
        if self.pings.is_empty() {
            return;
        }
        let socket = sockets.get_mut::<icmp::Socket<'_>>(self.socket);
        let caps = ChecksumCapabilities::ignored();
        while let Ok((packet, from)) = socket.recv() {
            // The stack has checked sums and lengths. An error message about a ping is no reply.
            let reply = match IpAddr::from(from) {
                IpAddr::V4(_) => match Icmpv4Packet::new_checked(packet)
                    .and_then(|packet| Icmpv4Repr::parse(&packet, &caps))
                {
                    Ok(Icmpv4Repr::EchoReply { seq_no, data, .. }) => Some((seq_no, data.len())),
                    _ => None,
                },
                IpAddr::V6(from) => match Icmpv6Packet::new_checked(packet)
                    .and_then(|packet| Icmpv6Repr::parse(&from, &from, &packet, &caps))
                {
                    Ok(Icmpv6Repr::EchoReply { seq_no, data, .. }) => Some((seq_no, data.len())),
                    _ => None,
                },
            };
            let Some((number, len)) = reply else {
                continue;
            };
            if let Some(ping) = self.pings.get_mut(&number)
                && ping.to == IpAddr::from(from)
                && ping.bytes == len
                && ping.took.is_none()
            {
                ping.took = Some(now - ping.since);
                ping.wakers.wake();
            }
        }
        for ping in self.pings.values_mut() {
            if ping.took.is_none() && now >= ping.since + PATIENCE {
                ping.wakers.wake();
            }
        }
    }
}

impl Stack {
    /// Sends an echo request that carries so many bytes.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::NotConfigured`], [`Error::InvalidArgument`] for more than
    /// [`MAX_PING`] bytes or an address of many, [`Error::TooManySockets`].
    pub fn ping(&mut self, to: IpAddr, bytes: u16) -> Result<PingId, Error> {
        if u32::from(bytes) > MAX_PING || to.is_multicast() {
            return Err(Error::InvalidArgument);
        }
        self.check_route(to)?;
        let pings = &mut self.pings;
        if pings.pings.len() >= MOST {
            return Err(Error::TooManySockets);
        }
        while pings.pings.contains_key(&pings.next) {
            pings.next = pings.next.wrapping_add(1);
        }
        let (ident, seq_no) = (pings.identifier, pings.next);
        pings.next = seq_no.wrapping_add(1);
        let payload: Vec<u8> = (0..bytes).map(|at| at as u8).collect();
        let socket = self.sockets.get_mut::<icmp::Socket<'_>>(pings.socket);
        let packet = socket
            .send(HEADER + payload.len(), to.into())
            .map_err(|_| Error::TooManySockets)?;
        // The sum is the stack's to fill in, where it knows the addresses.
        let caps = ChecksumCapabilities::ignored();
        let data = &payload;
        match to {
            IpAddr::V4(_) => Icmpv4Repr::EchoRequest {
                ident,
                seq_no,
                data,
            }
            .emit(&mut Icmpv4Packet::new_unchecked(packet), &caps),
            IpAddr::V6(to) => Icmpv6Repr::EchoRequest {
                ident,
                seq_no,
                data,
            }
            .emit(&to, &to, &mut Icmpv6Packet::new_unchecked(packet), &caps),
        }
        let ping = Ping {
            to,
            since: self.now,
            bytes: payload.len(),
            took: None,
            wakers: Wakers::default(),
        };
        pings.pings.insert(seq_no, ping);
        self.is_dirty = true;
        Ok(PingId(seq_no))
    }

    /// How long the reply took; the ping is forgotten then. The task is woken when there may be one.
    ///
    /// # Errors
    /// [`Error::TimedOut`].
    pub fn poll_ping(&mut self, id: PingId, waker: &Waker) -> Poll<Result<Duration, Error>> {
        let Some(ping) = self.pings.pings.get_mut(&id.0) else {
            return Poll::Ready(Err(Error::Aborted));
        };
        let result = match ping.took {
            Some(took) => Ok(took),
            None if self.now >= ping.since + PATIENCE => Err(Error::TimedOut),
            None => {
                ping.wakers.register(waker);
                return Poll::Pending;
            }
        };
        self.pings.pings.remove(&id.0);
        Poll::Ready(result)
    }

    /// Forgets a ping.
    pub fn cancel_ping(&mut self, id: PingId) {
        self.pings.pings.remove(&id.0);
    }
}
