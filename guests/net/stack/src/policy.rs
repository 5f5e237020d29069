// SPDX-License-Identifier: BSD-2-Clause
//! What a client may do: rules by protocol, address and port.
//!
//! ```
//! use net_stack::policy::{Action, Rules};
//!
//! let rules = Rules::parse("tcp listen *:80, udp send 10.0.2.0/24:53, dns *.example.org").unwrap();
//! assert!(rules.allow(&Action::TcpListen(None, 80)).is_ok());
//! let missing = rules.allow(&Action::TcpListen(None, 81)).unwrap_err();
//! assert_eq!(missing.to_string(), "tcp listen *:81");
//! ```
//!
//! | rule | allows |
//! |---|---|
//! | `tcp listen AT` | to listen on these addresses and ports |
//! | `tcp connect AT` | to connect to these |
//! | `udp bind AT` | a socket on these; it may answer whom it hears of |
//! | `udp send AT` | a socket, on a port that the net guest chooses, that sends to these |
//! | `icmp HOSTS` | to ping these |
//! | `dns`, `dns NAME` | to resolve any name; this one; or with `*.`, all below it |
//! | `admin` | to see the rules of all clients, to withdraw and to restore them: never more than there were |
//!
//! `AT` is `HOSTS:PORTS`; `HOSTS` is `*`, an address or a prefix as in `10.0.0.0/8`, those of IPv6 in brackets before
//! a colon, as in `[fec0::/64]:80`; `PORTS` is `*`, a port or a range as in `1024-65535`. A socket on all addresses
//! needs a rule for all of them.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::{fmt, net::IpAddr};

/// What a client wants to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// Listen on this address (none: all), and port.
    TcpListen(Option<IpAddr>, u16),
    /// Connect to it.
    TcpConnect(IpAddr, u16),
    /// Have a UDP socket there.
    UdpBind(Option<IpAddr>, u16),
    /// Send a datagram there.
    UdpSend(IpAddr, u16),
    /// Ping it.
    Icmp(IpAddr),
    /// Resolve this name.
    Dns(&'a str),
}

/// The rule that would allow it.
impl fmt::Display for Action<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |f: &mut fmt::Formatter<'_>, what, address: Option<IpAddr>, port| match address {
            None => write!(f, "{what} *:{port}"),
            Some(IpAddr::V4(address)) => write!(f, "{what} {address}:{port}"),
            Some(IpAddr::V6(address)) => write!(f, "{what} [{address}]:{port}"),
        };
        match *self {
            Self::TcpListen(address, port) => at(f, "tcp listen", address, port),
            Self::TcpConnect(address, port) => at(f, "tcp connect", Some(address), port),
            Self::UdpBind(address, port) => at(f, "udp bind", address, port),
            Self::UdpSend(address, port) => at(f, "udp send", Some(address), port),
            Self::Icmp(address) => write!(f, "icmp {address}"),
            Self::Dns(name) => write!(f, "dns {name}"),
        }
    }
}

/// Addresses that a rule is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hosts {
    All,
    Prefix(IpAddr, u8),
}

impl Hosts {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::All);
        }
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits = match bits {
            Some(bits) => number(bits).filter(|bits| *bits <= most)? as u8,
            None => most as u8,
        };
        Some(Self::Prefix(address, bits))
    }

    fn contain(self, address: Option<IpAddr>) -> bool {
        match (self, address) {
            (Self::All, _) => true,
            (Self::Prefix(..), None) => false,
            (Self::Prefix(prefix, bits), Some(address)) => in_prefix(prefix, bits, address),
        }
    }
}

/// Whether the first bits are the same. Two families have none in common.
pub(crate) fn in_prefix(prefix: IpAddr, bits: u8, address: IpAddr) -> bool {
    let same = |a: u128, b: u128, width: u32| {
        let rest = width.saturating_sub(bits.into());
        // All of them, or none.
        (a ^ b).checked_shr(rest).unwrap_or(0) == 0
    };
    match (prefix, address) {
        (IpAddr::V4(a), IpAddr::V4(b)) => same(a.to_bits().into(), b.to_bits().into(), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => same(a.to_bits(), b.to_bits(), 128),
        _ => false,
    }
}

/// Ports that a rule is for, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Ports(u16, u16);

impl Ports {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self(0, u16::MAX));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (number(first)?, number(last)?);
        (first <= last).then_some(Self(first, last))
    }

    const fn contain(self, port: u16) -> bool {
        self.0 <= port && port <= self.1
    }
}

