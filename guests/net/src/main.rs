// SPDX-License-Identifier: BSD-2-Clause
//! Owns the network device (slot `nic`), and gives the network to others, as far as its arguments say
//! ([`net_stack::config`]). What it and its clients say to each other is in `atoll_abi::net`.
//!
//! * `wire`: the device, for the stack.
//! * `engine`: the stack and when it works.
//! * `door`: a client, and what it asks for: its sockets, and what it may.
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

use alloc::{boxed::Box, rc::Rc, string::String};
use core::fmt::Write as _;

use atoll_abi::net::Status;
use drivers::net::Nic;
use net_stack::config::{Config, V4, V6};
use userland::{
    device::Device,
    entropy, error,
    future::{Either, select},
    handle::Slot,
    health, info,
    start::Start,
    task::{Event, spawn, stopping},
    time::Instant,
    warn,
};

use engine::{Engine, is_loss};

/// The slot of the network device.
const DEVICE: &str = "nic";

type Failure = Box<dyn core::error::Error>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let config = Config::parse(start.args())?;
    health::serve();
    let mut device = Slot::<Device>::new(&start, DEVICE)?;
    let interrupt = Event::new();
    let engine = Engine::new(&config, seed());
    match device.get() {
        Some(device) => match plug(&engine, device, &interrupt) {
            Err(error) if !is_loss(error) => return Err(error.into()),
            _ => {}
        },
        None => warn!(
            "there is no network device; if nobody has taken it, let the spec give this guest a virtio_device named \
             `nic`"
        ),
    }
    spawn(tell(engine.clone(), config.clone()));
    let doors = Rc::default();
    for client in &config.clients {
        let door = Slot::new(&start, &client.name)?;
        if door.get().is_none() {
            warn!(
                "an argument says what `{0}` may do, and there is no region in a slot of this name: if nobody has taken \
                 it, let the spec give one to this guest and to the client",
                client.name
            );
        }
        door::open(&engine, &doors, client, door);
    }
    let works = select(
        engine.run(&interrupt),
        keep(&engine, &mut device, &interrupt),
    );
    match select(works, stopping()).await {
        Either::First(Either::First(error)) => {
            error!("{error}");
            Err(error.into())
        }
        Either::First(Either::Second(error)) => Err(error.into()),
        Either::Second(()) => Ok(()),
    }
}

/// Sets a device up.
fn plug(engine: &Engine, device: Device, interrupt: &Event) -> Result<(), drivers::Error> {
    // Before the device is set up: so the first interrupt is heard.
    device.listen(interrupt.task())?;
    engine.plug(set_up(device)?);
    Ok(())
}

/// By itself: what this needs of the stack is free again when the engine goes on with it.
#[inline(never)]
fn set_up(device: Device) -> Result<Box<Nic>, drivers::Error> {
    Nic::new(device).map(Box::new)
}

/// Takes the device up whenever it is given, and lets it go when it is taken away.
async fn keep(engine: &Engine, slot: &mut Slot<Device>, interrupt: &Event) -> userland::Error {
    let mut is_another = false;
    loop {
        let device = match slot.filled().await {
            Ok(device) => device,
            Err(error) => return error,
        };
        if core::mem::replace(&mut is_another, true) || !engine.is_plugged() {
            match plug(engine, device, interrupt) {
                Ok(()) => info!("the network device is there"),
                // It is told below.
                Err(error) if is_loss(error) => {}
                Err(error) => error!("{error}; waits for another device"),
            }
        }
        match slot.emptied().await {
            Ok(why) => {
                engine.unplug();
                warn!("the network device is gone ({why:?}); waits until it is given back");
            }
            Err(error) => return error,
        }
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
        if !engine.is_plugged() {
            // The log says so.
            told.clear();
            continue;
        }
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
