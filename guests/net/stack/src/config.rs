// SPDX-License-Identifier: BSD-2-Clause
//! What the arguments of the net guest say.
//!
//! ```
//! use net_stack::config::{Config, V4};
//!
//! let config = Config::parse(["ipv4=dhcp", "http=tcp listen *:80", "http.limits=buffers 16"]).unwrap();
//! assert_eq!(config.v4, V4::Dhcp);
//! assert_eq!(config.clients[0].name, "http");
//! assert_eq!(config.clients[0].limits.buffers, 16);
//! ```
//!
//! | argument | says |
//! |---|---|
//! | `ipv4=dhcp` | address, router and name servers by DHCP: so it is if nothing is said |
//! | `ipv4=10.0.2.15/24 via 10.0.2.2 dns 10.0.2.3` | these; `via` and `dns` may be left out, and `dns` be said again |
//! | `ipv6=auto` | an address with each prefix that a router tells of (RFC 4862): so it is if nothing is said |
//! | `ipv6=fec0::15/64 via fec0::2 dns fec0::3` | as for IPv4; the link-local address is there in any case |
//! | `ipv4=off`, `ipv6=off` | none of this family |
//! | `sockets=N` | TCP connections at a time, of all clients, 256 if nothing is said: each takes 128 KiB of memory |
//! | `NAME=RULES` | a client: who holds the region in the slot of this name, and what it may do: [`policy`](crate::policy) |
//! | `NAME.limits=buffers N, listeners N, backlog N` | what it may have at a time |

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use atoll_abi::net::{Limits, MAX_SERVERS};

use crate::policy::{BadRule, Rules};

/// What a client may have if nothing is said.
pub const DEFAULT_LIMITS: Limits = Limits {
    buffers: 64,
    listeners: 8,
    backlog: 16,
};

/// What a client may have at most.
const MOST: Limits = Limits {
    buffers: 1024,
    listeners: 64,
    backlog: 128,
};

/// TCP connections of all clients if nothing is said, and at most.
const SOCKETS: (u16, u16) = (256, 4096);

/// How addresses of IPv4 are come by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum V4 {
    /// DHCP (RFC 2131).
    #[default]
    Dhcp,
    /// As the spec says.
    Static(Static<Ipv4Addr>),
    /// There are none.
    Off,
}

/// How addresses of IPv6 are come by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum V6 {
    /// Routers tell prefixes (RFC 4862).
    #[default]
    Auto,
    /// As the spec says.
    Static(Static<Ipv6Addr>),
    /// There are none.
    Off,
}

/// An address that the spec says, and what belongs to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Static<A> {
    /// The address.
    pub address: A,
    /// Bits of it that all in the network have in common.
    pub prefix: u8,
    /// The router.
    pub router: Option<A>,
    /// Name servers.
    pub name_servers: Vec<IpAddr>,
}

/// A client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Client {
    /// The slot that its door is in.
    pub name: String,
    /// What it may do.
    pub rules: Rules,
    /// What it may have at a time.
    pub limits: Limits,
}

/// What the arguments say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// Addresses of IPv4.
    pub v4: V4,
    /// Addresses of IPv6.
    pub v6: V6,
    /// TCP connections at a time.
    pub sockets: u16,
    /// Who may do what.
    pub clients: Vec<Client>,
}

/// An argument that says nothing sensible.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadArgument {
    /// The argument.
    pub argument: String,
    /// What is wrong with it.
    pub why: Why,
}

/// What is wrong with an argument.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is not `key=value`.
    NoValue,
    /// It does not say how addresses are come by.
    Address,
    /// It is no number, or one that is too large.
    Number,
    /// It does not say limits.
    Limits,
    /// There are limits of a client that has no rules.
    NoClient,
    /// It says what another one says.
    Twice,
    /// One of its rules is none.
    Rule(BadRule),
}

impl fmt::Display for BadArgument {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "argument `{}`: ", self.argument)?;
        match &self.why {
            Why::NoValue => f.write_str("write `key=value`"),
            Why::Address => f.write_str(
                "write `dhcp` (ipv4), `auto` (ipv6), `off`, or `ADDRESS/PREFIX via ROUTER dns SERVER` with addresses of \
                 this family that hosts can have",
            ),
            Why::Number => write!(f, "write a number from 1 to {}", SOCKETS.1),
            Why::Limits => write!(
                f,
                "write `buffers N, listeners N, backlog N` with numbers up to {}, {} and {}",
                MOST.buffers, MOST.listeners, MOST.backlog
            ),
            Why::NoClient => f.write_str("no argument says what this client may do"),
            Why::Twice => f.write_str("another argument says that already"),
            Why::Rule(rule) => rule.fmt(f),
        }
    }
}

