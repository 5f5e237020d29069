// SPDX-License-Identifier: BSD-2-Clause
//! How a machine comes by its addresses: DHCP, routers, the spec.

use super::*;
use crate::UdpId;
use atoll_abi::net::Family;
use core::net::{Ipv4Addr, Ipv6Addr};
use smoltcp::wire::{
    DhcpMessageType, DhcpPacket, DhcpRepr, EthernetAddress, EthernetFrame, EthernetProtocol,
    Icmpv6Packet, Icmpv6Repr, IpProtocol, Ipv6Packet, Ipv6Repr, NdiscPrefixInfoFlags,
    NdiscPrefixInformation, NdiscRepr, NdiscRouterFlags, RawHardwareAddress,
};

/// A DHCP server at a UDP socket of B.
struct Server {
    socket: UdpId,
    lease: u32,
    requests: u32,
}

impl Server {
    fn new(world: &mut World) -> Self {
        let (socket, _) = world.b.stack.udp_bind(Local::port(67)).unwrap();
        Self {
            socket,
            lease: 3600,
            requests: 0,
        }
    }

    /// Answers what has come.
    fn serve(&mut self, world: &mut World) {
        let stack = &mut world.b.stack;
        loop {
            let request = stack.udp_receive(self.socket, Waker::noop(), |_, bytes| bytes.to_vec());
            let Poll::Ready(Ok(request)) = request else {
                return;
            };
            let packet = DhcpPacket::new_checked(&request[..]).unwrap();
            let request = DhcpRepr::parse(&packet).unwrap();
            let answer = match request.message_type {
                DhcpMessageType::Discover => DhcpMessageType::Offer,
                DhcpMessageType::Request => {
                    self.requests += 1;
                    DhcpMessageType::Ack
                }
                _ => continue,
            };
            let server = Ipv4Addr::new(10, 0, 2, 2);
            let reply = DhcpRepr {
                message_type: answer,
                transaction_id: request.transaction_id,
                secs: 0,
                client_hardware_address: request.client_hardware_address,
                client_ip: Ipv4Addr::UNSPECIFIED,
                your_ip: Ipv4Addr::new(10, 0, 2, 15),
                server_ip: server,
                router: Some(server),
                subnet_mask: Some(Ipv4Addr::new(255, 255, 255, 0)),
                relay_agent_ip: Ipv4Addr::UNSPECIFIED,
                broadcast: true,
                requested_ip: None,
                client_identifier: request.client_identifier,
                server_identifier: Some(server),
                parameter_request_list: None,
                dns_servers: Some([Ipv4Addr::new(10, 0, 2, 3)].into_iter().collect()),
                max_size: None,
                lease_duration: Some(self.lease),
                renew_duration: None,
                rebind_duration: None,
                additional_options: &[],
            };
            let to = SocketAddr::new(Ipv4Addr::BROADCAST.into(), 68);
            let sent = stack.udp_send(self.socket, to, reply.buffer_len(), Waker::noop(), |room| {
                reply.emit(&mut DhcpPacket::new_unchecked(room)).unwrap();
            });
            assert_eq!(sent, Poll::Ready(Ok(())));
        }
    }

    fn run(&mut self, world: &mut World, seconds: u64) {
        for _ in 0..seconds {
            self.serve(world);
            world.second();
        }
    }
}

fn leased() -> World {
    World::with(
        &["ipv4=dhcp", "ipv6=off"],
        &["ipv4=10.0.2.2/24", "ipv6=off"],
    )
}

#[test]
fn a_lease_comes_is_renewed_and_ends() {
    let mut world = leased();
    world.second();
    let before = world.a.stack.status();
    assert!(!before.is_configured && before.addresses.is_empty());
    assert_eq!(
        world
            .a
            .stack
            .tcp_connect(at(B, 80), Local::default())
            .unwrap_err(),
        Error::NotConfigured
    );
    let mut server = Server::new(&mut world);
    server.lease = 600;
    server.run(&mut world, 20);
    let status = world.a.stack.status();
    assert!(status.is_configured);
    assert_eq!(std::format!("{}", status.addresses[0]), "10.0.2.15/24");
    assert_eq!(status.routers[..], [ip(B)]);
    assert_eq!(status.name_servers[..], [ip("10.0.2.3")]);
    assert!(status.generation > before.generation);
    // A renewal changes nothing, and breaks nothing.
    let (a, b, _) = world.connect(B, 80);
    let requests = server.requests;
    server.run(&mut world, 500);
    assert!(server.requests > requests);
    assert_eq!(world.a.stack.status().generation, status.generation);
    world.a.write(a, b"still here");
    world.second();
    assert_eq!(world.b.read(b).0, b"still here");
    // The server is gone.
    world.run(Duration::from_secs(1300));
    let after = world.a.stack.status();
    assert!(!after.is_configured && after.addresses.is_empty() && after.routers.is_empty());
    // And back.
    server.run(&mut world, 60);
    assert!(world.a.stack.status().is_configured);
}

