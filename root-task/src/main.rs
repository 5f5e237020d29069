// SPDX-License-Identifier: BSD-2-Clause
//! Turns the compiled spec into seL4 objects, starts the process servers, and supervises them.
//!
//! Everything a server is made of comes from one untyped, and everything that it is given has one
//! capability here that all others derive from: whatever a server does, one revocation for each of
//! them takes all of it back.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod console;
mod devices;
mod invoke;
mod objects;
mod parts;
mod payload;
mod raw;
mod server;
mod supervise;
mod vspace;

use capdl::blob::{Kind, Reader};
use heapless::Vec;
use root_task::MAX_SERVERS;
use root_task::problem::{Failure, Problem};
use root_task::untyped::{Block, Pool};
use sel4_root_task::root_task;

use crate::console::println;
use crate::devices::Devices;
use crate::invoke::Slots;
use crate::objects::{Memory, Objects};
use crate::payload::Payload;
use crate::server::Server;

/// What the starts of servers share.
struct System {
    spec: Reader<'static>,
    payload: Payload,
    objects: Objects,
    scratch: raw::Scratch,
    devices: Devices,
    /// Slot of the endpoint that takes all servers' faults.
    fault_endpoint: usize,
}

#[root_task(stack_size = 256 * 1024)]
fn main(bootinfo: &sel4::BootInfoPtr) -> ! {
    match boot(bootinfo) {
        Ok((system, servers)) => supervise::run(system, servers),
        Err(failure) => {
            println!("{failure}");
            println!("root task: nothing is started");
            sel4::init_thread::suspend_self()
        }
    }
}

/// Makes all objects of the spec and starts its servers.
fn boot(bootinfo: &sel4::BootInfoPtr) -> Result<(System, Vec<Server, MAX_SERVERS>), Failure> {
    let payload = Payload::read(bootinfo).map_err(Problem::of_image)?;
    let spec = Reader::new(payload.spec.bytes).map_err(|error| Problem::Spec(error).of_image())?;

    let mut memory = memory(bootinfo).map_err(Problem::of_image)?;
    let windows = vspace::root_tables(&mut memory).map_err(Problem::of_image)?;
    let mut objects = Objects::default();
    let placed = objects.make_placed(&spec, &mut memory);
    // First, so that a failure can be read.
    console::start(&spec, &objects, windows)?;
    placed?;
    println!(
        "root task: {} with {} objects",
        spec.file,
        spec.iter().count()
    );

    let devices = Devices::map(&spec, &objects, windows)?;
    let mut servers = Vec::new();
    for (id, object) in spec.iter() {
        if let Kind::WasmServer(parameters) = &object.kind {
            let server = Server::plan(&spec, &payload, id, &object, parameters, &servers)?;
            servers
                .push(server)
                .map_err(|_| Problem::TooManyServers.of(spec.file, &object))?;
        }
    }
    let fault_endpoint = objects.make_rest(&spec, &mut servers, &mut memory)?;
    let scratch = raw::Scratch::new(windows);
    let mut system = System {
        spec,
        payload,
        objects,
        scratch,
        devices,
        fault_endpoint,
    };
    for (index, server) in servers.iter_mut().enumerate() {
        server.start(index, &mut system)?;
    }
    Ok((system, servers))
}

/// The untypeds and slots that the kernel left.
fn memory(bootinfo: &sel4::BootInfoPtr) -> Result<Memory, Problem> {
    let mut pool = Pool::default();
    for (index, untyped) in bootinfo.untyped_list().iter().enumerate() {
        pool.add(Block {
            slot: bootinfo.untyped().start() + index,
            paddr: untyped.paddr() as u64,
            bits: untyped.size_bits() as u8,
            device: untyped.is_device(),
            dirty: true,
        })?;
    }
    let empty = bootinfo.empty();
    Ok(Memory {
        pool,
        slots: Slots::new(empty.start(), empty.end()),
    })
}
