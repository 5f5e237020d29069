// SPDX-License-Identifier: BSD-2-Clause
//! Addresses, routers and name servers: those of the spec, those that a DHCP server leases, those that routers tell.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr};

use atoll_abi::net::{MAX_SERVERS, Status, Subnet};
use smoltcp::{
    iface::{Interface, SocketHandle, SocketSet},
    socket::dhcpv4,
    wire::{IpCidr, Ipv4Cidr, Ipv6Cidr},
};

use crate::{
    config::{Config, V4, V6},
    stack::is_link_local,
};

pub struct Lease {
    dhcp: Option<SocketHandle>,
    /// Whether addresses of the families are waited for.
    wants_v4: bool,
    wants_v6: bool,
    /// Those of the spec.
    fixed_servers: Vec<IpAddr>,
    leased_servers: Vec<IpAddr>,
    /// Those that are asked.
    servers: Vec<IpAddr>,
    generation: u32,
    /// What there was when it was last looked at.
    known: (Vec<IpCidr>, Option<IpAddr>, Option<IpAddr>),
}

impl Lease {
    /// Whether routers are asked for prefixes.
    pub fn is_automatic(config: &Config) -> bool {
        config.v6 == V6::Auto
    }

    pub fn new(
        config: &Config,
        link_local: Ipv6Cidr,
        interface: &mut Interface,
        sockets: &mut SocketSet<'static>,
    ) -> Self {
        let mut lease = Self {
            dhcp: None,
            wants_v4: config.v4 != V4::Off,
            wants_v6: matches!(config.v6, V6::Static(_)),
            fixed_servers: Vec::new(),
            leased_servers: Vec::new(),
            servers: Vec::new(),
            generation: 0,
            known: Default::default(),
        };
        if config.v4 == V4::Dhcp {
            lease.dhcp = Some(sockets.add(dhcpv4::Socket::new()));
        }
        for fixed in [
            match &config.v4 {
                V4::Static(fixed) => Some(&fixed.name_servers),
                _ => None,
            },
            match &config.v6 {
                V6::Static(fixed) => Some(&fixed.name_servers),
                _ => None,
            },
        ] {
            lease.fixed_servers.extend(fixed.into_iter().flatten());
        }
        lease.begin(config, link_local, interface);
        lease
    }

    /// Gives an interface, which has no address yet, those of the spec.
    pub fn begin(&mut self, config: &Config, link_local: Ipv6Cidr, interface: &mut Interface) {
        self.leased_servers.clear();
        let mut addresses: Vec<IpCidr> = Vec::new();
        if let V4::Static(fixed) = &config.v4 {
            addresses.push(Ipv4Cidr::new(fixed.address, fixed.prefix).into());
            if let Some(router) = fixed.router {
                // There is room: nothing else was added.
                let _ = interface.routes_mut().add_default_ipv4_route(router);
            }
        }
        if config.v6 != V6::Off {
            addresses.push(link_local.into());
        }
        if let V6::Static(fixed) = &config.v6 {
            addresses.push(Ipv6Cidr::new(fixed.address, fixed.prefix).into());
            if let Some(router) = fixed.router {
                let _ = interface.routes_mut().add_default_ipv6_route(router);
            }
        }
        interface.update_ip_addrs(|all| {
            // Three at most.
            let _ = all.extend_from_slice(&addresses);
        });
    }