#[test]
fn of_the_spec() {
    let world = World::new();
    let status = world.a.stack.status();
    assert!(status.is_configured);
    let addresses: Vec<_> = status.addresses.iter().map(|it| it.address).collect();
    assert_eq!(addresses, [ip(A), ip("fe80::ff:fe00:1"), ip(A6)]);
    assert_eq!(status.routers[..], [ip(B), ip(B6)]);
    assert_eq!(status.generation, 1);
}

/// A frame with a router's advertisement of a prefix.
fn advertisement(prefix: Ipv6Addr, from: Ipv6Addr, to_mac: [u8; 6]) -> Vec<u8> {
    let all_nodes = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
    let repr = Icmpv6Repr::Ndisc(NdiscRepr::RouterAdvert {
        hop_limit: 64,
        flags: NdiscRouterFlags::empty(),
        router_lifetime: Duration::from_secs(1800),
        reachable_time: Duration::ZERO,
        retrans_time: Duration::ZERO,
        lladdr: Some(RawHardwareAddress::from(EthernetAddress([
            2, 0, 0, 0, 0, 9,
        ]))),
        mtu: None,
        prefix_info: Some(NdiscPrefixInformation {
            prefix_len: 64,
            flags: NdiscPrefixInfoFlags::ON_LINK | NdiscPrefixInfoFlags::ADDRCONF,
            valid_lifetime: Duration::from_secs(3600),
            preferred_lifetime: Duration::from_secs(3600),
            prefix,
        }),
    });
    let ip = Ipv6Repr {
        src_addr: from,
        dst_addr: all_nodes,
        next_header: IpProtocol::Icmpv6,
        payload_len: repr.buffer_len(),
        hop_limit: 255,
    };
    let mut bytes = vec![0; 14 + ip.buffer_len() + repr.buffer_len()];
    let mut frame = EthernetFrame::new_unchecked(&mut bytes[..]);
    frame.set_src_addr(EthernetAddress([2, 0, 0, 0, 0, 9]));
    frame.set_dst_addr(EthernetAddress(to_mac));
    frame.set_ethertype(EthernetProtocol::Ipv6);
    let mut packet = Ipv6Packet::new_unchecked(frame.payload_mut());
    ip.emit(&mut packet);
    let mut icmp = Icmpv6Packet::new_unchecked(packet.payload_mut());
    repr.emit(
        &from,
        &all_nodes,
        &mut icmp,
        &phy::ChecksumCapabilities::default(),
    );
    bytes
}

#[test]
fn a_router_tells_a_prefix() {
    let mut world = World::with(&["ipv4=off"], &["ipv4=off", "ipv6=off"]);
    world.second();
    let status = world.a.stack.status();
    assert_eq!(status.addresses.len(), 1);
    let router: Ipv6Addr = "fe80::9".parse().unwrap();
    let frame = advertisement(
        "2001:db8:1::".parse().unwrap(),
        router,
        [0x33, 0x33, 0, 0, 0, 1],
    );
    world.a.port.incoming.borrow_mut().push_back(frame);
    world.second();
    let status = world.a.stack.status();
    let addresses: Vec<_> = status.addresses.iter().map(|it| it.address).collect();
    assert_eq!(
        addresses,
        [ip("fe80::ff:fe00:1"), ip("2001:db8:1:0:0:ff:fe00:1")]
    );
    assert_eq!(status.routers[..], [IpAddr::V6(router)]);
    // There is a way to everywhere now.
    assert!(
        world
            .a
            .stack
            .tcp_connect(at("2001:db8::7", 80), Local::default())
            .is_ok()
    );
}

/// Answers questions for `host.test` with an address; others with that there is no such name.
fn answer_names(world: &mut World, socket: UdpId) {
    loop {
        let stack = &mut world.b.stack;
        let asked = stack.udp_receive(socket, Waker::noop(), |from, bytes| (from, bytes.to_vec()));
        let Poll::Ready(Ok((from, mut message))) = asked else {
            return;
        };
        let is_v4 = message[message.len() - 3] == 1;
        let is_known = message[12..].starts_with(b"\x04host\x04test\x00");
        message[2] |= 0x80;
        if is_known {
            message[7] = 1;
            message.extend([
                0xc0,
                12,
                0,
                if is_v4 { 1 } else { 28 },
                0,
                1,
                0,
                0,
                0,
                60,
                0,
            ]);
            if is_v4 {
                message.extend([4, 192, 0, 2, 7]);
            } else {
                message.push(16);
                message.extend("2001:db8::7".parse::<Ipv6Addr>().unwrap().octets());
            }
        } else {
            message[3] |= 3;
        }
        let sent = stack.udp_send(socket, from, message.len(), Waker::noop(), |room| {
            room.copy_from_slice(&message);
        });
        assert_eq!(sent, Poll::Ready(Ok(())));
    }
}