impl core::error::Error for BadArgument {}

/// An address that a host can have.
trait Address: Copy + core::str::FromStr + Into<IpAddr> {
    const BITS: u8;

    fn is_hosts(self) -> bool;
}

impl Address for Ipv4Addr {
    const BITS: u8 = 32;

    fn is_hosts(self) -> bool {
        !(self.is_unspecified() || self.is_multicast() || self.is_broadcast() || self.is_loopback())
    }
}

impl Address for Ipv6Addr {
    const BITS: u8 = 128;

    fn is_hosts(self) -> bool {
        !(self.is_unspecified() || self.is_multicast() || self.is_loopback())
    }
}

fn parse_static<A: Address>(text: &str) -> Option<Static<A>> {
    let mut words = text.split_whitespace();
    let (address, prefix) = words.next()?.split_once('/')?;
    let host = |text: &str| text.parse::<A>().ok().filter(|address| address.is_hosts());
    let mut found = Static {
        address: host(address)?,
        prefix: prefix.parse().ok().filter(|bits| *bits <= A::BITS)?,
        router: None,
        name_servers: Vec::new(),
    };
    while let Some(word) = words.next() {
        let value = words.next()?;
        match word {
            "via" if found.router.is_none() => found.router = Some(host(value)?),
            "dns" if found.name_servers.len() < MAX_SERVERS => {
                found.name_servers.push(host(value)?.into());
            }
            _ => return None,
        }
    }
    Some(found)
}

fn parse_limits(text: &str) -> Option<Limits> {
    let mut limits = DEFAULT_LIMITS;
    for part in text.split(',') {
        let (what, number) = part.trim().split_once(' ')?;
        let (limit, most) = match what {
            "buffers" => (&mut limits.buffers, MOST.buffers),
            "listeners" => (&mut limits.listeners, MOST.listeners),
            "backlog" => (&mut limits.backlog, MOST.backlog),
            _ => return None,
        };
        *limit = number
            .trim()
            .parse()
            .ok()
            .filter(|n| (1..=most).contains(n))?;
    }
    Some(limits)
}