/// Digits and nothing else: the standard library's parser takes a sign, too.
fn number(text: &str) -> Option<u16> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct At(Hosts, Ports);

impl At {
    fn parse(text: &str) -> Option<Self> {
        let (hosts, ports) = text.rsplit_once(':')?;
        let inner = hosts.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
        let hosts = match inner {
            Some(inner) => Hosts::parse(inner)?,
            // Without brackets it is not clear where an address of IPv6 ends.
            None if hosts.contains(':') => return None,
            None => Hosts::parse(hosts)?,
        };
        Some(Self(hosts, Ports::parse(ports)?))
    }

    fn contains(self, address: Option<IpAddr>, port: u16) -> bool {
        self.0.contain(address) && self.1.contain(port)
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Rule {
    TcpListen(At),
    TcpConnect(At),
    UdpBind(At),
    UdpSend(At),
    Icmp(Hosts),
    /// Any name, or this one, or all below this one if it begins with a dot.
    Dns(Option<String>),
    Admin,
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        let rule = match (words.next()?, words.next(), words.next()) {
            ("tcp", Some("listen"), Some(at)) => Self::TcpListen(At::parse(at)?),
            ("tcp", Some("connect"), Some(at)) => Self::TcpConnect(At::parse(at)?),
            ("udp", Some("bind"), Some(at)) => Self::UdpBind(At::parse(at)?),
            ("udp", Some("send"), Some(at)) => Self::UdpSend(At::parse(at)?),
            ("admin", None, None) => Self::Admin,
            ("icmp", Some(hosts), None) => Self::Icmp(Hosts::parse(hosts)?),
            ("dns", None, None) => Self::Dns(None),
            ("dns", Some("*"), None) => Self::Dns(None),
            ("dns", Some(name), None) => {
                let name = name.strip_prefix('*').unwrap_or(name);
                let is_name = |name: &str| !name.is_empty() && !name.contains('*');
                is_name(name.trim_start_matches('.')).then(|| Self::Dns(Some(name.to_owned())))?
            }
            _ => return None,
        };
        words.next().is_none().then_some(rule)
    }

    fn allows(&self, action: &Action<'_>) -> bool {
        match (self, *action) {
            (Self::TcpListen(at), Action::TcpListen(address, port))
            | (Self::UdpBind(at), Action::UdpBind(address, port)) => at.contains(address, port),
            (Self::TcpConnect(at), Action::TcpConnect(address, port))
            | (Self::UdpSend(at), Action::UdpSend(address, port)) => {
                at.contains(Some(address), port)
            }
            (Self::Icmp(hosts), Action::Icmp(address)) => hosts.contain(Some(address)),
            (Self::Dns(None), Action::Dns(_)) => true,
            (Self::Dns(Some(allowed)), Action::Dns(name)) => is_below(name, allowed),
            _ => false,
        }
    }
}

/// Whether a name is this one, or below it if it begins with a dot. Case does not matter (RFC 4343), nor the dot of
/// the root.
fn is_below(name: &str, allowed: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).as_bytes();
    let allowed = allowed.strip_suffix('.').unwrap_or(allowed).as_bytes();
    if allowed.first() != Some(&b'.') {
        return name.eq_ignore_ascii_case(allowed);
    }
    let begin = name.len().checked_sub(allowed.len());
    begin.is_some_and(|begin| begin > 0 && name[begin..].eq_ignore_ascii_case(allowed))
}

/// A text that is no rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadRule(pub String);

impl fmt::Display for BadRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "`{}` is no rule; rules are `tcp listen *:80`, `tcp connect 10.0.0.0/8:1024-65535`, `udp bind *:53`, \
             `udp send [fec0::3]:53`, `icmp *`, `dns`, `dns *.example.org` and `admin`",
            self.0
        )
    }
}

impl core::error::Error for BadRule {}

/// A rule, and whether it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    rule: Rule,
    text: String,
    is_withdrawn: bool,
}

/// The rules of a client.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules(Vec<Entry>);

