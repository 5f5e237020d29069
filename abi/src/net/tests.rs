// SPDX-License-Identifier: BSD-2-Clause

use core::net::{Ipv4Addr, Ipv6Addr};

use super::*;

const V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0xfec0, 0, 0, 0, 1, 2, 3, 0xabcd));

/// The longest of each kind fits.
fn fits<T: Serialize + for<'a> Deserialize<'a> + PartialEq + core::fmt::Debug>(value: &T) {
    let mut bytes = [0; MAX_MESSAGE as usize];
    let bytes = postcard::to_slice(value, &mut bytes).unwrap();
    assert_eq!(&postcard::from_bytes::<T>(bytes).unwrap(), value);
}

#[test]
fn the_longest_messages_fit() {
    let subnet = Subnet {
        address: V6,
        prefix: 128,
    };
    let status = Status {
        generation: u32::MAX,
        is_configured: true,
        has_link: true,
        mac: [0xff; 6],
        mtu: u16::MAX,
        addresses: core::iter::repeat_n(subnet, MAX_ADDRESSES).collect(),
        routers: core::iter::repeat_n(V6, MAX_SERVERS).collect(),
        name_servers: core::iter::repeat_n(V6, MAX_SERVERS).collect(),
        traffic: Traffic {
            frames_received: u64::MAX,
            bytes_received: u64::MAX,
            frames_sent: u64::MAX,
            bytes_sent: u64::MAX,
            datagrams_dropped: u64::MAX,
        },
    };
    fits::<Answer>(&Ok(Reply::Status(status)));
    fits::<Answer>(&Ok(Reply::Resolved(
        core::iter::repeat_n(V6, MAX_RESOLVED).collect(),
    )));
    let rule = Rule {
        client: core::iter::repeat_n('n', 32).collect(),
        number: u16::MAX,
        text: core::iter::repeat_n('t', 96).collect(),
        is_withdrawn: true,
    };
    fits::<Answer>(&Ok(Reply::Rules(
        core::iter::repeat_n(rule, MAX_RULES).collect(),
    )));
    fits(&Request::Resolve {
        name: core::iter::repeat_n('n', MAX_NAME).collect(),
        family: Family::V6,
    });
}

#[test]
fn numbers_of_errors_are_distinct_and_read_back() {
    for &error in Error::ALL {
        assert_eq!(Error::from_number(error.number()), error);
        assert_ne!(error.number(), 0);
    }
    assert_eq!(Error::from_number(0), Error::Other(0));
    let mut bytes = [0; 8];
    let bytes = postcard::to_slice(&Error::Reset, &mut bytes).unwrap();
    assert_eq!(bytes, [5], "the number, and not the place in a list");
}

#[test]
fn requests_keep_their_numbers() {
    let mut bytes = [0; 64];
    let mut first = |request: &Request| postcard::to_slice(request, &mut bytes).unwrap()[0];
    let buffer = Buffer(0);
    assert_eq!(first(&Request::Hello { version: 1 }), 0);
    assert_eq!(first(&Request::Attach { token: [0; 16] }), 2);
    assert_eq!(first(&Request::Abort { buffer }), 9);
    let address = V6;
    assert_eq!(first(&Request::Ping { address, bytes: 1 }), 14);
}

#[test]
fn a_request_lies_as_it_is_described() {
    let mut bytes = [0; 64];
    let connect = Request::Connect {
        peer: SocketAddr::new(Ipv4Addr::new(10, 0, 2, 2).into(), 8080),
        local: Local::default(),
        buffer: Buffer(3),
    };
    let bytes = postcard::to_slice(&connect, &mut bytes).unwrap();
    assert_eq!(bytes, [7, 0, 10, 0, 2, 2, 0x90, 0x3f, 0, 0, 3]);
}

#[test]
fn peers_read_back() {
    for (address, port) in [
        (Ipv4Addr::new(192, 0, 2, 1).into(), 53),
        (Ipv4Addr::UNSPECIFIED.into(), 0),
        (V6, u16::MAX),
    ] {
        let peer = Peer(SocketAddr::new(address, port));
        assert_eq!(Peer::from_bytes(&peer.to_bytes()), Some(peer));
    }
    let peer = Peer(SocketAddr::new(V6, 0x1234));
    assert_eq!(peer.to_bytes()[..6], [0x34, 0x12, 6, 0, 0xfe, 0xc0]);
}

#[test]
fn what_is_no_peer_is_refused() {
    let good = Peer(SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 7)).to_bytes();
    for (place, byte) in [(2, 5), (2, 0), (3, 1), (8, 1), (19, 1)] {
        let mut bad = good;
        bad[place] = byte;
        assert_eq!(Peer::from_bytes(&bad), None, "{place}");
    }
}

#[test]
fn any_address_is_none() {
    let all: SocketAddr = "[::]:80".parse().unwrap();
    assert_eq!(Local::from(all), Local::port(80));
    let one: SocketAddr = "10.0.2.15:80".parse().unwrap();
    assert_eq!(Local::from(one).address, Some(one.ip()));
}