#[test]
fn names() {
    let mut world = World::with(
        &["ipv4=10.0.2.15/24 dns 10.0.2.2", "ipv6=off"],
        &["ipv4=10.0.2.2/24", "ipv6=off"],
    );
    let (socket, _) = world.b.stack.udp_bind(Local::port(53)).unwrap();
    let resolve = |world: &mut World, name, family| {
        let id = world.a.stack.resolve(name, family)?;
        for _ in 0..30 {
            answer_names(world, socket);
            world.second();
            if let Poll::Ready(answer) = world.a.stack.poll_resolve(id, Waker::noop()) {
                return answer.map(|addresses| addresses.to_vec());
            }
        }
        panic!("no answer");
    };
    let (v4, v6) = (ip("192.0.2.7"), ip("2001:db8::7"));
    assert_eq!(
        resolve(&mut world, "host.test", Family::Any),
        Ok(vec![v4, v6])
    );
    assert_eq!(resolve(&mut world, "host.test.", Family::V4), Ok(vec![v4]));
    assert_eq!(resolve(&mut world, "host.test", Family::V6), Ok(vec![v6]));
    assert_eq!(
        resolve(&mut world, "other.test", Family::Any),
        Err(Error::NameNotFound)
    );
    for bad in ["", ".", "a..b", "a b", "ä", &"a".repeat(64)] {
        assert_eq!(
            world.a.stack.resolve(bad, Family::Any),
            Err(Error::BadName),
            "{bad}"
        );
    }
    assert_eq!(
        world.b.stack.resolve("host.test", Family::Any),
        Err(Error::NoNameServer)
    );
    // A server that says nothing.
    let id = world.a.stack.resolve("host.test", Family::Any).unwrap();
    world.run(Duration::from_secs(60));
    let end = world.a.stack.poll_resolve(id, Waker::noop());
    assert_eq!(end, Poll::Ready(Err(Error::NoNameServer)));
    // One that nobody waits for.
    let id = world.a.stack.resolve("host.test", Family::Any).unwrap();
    world.a.stack.cancel_resolve(id);
    world.a.stack.cancel_resolve(id);
    world.second();
}

#[test]
fn another_device_has_its_own_address_and_listeners_stay() {
    let mut world = World::new();
    let (listener, _) = world.a.stack.tcp_listen(Local::port(80), 4).unwrap();
    let before = world.a.stack.status();
    let mac = [2, 0, 0, 0, 1, 0];
    world.a.stack.set_device(&mut world.a.port, mac, world.now);
    let after = world.a.stack.status();
    assert_eq!(after.mac, mac);
    assert_ne!(after.generation, before.generation);
    assert_eq!(after.routers, before.routers);
    let link_local = "fe80::ff:fe00:100";
    for address in [A, A6, link_local] {
        let mut subnets = after.addresses.iter();
        assert!(
            subnets.any(|subnet| subnet.address == ip(address)),
            "{after:?}"
        );
    }
    world
        .b
        .stack
        .tcp_connect(at(A, 80), Local::default())
        .unwrap();
    world.second();
    let accepted = world.a.stack.poll_accept(listener, Waker::noop());
    assert!(matches!(accepted, Poll::Ready(Ok(_))));
    // The same one again changes nothing.
    let before = world.a.stack.status();
    world.a.stack.set_device(&mut world.a.port, mac, world.now);
    assert_eq!(world.a.stack.status(), before);
}

#[test]
fn who_was_not_heard_asks_at_once_when_there_is_a_device() {
    let mut world = World::with(&["ipv4=dhcp", "ipv6=off"], &["ipv4=10.0.2.2/24"]);
    let mut server = Server::new(&mut world);
    // Nobody is connected for a while, and the waits get longer.
    let mut nowhere = Port {
        incoming: Frames::default(),
        outgoing: Frames::default(),
        lose: Rc::default(),
    };
    for _ in 0..100 {
        world.now += Duration::from_millis(500);
        world.a.stack.poll(world.now, &mut nowhere);
    }
    world.now += Duration::from_millis(1);
    let mac = [2, 0, 0, 0, 1, 0];
    world.a.stack.set_device(&mut world.a.port, mac, world.now);
    for _ in 0..4 {
        world.run(Duration::from_millis(10));
        server.serve(&mut world);
    }
    assert!(world.a.stack.status().is_configured);
}