impl Rules {
    /// Reads rules, with commas between them. None at all allow nothing.
    ///
    /// # Errors
    /// [`BadRule`].
    pub fn parse(text: &str) -> Result<Self, BadRule> {
        if text.trim().is_empty() {
            return Ok(Self::default());
        }
        let parse = |text: &str| {
            let text = text.trim().to_owned();
            match Rule::parse(&text) {
                Some(rule) => Ok(Entry {
                    rule,
                    text,
                    is_withdrawn: false,
                }),
                None => Err(BadRule(text)),
            }
        };
        text.split(',')
            .map(parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// Whether they allow this.
    ///
    /// # Errors
    /// The action, which says what rule is missing.
    pub fn allow<'a>(&self, action: &Action<'a>) -> Result<(), Action<'a>> {
        if self.holding().any(|rule| rule.allows(action)) {
            Ok(())
        } else {
            Err(*action)
        }
    }

    /// Whether they allow any UDP socket: then one on a port that the net guest chooses, too.
    pub fn has_udp(&self) -> bool {
        let is_udp = |rule: &Rule| matches!(rule, Rule::UdpBind(_) | Rule::UdpSend(_));
        self.holding().any(is_udp)
    }

    fn holding(&self) -> impl Iterator<Item = &Rule> {
        let holding = self.0.iter().filter(|entry| !entry.is_withdrawn);
        holding.map(|entry| &entry.rule)
    }

    /// Whether the client may see and withdraw the rules of all.
    pub fn is_admin(&self) -> bool {
        self.holding().any(|rule| *rule == Rule::Admin)
    }

    /// What they say, each with whether it was withdrawn.
    pub fn texts(&self) -> impl Iterator<Item = (&str, bool)> {
        self.0
            .iter()
            .map(|entry| (entry.text.as_str(), entry.is_withdrawn))
    }

