// SPDX-License-Identifier: BSD-2-Clause
//! The interface, and one round of work.

use core::{
    net::{IpAddr, Ipv6Addr},
    task::Waker,
};

use atoll_abi::net::{Error, Status, Traffic};
use smoltcp::{
    iface::{self, Interface, PollIngressSingleResult, PollResult, SocketSet},
    phy::Device,
    time::Instant,
    wire::{EthernetAddress, HardwareAddress, IpCidr, Ipv6Cidr},
};

use crate::{
    config::Config, lease::Lease, ping::Pings, policy::in_prefix, ports::Ports, resolve::Resolver,
    tcp::Tcp, udp::Udp, wakers::Wakers,
};

/// Frames that are received before those who wait have their turn.
pub const FRAMES_PER_ROUND: usize = 64;

/// Rounds of sending, in each of which every socket sends a packet: what is left then waits for the next call.
const SENDING_ROUNDS: usize = 64;

/// What the stack has, besides what is in [`Status`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counts {
    /// TCP sockets: connections, those that wait to be accepted, those that listen, and those that are ending.
    pub tcp: usize,
    /// UDP sockets.
    pub udp: usize,
}

/// A network stack.
pub struct Stack {
    pub(crate) interface: Interface,
    pub(crate) sockets: SocketSet<'static>,
    pub(crate) tcp: Tcp,
    pub(crate) udp: Udp,
    pub(crate) pings: Pings,
    pub(crate) resolver: Resolver,
    pub(crate) ports: Ports,
    pub(crate) now: Instant,
    lease: Lease,
    config: Config,
    seed: u64,
    mac: [u8; 6],
    has_link: bool,
    status_wakers: Wakers,
    /// Something was changed since the last round, which may have to be sent.
    pub(crate) is_dirty: bool,
}

impl Stack {
    /// A stack for a device with this address. The seed makes sequence numbers and ports hard to guess.
    pub fn new(
        config: &Config,
        device: &mut impl Device,
        mac: [u8; 6],
        seed: u64,
        now: Instant,
    ) -> Self {
        let mut interface = interface(config, device, mac, seed, now);
        let mut sockets = SocketSet::new(alloc::vec::Vec::new());
        let resolver = Resolver::new(&mut sockets);
        let pings = Pings::new(&mut sockets, seed);
        let lease = Lease::new(config, link_local(mac), &mut interface, &mut sockets);
        let mut stack = Self {
            interface,
            sockets,
            tcp: Tcp::new(config.sockets.into()),
            udp: Udp::new(),
            pings,
            resolver,
            ports: Ports::new(seed.rotate_left(32)),
            now,
            lease,
            config: config.clone(),
            seed,
            mac,
            has_link: true,
            status_wakers: Wakers::default(),
            is_dirty: true,
        };
        stack.update_lease();
        stack
    }

    /// Goes on with a device that has this address: the one that was there, or another one. Sockets stay.
    #[inline(never)]
    pub fn set_device(&mut self, device: &mut impl Device, mac: [u8; 6], now: Instant) {
        if self.mac != mac {
            self.mac = mac;
            self.interface = interface(&self.config, device, mac, self.seed, now);
            self.lease
                .begin(&self.config, link_local(mac), &mut self.interface);
        }
        if !self.lease.is_configured(&self.interface) {
            self.lease.ask_anew(&mut self.sockets);
        }
        self.update_lease();
        self.is_dirty = true;
    }

    /// Says what time it is: what is begun before the next round counts from here.
    pub fn time_is(&mut self, now: Instant) {
        self.now = now.max(self.now);
    }

    /// One round: receives what is there, up to [`FRAMES_PER_ROUND`], lets time pass, and sends. Answers whether
    /// there may be more to receive.
    pub fn poll(&mut self, now: Instant, device: &mut impl Device) -> bool {
        self.now = now;
        self.is_dirty = false;
        self.interface.poll_maintenance(now);
        let more = self.receive(now, device);
        self.tcp.note_resets(&self.sockets);
        self.update_lease();
        self.pings.take_replies(&mut self.sockets, now);
        self.tcp.discard_for_nobody(&mut self.sockets);
        self.send(now, device);
        self.tcp.note_timeouts(&mut self.sockets, now);
        more
    }

    fn receive(&mut self, now: Instant, device: &mut impl Device) -> bool {
        for _ in 0..FRAMES_PER_ROUND {
            let Self {
                interface, sockets, ..
            } = self;
            match interface.poll_ingress_single(now, device, sockets) {
                PollIngressSingleResult::None => return false,
                PollIngressSingleResult::PacketProcessed => {}
                // The next frame may be for a listening socket whose place this one has taken.
                PollIngressSingleResult::SocketStateChanged => self.tcp.refill(sockets),
            }
        }
        true
    }

    fn send(&mut self, now: Instant, device: &mut impl Device) {
        let Self {
            interface, sockets, ..
        } = self;
        for _ in 0..SENDING_ROUNDS {
            if interface.poll_egress(now, device, sockets) == PollResult::None {
                return;
            }
        }
    }

    /// When there is something to do though nothing comes; none: never.
    pub fn poll_at(&mut self, now: Instant) -> Option<Instant> {
        if self.is_dirty {
            return Some(now);
        }
        let stack = self.interface.poll_at(now, &self.sockets);
        let tcp = self.tcp.sweep_at();
        let ping = self.pings.expires_at();
        [stack, tcp, ping].into_iter().flatten().min()
    }

