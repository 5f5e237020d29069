// SPDX-License-Identifier: BSD-2-Clause
//! Owns the network device (slot `nic`), and gives the network to others, as far as its arguments say
//! ([`net_stack::config`]). What it and its clients say to each other is in `atoll_abi::net`.
//!
//! * `wire`: the device, for the stack.
//! * `engine`: the stack and when it works.
//! * `door`: a client, and what it asks for.
//! * `buffer`: the regions that a client hands in, and in which state each is.
//! * `stream`, `datagrams`: bytes between the stack and a buffer.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod buffer;
mod datagrams;
mod door;
mod engine;
mod stream;
mod wire;

use alloc::{boxed::Box, format, rc::Rc, string::String};
use core::fmt::Write as _;

use atoll_abi::net::Status;
use net_stack::config::{Config, V4, V6};
use userland::{
    device::Device,
    entropy, error,
    future::{Either, select},
    handle::Capability as _,
    health, info,
    start::Start,
    task::{Event, spawn, stopping},
    time::Instant,
    warn,
};

use engine::Engine;
use wire::Wire;

/// The slot of the network device.
const DEVICE: &str = "nic";

type Failure = Box<dyn core::error::Error>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let config = Config::parse(start.args())?;
    health::serve();
    let Some(handle) = start.handle(DEVICE) else {
        return Err(
            "there is no device: let the spec give this guest a virtio_device named `nic`".into(),
        );
    };
    // Before the device is set up: so the first interrupt is heard.
    let interrupt = Event::new();
    Device::from_handle(handle)
        .listen(interrupt.task())
        .map_err(drivers::Error::Device)?;
    let wire = Wire::new(Device::from_handle(handle))?;
    let engine = Rc::new(Engine::new(&config, wire, seed()));
    spawn(tell(engine.clone(), config.clone()));
    let doors = Rc::default();
    for client in &config.clients {
        let Some(door) = start.region(&client.name) else {
            warn!(
                "an argument says what `{0}` may do, and there is no region in a slot of this name: let the spec give \
                 one to this guest and to the client",
                client.name
            );
            continue;
        };
        door::open(&engine, &doors, client, &door)
            .map_err(|error| format!("the client `{}`: {error}", client.name))?;
    }
    match select(engine.run(&interrupt), stopping()).await {
        Either::First(error) => {
            error!("{error}");
            Err(error.into())
        }
        Either::Second(()) => Ok(()),
    }
}

/// A number that others do not know, if there is a source of such; otherwise the time.
fn seed() -> u64 {
    let mut bytes = [0; 8];
    match entropy::fill(&mut bytes) {
        Ok(()) => u64::from_le_bytes(bytes),
        Err(_) => {
            warn!("without the grant `entropy`, others can guess ports and sequence numbers");
            Instant::now()
                .nanoseconds()
                .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        }
    }
}

/// Logs the addresses whenever they change.
async fn tell(engine: Rc<Engine>, config: Config) {
    let mut seen = None;
    let mut told = String::new();
    loop {
        let status = engine.status(seen).await;
        seen = Some(status.generation);
        let line = describe(&status, &config);
        // A change of what is not in the line is no news.
        if line != told {
            info!("{line}");
            told = line;
        }
    }
}

fn describe(status: &Status, config: &Config) -> String {
    let mut line = String::new();
    if !status.has_link {
        line.push_str("no link; ");
    }
    let mut separator = "";
    for subnet in &status.addresses {
        let how = match (subnet.address.is_ipv4(), &config.v4, &config.v6) {
            (true, V4::Dhcp, _) => " by DHCP",
            (false, _, V6::Auto) if subnet.prefix == 64 && !is_link_local(subnet.address) => {
                " by a router's word"
            }
            _ => "",
        };
        // Writing to a string does not fail.
        let _ = write!(line, "{separator}{subnet}{how}");
        separator = ", ";
    }
    if status.addresses.is_empty() {
        line.push_str("no address yet");
    }
    for (what, those) in [
        ("gateway", &status.routers),
        ("name server", &status.name_servers),
    ] {
        for address in those {
            let _ = write!(line, ", {what} {address}");
        }
    }
    line
}

const fn is_link_local(address: core::net::IpAddr) -> bool {
    matches!(address, core::net::IpAddr::V6(it) if it.segments()[0] & 0xffc0 == 0xfe80)
}