    /// Withdraws a rule by its number, from 1, or restores it; answers whether there is one.
    pub fn withdraw(&mut self, number: u16, is_withdrawn: bool) -> bool {
        let entry = usize::from(number)
            .checked_sub(1)
            .and_then(|place| self.0.get_mut(place));
        match entry {
            Some(entry) => {
                entry.is_withdrawn = is_withdrawn;
                true
            }
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use proptest::prelude::*;
    use std::string::ToString;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn those_of_the_spec() {
        let rules = Rules::parse("tcp connect 10.0.2.2:1024-65535, dns").unwrap();
        assert!(
            rules
                .allow(&Action::TcpConnect(ip("10.0.2.2"), 1024))
                .is_ok()
        );
        assert!(
            rules
                .allow(&Action::TcpConnect(ip("10.0.2.2"), 65535))
                .is_ok()
        );
        assert!(
            rules
                .allow(&Action::TcpConnect(ip("10.0.2.2"), 1023))
                .is_err()
        );
        assert!(
            rules
                .allow(&Action::TcpConnect(ip("10.0.2.3"), 1024))
                .is_err()
        );
        assert!(rules.allow(&Action::UdpSend(ip("10.0.2.2"), 1024)).is_err());
        assert!(
            rules
                .allow(&Action::TcpListen(Some(ip("10.0.2.2")), 1024))
                .is_err()
        );
        assert!(rules.allow(&Action::Dns("example.org")).is_ok());
        assert!(!rules.has_udp());
        let rules = Rules::parse("udp bind *:7, tcp listen *:7").unwrap();
        assert!(rules.has_udp());
        assert!(rules.allow(&Action::UdpBind(None, 7)).is_ok());
        assert!(rules.allow(&Action::UdpBind(Some(ip("::1")), 7)).is_ok());
        assert!(rules.allow(&Action::UdpBind(None, 8)).is_err());
        assert!(
            Rules::parse("")
                .unwrap()
                .allow(&Action::Icmp(ip("10.0.2.2")))
                .is_err()
        );
    }

    #[test]
    fn what_is_withdrawn_holds_no_more() {
        let mut rules = Rules::parse("tcp listen *:80, tcp listen *:81,admin").unwrap();
        let all = rules.clone();
        assert!(rules.is_admin());
        assert!(rules.withdraw(1, true) && rules.withdraw(3, true));
        assert!(!rules.withdraw(0, true) && !rules.withdraw(4, true));
        assert!(rules.allow(&Action::TcpListen(None, 80)).is_err());
        assert!(rules.allow(&Action::TcpListen(None, 81)).is_ok());
        assert!(!rules.is_admin());
        let said: Vec<_> = rules.texts().collect();
        assert_eq!(said[0], ("tcp listen *:80", true));
        assert_eq!(said[1], ("tcp listen *:81", false));
        assert!(rules.withdraw(1, false) && rules.withdraw(3, false));
        assert_eq!(rules, all);
    }

    #[test]
    fn all_addresses_need_a_rule_for_all() {
        let rules = Rules::parse("tcp listen 10.0.2.15:80").unwrap();
        assert!(
            rules
                .allow(&Action::TcpListen(Some(ip("10.0.2.15")), 80))
                .is_ok()
        );
        assert!(rules.allow(&Action::TcpListen(None, 80)).is_err());
    }

    #[test]
    fn prefixes() {
        let rules = Rules::parse("icmp 10.0.2.0/24, icmp fec0::/64, icmp 192.168.1.1").unwrap();
        for (address, allowed) in [
            ("10.0.2.0", true),
            ("10.0.2.255", true),
            ("10.0.3.0", false),
            ("192.168.1.1", true),
            ("192.168.1.2", false),
            ("fec0::1", true),
            ("fec0:0:0:1::1", false),
            ("::ffff:10.0.2.1", false),
        ] {
            assert_eq!(
                rules.allow(&Action::Icmp(ip(address))).is_ok(),
                allowed,
                "{address}"
            );
        }
        let all = Rules::parse("icmp 0.0.0.0/0").unwrap();
        assert!(all.allow(&Action::Icmp(ip("8.8.8.8"))).is_ok());
        assert!(all.allow(&Action::Icmp(ip("::1"))).is_err());
    }

    #[test]
    fn names() {
        let rules = Rules::parse("dns host.test, dns *.example.org").unwrap();
        for (name, allowed) in [
            ("host.test", true),
            ("HOST.test.", true),
            ("a.host.test", false),
            ("a.example.org", true),
            ("a.b.Example.org", true),
            ("example.org", false),
            ("badexample.org", false),
            ("", false),
        ] {
            assert_eq!(rules.allow(&Action::Dns(name)).is_ok(), allowed, "{name}");
        }
    }

    #[test]
    fn what_is_none() {
        for text in [
            "tcp",
            "tcp listen",
            "tcp listen 80",
            "tcp listen *:",
            "tcp listen *:80 now",
            "tcp listen *:65536",
            "tcp listen *:80-79",
            "tcp listen *:+80",
            "tcp listen fec0::1:80",
            "tcp hear *:80",
            "icmp",
            "icmp 10.0.0.0/33",
            "icmp * *",
            "dns a b",
            "dns *.*",
            "dns *.",
            "udp bind *:7,",
            ",",
            "tcp listen [*:80",
            "sctp listen *:80",
        ] {
            assert!(Rules::parse(text).is_err(), "{text}");
        }
        let error = Rules::parse("dns, tcp liste *:80").unwrap_err();
        assert!(error.to_string().contains("`tcp liste *:80`"), "{error}");
    }

    #[test]
    fn what_is_missing_is_a_rule_that_allows_it() {
        for action in [
            Action::TcpListen(None, 80),
            Action::TcpListen(Some(ip("fec0::15")), 80),
            Action::TcpConnect(ip("10.0.2.2"), 8080),
            Action::UdpBind(None, 0),
            Action::UdpSend(ip("fec0::3"), 53),
            Action::Icmp(ip("fe80::1")),
            Action::Dns("example.org"),
        ] {
            let rules = Rules::parse(&action.to_string()).unwrap();
            assert!(rules.allow(&action).is_ok(), "{action}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_rules_or_not(text in "[a-z0-9:.*/, \\[\\]-]{0,40}") {
            let _ = Rules::parse(&text);
        }

        #[test]
        fn a_prefix_contains_what_shares_its_bits(a: u32, b: u32, c: u128, d: u128, bits in 0u8..=128) {
            let (v4, v6) = (Ipv4Addr::from_bits, Ipv6Addr::from_bits);
            let bits4 = bits.min(32);
            let same = (0..bits4).all(|i| (a ^ b) >> (31 - i) & 1 == 0);
            prop_assert_eq!(in_prefix(v4(a).into(), bits4, v4(b).into()), same);
            let same = (0..bits).all(|i| (c ^ d) >> (127 - i) & 1 == 0);
            prop_assert_eq!(in_prefix(v6(c).into(), bits, v6(d).into()), same);
            prop_assert!(in_prefix(v6(c).into(), bits, v6(c).into()));
        }
    }
}