    /// How the interface is set up. What has gone through it, the device knows.
    pub fn status(&self) -> Status {
        let mut status = Status {
            generation: self.lease.generation(),
            is_configured: self.lease.is_configured(&self.interface),
            has_link: self.has_link,
            mac: self.mac,
            mtu: 1500,
            addresses: heapless::Vec::new(),
            routers: heapless::Vec::new(),
            name_servers: heapless::Vec::new(),
            traffic: Traffic::default(),
        };
        self.lease.describe(&self.interface, &mut status);
        status
    }

    /// Takes note of whether the link is up.
    pub fn set_link(&mut self, is_up: bool) {
        if self.has_link != is_up {
            self.has_link = is_up;
            self.lease.count_change();
            self.status_wakers.wake();
        }
    }

    /// Has a task woken when the status is another one.
    pub fn register_for_status(&mut self, waker: &Waker) {
        self.status_wakers.register(waker);
    }

    /// Whether something was changed since the last round, which a round may send.
    pub const fn is_dirty(&self) -> bool {
        self.is_dirty
    }

    /// What there is.
    pub fn counts(&self) -> Counts {
        Counts {
            tcp: self.tcp.len(),
            udp: self.udp.len(),
        }
    }

    fn update_lease(&mut self) {
        let Self {
            lease,
            interface,
            sockets,
            resolver,
            ..
        } = self;
        if lease.update(interface, sockets) {
            resolver.ask(sockets, lease.name_servers());
            self.status_wakers.wake();
            self.is_dirty = true;
        }
    }

    /// Whether packets can go there.
    pub(crate) fn check_route(&self, to: IpAddr) -> Result<(), Error> {
        let is_unicast = match to {
            IpAddr::V4(to) => !(to.is_unspecified() || to.is_loopback() || to.octets()[0] == 0),
            IpAddr::V6(to) => !(to.is_unspecified() || to.is_loopback()),
        };
        if !is_unicast {
            return Err(Error::Unreachable);
        }
        let of_family = |cidr: &&IpCidr| match to {
            IpAddr::V4(_) => matches!(cidr, IpCidr::Ipv4(_)),
            // From a link-local address only the link can be reached.
            IpAddr::V6(to) => match cidr {
                IpCidr::Ipv6(cidr) => {
                    to.is_multicast() || is_link_local(to) || !is_link_local(cidr.address())
                }
                IpCidr::Ipv4(_) => false,
            },
        };
        let addresses = self.interface.ip_addrs();
        let mut own = addresses.iter().filter(of_family).peekable();
        if own.peek().is_none() {
            return Err(if self.lease.is_configured(&self.interface) {
                Error::Unreachable
            } else {
                Error::NotConfigured
            });
        }
        // To itself it sends nothing: the stack has no loopback.
        if self.has_address(to) {
            return Err(Error::Unreachable);
        }
        let is_near = own.any(|cidr| in_prefix(cidr.address().into(), cidr.prefix_len(), to));
        let routes = self.interface.routes();
        let has_router = match to {
            IpAddr::V4(to) => to.is_broadcast() || routes.get_default_ipv4_route().is_some(),
            IpAddr::V6(to) => {
                to.is_multicast() || is_link_local(to) || routes.get_default_ipv6_route().is_some()
            }
        };
        if is_near || has_router {
            Ok(())
        } else {
            Err(Error::Unreachable)
        }
    }

    /// Whether this is one of the interface's addresses.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        self.interface.has_ip_addr(address)
    }

    /// Whether a socket can be there: on all addresses, or on one that there is.
    pub(crate) fn check_local(&self, address: Option<IpAddr>) -> Result<(), Error> {
        match address {
            Some(address) if !self.has_address(address) => Err(Error::AddressNotAvailable),
            _ => Ok(()),
        }
    }
}

/// An interface for a device with this address.
#[inline(never)]
fn interface(
    config: &Config,
    device: &mut impl Device,
    mac: [u8; 6],
    seed: u64,
    now: Instant,
) -> Interface {
    let hardware = HardwareAddress::Ethernet(EthernetAddress(mac));
    let mut options = iface::Config::new(hardware);
    options.random_seed = seed;
    options.slaac = Lease::is_automatic(config);
    Interface::new(options, device, now)
}

/// Whether it is of use on the link alone (RFC 4291, 2.5.6).
pub(crate) const fn is_link_local(address: Ipv6Addr) -> bool {
    address.segments()[0] & 0xffc0 == 0xfe80
}

/// The link-local address that goes with an Ethernet address (RFC 4291, appendix A).
fn link_local(mac: [u8; 6]) -> Ipv6Cidr {
    let [a, b, c, d, e, f] = mac;
    let bytes = [
        0xfe,
        0x80,
        0,
        0,
        0,
        0,
        0,
        0,
        a ^ 2,
        b,
        c,
        0xff,
        0xfe,
        d,
        e,
        f,
    ];
    Ipv6Cidr::new(Ipv6Addr::from(bytes), 64)
}

/// Whether two places of sockets have an address in common.
pub(crate) fn overlap(a: Option<IpAddr>, b: Option<IpAddr>) -> bool {
    a.is_none() || b.is_none() || a == b
}