impl Config {
    /// Reads the arguments.
    ///
    /// # Errors
    /// [`BadArgument`], the first one.
    pub fn parse<'a>(args: impl IntoIterator<Item = &'a str>) -> Result<Self, BadArgument> {
        let (mut v4, mut v6, mut sockets) = (None, None, None);
        let mut clients: Vec<Client> = Vec::new();
        let mut limits: Vec<(&str, &str, Limits)> = Vec::new();
        for argument in args {
            let bad = |why| BadArgument {
                argument: argument.to_owned(),
                why,
            };
            let (key, value) = argument.split_once('=').ok_or_else(|| bad(Why::NoValue))?;
            let (key, value) = (key.trim(), value.trim());
            let is_again = match key {
                "ipv4" => {
                    let says = match value {
                        "dhcp" => V4::Dhcp,
                        "off" => V4::Off,
                        _ => V4::Static(parse_static(value).ok_or_else(|| bad(Why::Address))?),
                    };
                    v4.replace(says).is_some()
                }
                "ipv6" => {
                    let says = match value {
                        "auto" => V6::Auto,
                        "off" => V6::Off,
                        _ => V6::Static(parse_static(value).ok_or_else(|| bad(Why::Address))?),
                    };
                    v6.replace(says).is_some()
                }
                "sockets" => {
                    let number = value.parse().ok().filter(|n| (1..=SOCKETS.1).contains(n));
                    sockets
                        .replace(number.ok_or_else(|| bad(Why::Number))?)
                        .is_some()
                }
                _ => match key.strip_suffix(".limits") {
                    Some(name) => {
                        let says = parse_limits(value).ok_or_else(|| bad(Why::Limits))?;
                        let is_again = limits.iter().any(|(other, ..)| *other == name);
                        limits.push((name, argument, says));
                        is_again
                    }
                    None => {
                        let is_again = clients.iter().any(|client| client.name == key);
                        clients.push(Client {
                            name: key.to_owned(),
                            rules: Rules::parse(value).map_err(|rule| bad(Why::Rule(rule)))?,
                            limits: DEFAULT_LIMITS,
                        });
                        is_again
                    }
                },
            };
            if is_again {
                return Err(bad(Why::Twice));
            }
        }
        for (name, argument, says) in limits {
            let client = clients.iter_mut().find(|client| client.name == name);
            client
                .ok_or_else(|| BadArgument {
                    argument: argument.to_owned(),
                    why: Why::NoClient,
                })?
                .limits = says;
        }
        Ok(Self {
            v4: v4.unwrap_or_default(),
            v6: v6.unwrap_or_default(),
            sockets: sockets.unwrap_or(SOCKETS.0),
            clients,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Action;
    use proptest::prelude::*;
    use std::string::ToString;

    #[test]
    fn as_in_the_spec() {
        let config = Config::parse([
            "ipv4=10.0.2.15/24 via 10.0.2.2 dns 10.0.2.3 dns 10.0.2.4",
            "ipv6=fec0::15/64 via fec0::2",
            "echo=udp bind *:7, tcp listen *:7",
            "echo.limits=backlog 2, buffers 3",
            "sockets=10",
            "ping=icmp *",
        ])
        .unwrap();
        let V4::Static(v4) = &config.v4 else {
            panic!("{config:?}");
        };
        assert_eq!((v4.address, v4.prefix), (Ipv4Addr::new(10, 0, 2, 15), 24));
        assert_eq!(v4.router, Some(Ipv4Addr::new(10, 0, 2, 2)));
        assert_eq!(v4.name_servers.len(), 2);
        assert!(matches!(config.v6, V6::Static(Static { prefix: 64, .. })));
        assert_eq!(config.sockets, 10);
        assert_eq!(config.clients.len(), 2);
        let echo = &config.clients[0];
        assert_eq!((echo.limits.backlog, echo.limits.buffers), (2, 3));
        assert_eq!(echo.limits.listeners, DEFAULT_LIMITS.listeners);
        assert!(echo.rules.allow(&Action::TcpListen(None, 7)).is_ok());
        assert_eq!(config.clients[1].limits, DEFAULT_LIMITS);
    }

    #[test]
    fn without_arguments() {
        let config = Config::parse([]).unwrap();
        assert_eq!((config.v4, config.v6), (V4::Dhcp, V6::Auto));
        assert!(config.clients.is_empty());
        assert_eq!(config.sockets, 256);
    }

    #[test]
    fn what_is_refused() {
        let address = Why::Address;
        for (args, why) in [
            (&["ipv4"][..], Why::NoValue),
            (&["ipv4=10.0.2.15"], address.clone()),
            (&["ipv4=10.0.2.15/33"], address.clone()),
            (&["ipv4=fec0::1/64"], address.clone()),
            (&["ipv4=224.0.0.1/24"], address.clone()),
            (&["ipv4=10.0.2.15/24 via"], address.clone()),
            (
                &["ipv4=10.0.2.15/24 via 10.0.2.2 via 10.0.2.2"],
                address.clone(),
            ),
            (&["ipv4=auto"], address.clone()),
            (&["ipv6=dhcp"], address.clone()),
            (&["ipv6=ff02::1/64"], address),
            (&["ipv4=dhcp", "ipv4=dhcp"], Why::Twice),
            (&["a=dns", "a=dns"], Why::Twice),
            (&["sockets=0"], Why::Number),
            (&["sockets=many"], Why::Number),
            (&["a=dns", "a.limits=buffers 0"], Why::Limits),
            (&["a=dns", "a.limits=doors 1"], Why::Limits),
            (&["a.limits=buffers 1"], Why::NoClient),
        ] {
            let error = Config::parse(args.iter().copied()).unwrap_err();
            assert_eq!(error.why, why, "{args:?}");
            assert_eq!(Some(&error.argument.as_str()), args.last());
        }
        let error = Config::parse(["a=dn"]).unwrap_err();
        assert!(error.to_string().contains("`a=dn`"), "{error}");
        assert!(matches!(error.why, Why::Rule(_)));
    }

    proptest! {
        #[test]
        fn any_text_is_arguments_or_not(args in prop::collection::vec("[a-z46=.:*/ 0-9,]{0,30}", 0..4)) {
            let _ = Config::parse(args.iter().map(String::as_str));
        }
    }
}