    /// Asks for a lease at once, and not when it would be time for that.
    pub fn ask_anew(&self, sockets: &mut SocketSet<'static>) {
        if let Some(dhcp) = self.dhcp {
            sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).reset();
        }
    }

    /// Takes what DHCP has come to; answers whether anything of all this has changed.
    pub fn update(&mut self, interface: &mut Interface, sockets: &mut SocketSet<'static>) -> bool {
        let event = self
            .dhcp
            .and_then(|dhcp| sockets.get_mut::<dhcpv4::Socket<'_>>(dhcp).poll());
        match event {
            Some(dhcpv4::Event::Configured(config)) => {
                let (address, router) = (config.address, config.router);
                let servers = config.dns_servers.iter().copied().map(IpAddr::V4);
                self.leased_servers = servers.filter(is_servers).collect();
                let router = router.filter(|router| is_servers(&IpAddr::V4(*router)));
                set_leased(interface, Some(address), router);
            }
            Some(dhcpv4::Event::Deconfigured) => {
                self.leased_servers.clear();
                set_leased(interface, None, None);
            }
            None => {}
        }
        let now_known = look(interface);
        let servers = self.fixed_servers.iter().chain(&self.leased_servers);
        let is_same =
            self.known == now_known && self.servers.iter().eq(servers.clone().take(MAX_SERVERS));
        // The first look counts, too.
        if is_same && self.generation != 0 {
            return false;
        }
        self.servers = servers.take(MAX_SERVERS).copied().collect();
        self.known = now_known;
        self.count_change();
        true
    }

    /// What a client sees is another than before.
    pub fn count_change(&mut self) {
        self.generation = self.generation.wrapping_add(1).max(1);
    }

    pub const fn generation(&self) -> u32 {
        self.generation
    }

    pub fn name_servers(&self) -> &[IpAddr] {
        &self.servers
    }

    /// Whether there are all addresses that the arguments ask for. Of what routers tell, there may be none.
    pub fn is_configured(&self, interface: &Interface) -> bool {
        let has = |is_it: fn(&IpCidr) -> bool| interface.ip_addrs().iter().any(is_it);
        (!self.wants_v4 || has(|cidr| matches!(cidr, IpCidr::Ipv4(_))))
            && (!self.wants_v6
                || has(|cidr| matches!(cidr, IpCidr::Ipv6(cidr) if !is_link_local(cidr.address()))))
    }

    pub fn describe(&self, interface: &Interface, status: &mut Status) {
        for cidr in interface.ip_addrs() {
            let subnet = Subnet {
                address: cidr.address().into(),
                prefix: cidr.prefix_len(),
            };
            // As many as the interface can have, and as many servers as are kept.
            let _ = status.addresses.push(subnet);
        }
        let (_, v4, v6) = look(interface);
        for router in [v4, v6].into_iter().flatten() {
            let _ = status.routers.push(router);
        }
        for server in &self.servers {
            let _ = status.name_servers.push(*server);
        }
    }
}

/// What can change.
fn look(interface: &Interface) -> (Vec<IpCidr>, Option<IpAddr>, Option<IpAddr>) {
    let routes = interface.routes();
    let v4 = routes.get_default_ipv4_route();
    let v6 = routes.get_default_ipv6_route();
    (
        interface.ip_addrs().to_vec(),
        v4.map(|route| route.via_router.into()),
        v6.map(|route| route.via_router.into()),
    )
}

/// Whether a server or router can have this address: a DHCP server says what it likes.
fn is_servers(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(it) => !(it.is_unspecified() || it.is_multicast() || it.is_broadcast()),
        IpAddr::V6(it) => !(it.is_unspecified() || it.is_multicast()),
    }
}

/// Puts a leased address in the place of the one before.
fn set_leased(interface: &mut Interface, address: Option<Ipv4Cidr>, router: Option<Ipv4Addr>) {
    // One that no host can have is as good as none.
    let address = address.filter(|cidr| is_servers(&IpAddr::V4(cidr.address())));
    let current = interface.ip_addrs().iter().find_map(|cidr| match cidr {
        IpCidr::Ipv4(cidr) => Some(*cidr),
        IpCidr::Ipv6(_) => None,
    });
    // A lease that is renewed changes nothing, and must not make the interface forget its neighbours.
    if current != address {
        interface.update_ip_addrs(|all| {
            all.retain(|cidr| !matches!(cidr, IpCidr::Ipv4(_)));
            if let Some(address) = address {
                // In front, where the log and clients look first. Not if there is no room.
                let _ = all.insert(0, address.into());
            }
        });
    }
    let routes = interface.routes_mut();
    match router.filter(|_| address.is_some()) {
        Some(router) => {
            // It takes the place of the one before.
            let _ = routes.add_default_ipv4_route(router);
        }
        None => {
            routes.remove_default_ipv4_route();
        }
    }
}
