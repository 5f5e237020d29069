// SPDX-License-Identifier: BSD-2-Clause
//! Ports of this host that lead to ports of the machine.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::ops::RangeInclusive;
use std::str::FromStr;

use thiserror::Error;

/// The port of the machine that is forwarded when the user names none: that of HTTP.
const WEB: u16 = 80;
/// The ports of the host that may lead there: the first that is free does.
const HOST_PORTS: RangeInclusive<u16> = 8080..=8179;

/// A port of the host that leads to one of the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forward {
    /// The host's.
    pub host: u16,
    /// The machine's.
    pub machine: u16,
    /// What goes through.
    pub protocol: Protocol,
}

/// A transport.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    Tcp,
    Udp,
}

/// Why something is no forward.
#[derive(Debug, Error)]
pub enum ForwardSyntax {
    /// A part is missing.
    #[error("write HOSTPORT:PORT or HOSTPORT:PORT/udp, as in 8080:80")]
    Parts,
    /// There is no such port.
    #[error("`{0}` is no port: they go from 1 to 65535")]
    Port(String),
    /// There is no such protocol.
    #[error("`{0}` is no protocol that is forwarded: these are `tcp` and `udp`")]
    Protocol(String),
}

/// Why a port of the host cannot be used.
#[derive(Debug, Error)]
pub enum PortError {
    /// Somebody else has it, or it takes more rights.
    #[error("cannot use {protocol} port {port} of {address}: name another, as in `--forward {}:{machine}`", .port.saturating_add(1))]
    Taken {
        address: IpAddr,
        protocol: Protocol,
        port: u16,
        machine: u16,
        #[source]
        error: std::io::Error,
    },
    /// None of those that are tried.
    #[error("none of the TCP ports {} to {} of {address} is free: name one, as in `--forward 9000:{WEB}`", HOST_PORTS.start(), HOST_PORTS.end())]
    AllTaken { address: IpAddr },
}

impl FromStr for Forward {
    type Err = ForwardSyntax;

    fn from_str(text: &str) -> Result<Self, ForwardSyntax> {
        let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (host, machine) = ports.split_once(':').ok_or(ForwardSyntax::Parts)?;
        let port = |text: &str| match text.parse() {
            Ok(port) if port > 0 => Ok(port),
            _ => Err(ForwardSyntax::Port(text.into())),
        };
        Ok(Self {
            host: port(host)?,
            machine: port(machine)?,
            protocol: match protocol {
                "tcp" => Protocol::Tcp,
                "udp" => Protocol::Udp,
                other => return Err(ForwardSyntax::Protocol(other.into())),
            },
        })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tcp => "TCP",
            Self::Udp => "UDP",
        })
    }
}

impl Forward {
    /// QEMU's option for it, behind `user,id=…`.
    pub fn option(&self, address: IpAddr) -> String {
        let protocol = self.protocol.to_string().to_lowercase();
        let (host, machine) = (self.host, self.machine);
        format!(",hostfwd={protocol}:{address}:{host}-:{machine}")
    }

    /// What the user is told before the machine starts.
    pub fn describe(&self, address: IpAddr) -> String {
        // Where the host listens at all of its addresses, this one will do.
        let address = if address.is_unspecified() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            address
        };
        let end = SocketAddr::new(address, self.host);
        match (self.protocol, self.machine) {
            (Protocol::Tcp, WEB) => format!("http://{end}/ is port {WEB} of the machine."),
            (protocol, port) => format!("{end} is {protocol} port {port} of the machine."),
        }
    }

    /// Whether the host's port can be had. Somebody else can take it until QEMU does: then QEMU says so.
    fn try_port(&self, address: IpAddr) -> std::io::Result<()> {
        match self.protocol {
            Protocol::Tcp => TcpListener::bind((address, self.host)).map(drop),
            Protocol::Udp => UdpSocket::bind((address, self.host)).map(drop),
        }
    }
}

/// The forwards that the user wants; when none is named, one to the port of HTTP from the first free
/// port that is easy to guess.
///
/// # Errors
/// A port of the host cannot be had.
pub fn choose(wanted: &[Forward], address: IpAddr) -> Result<Vec<Forward>, PortError> {
    if wanted.is_empty() {
        let web = |host| Forward {
            host,
            machine: WEB,
            protocol: Protocol::Tcp,
        };
        let free = HOST_PORTS
            .map(web)
            .find(|forward| forward.try_port(address).is_ok());
        return free
            .map(|forward| vec![forward])
            .ok_or(PortError::AllTaken { address });
    }
    for forward in wanted {
        forward
            .try_port(address)
            .map_err(|error| PortError::Taken {
                address,
                protocol: forward.protocol,
                port: forward.host,
                machine: forward.machine,
                error,
            })?;
    }
    Ok(wanted.to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    fn forward(text: &str) -> Forward {
        text.parse().unwrap()
    }

    #[test]
    fn forwards_are_written_as_ports() {
        let web = forward("8080:80");
        assert_eq!((web.host, web.machine), (8080, 80));
        assert_eq!(web.option(LOCAL), ",hostfwd=tcp:127.0.0.1:8080-:80");
        assert_eq!(web, forward("8080:80/tcp"));
        let echo = forward("7007:7/udp");
        assert_eq!(
            echo.option(Ipv4Addr::UNSPECIFIED.into()),
            ",hostfwd=udp:0.0.0.0:7007-:7"
        );
        for (text, message) in [
            (
                "8080",
                "write HOSTPORT:PORT or HOSTPORT:PORT/udp, as in 8080:80",
            ),
            ("0:80", "`0` is no port: they go from 1 to 65535"),
            ("8080:", "`` is no port: they go from 1 to 65535"),
            ("8080:65536", "`65536` is no port: they go from 1 to 65535"),
            (
                "8080:80/icmp",
                "`icmp` is no protocol that is forwarded: these are `tcp` and `udp`",
            ),
        ] {
            let error = text.parse::<Forward>().unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }

    #[test]
    fn the_user_is_told_what_to_open() {
        let everywhere = Ipv4Addr::UNSPECIFIED.into();
        assert_eq!(
            forward("8081:80").describe(everywhere),
            "http://127.0.0.1:8081/ is port 80 of the machine."
        );
        assert_eq!(
            forward("7007:7/udp").describe(LOCAL),
            "127.0.0.1:7007 is UDP port 7 of the machine."
        );
    }

    #[test]
    fn a_port_that_is_taken_is_not_used() {
        let taken = TcpListener::bind((LOCAL, 0)).unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = choose(&[forward(&format!("{port}:80"))], LOCAL).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with(&format!("cannot use TCP port {port} of 127.0.0.1: ")),
            "{error}"
        );
        // The same port for datagrams is another.
        let datagrams = forward(&format!("{port}:80/udp"));
        assert_eq!(choose(&[datagrams], LOCAL).unwrap(), [datagrams]);
    }

    #[test]
    fn the_web_is_forwarded_from_a_free_port() {
        let first = choose(&[], LOCAL).unwrap()[0];
        assert!(first.machine == WEB && HOST_PORTS.contains(&first.host));
        let _taken = TcpListener::bind((LOCAL, first.host)).unwrap();
        let second = choose(&[], LOCAL).unwrap()[0];
        assert!(second.host != first.host && HOST_PORTS.contains(&second.host));
    }
}
