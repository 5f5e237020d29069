// SPDX-License-Identifier: BSD-2-Clause
//! Owns the serial line (slot `uart`), shows there what clients and the log say, and hands out what is typed, as its
//! arguments say ([`console_terminal::config`]). What it and its clients say to each other is in
//! `atoll_abi::console`.
//!
//! * `engine`: the device, the log and the terminal, and when each has its turn.
//! * `door`: a client, and what it asks for.
//! * `memory`: what outlives this guest.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

extern crate alloc;

mod door;
mod engine;
mod memory;

use alloc::{boxed::Box, format, rc::Rc};

use console_terminal::config::Config;
use drivers::pl011::Pl011;
use userland::{
    device::{Device, Registers},
    future::{Either, select},
    handle::Slot,
    logs::{self, Printer},
    start::Start,
    task::{Event, stopping},
    warn,
};

use engine::Engine;
use memory::Memory;

/// The slot of the serial line.
const DEVICE: &str = "uart";
/// The slot of the region that keeps what outlives this guest; it may be missing.
const MEMORY: &str = "memory_of_console";

type Failure = Box<dyn core::error::Error>;

#[userland::entrypoint]
async fn main(start: Start) -> Result<(), Failure> {
    let config = Config::parse(start.args())?;
    // Until there is one the server prints, and so it does again when this guest loses it and is started again.
    let mut slot = Slot::<Device>::new(&start, DEVICE)?;
    if slot.get().is_none() {
        warn!(
            "there is no serial line; if nobody has taken it, let the spec give this guest a mmio_device named `uart`"
        );
    }
    let device = match select(slot.filled(), stopping()).await {
        Either::First(device) => device?,
        Either::Second(()) => return Ok(()),
    };
    let registers = Registers::new(device)?;
    let news = Event::new();
    logs::watch(news.task())?;
    // From here on nobody else prints.
    let printer =
        Printer::new().map_err(|error| format!("the log is not to be printed: {error}"))?;
    let interrupt = Event::new();
    registers.device().listen(interrupt.task())?;
    let uart = Pl011::new(registers)?;
    let memory = Memory::new(start.region(MEMORY).as_ref())
        .map_err(|error| format!("the channel `{MEMORY}`: {error}"))?;
    let engine = Rc::new(Engine::new(&config, uart, printer, memory));
    for (client, name) in engine.clients() {
        let Some(door) = start.region(&name) else {
            warn!(
                "an argument names the client `{name}`, and there is no region in a slot of this name: let the spec give \
                 one to this guest and to the client"
            );
            continue;
        };
        door::open(&engine, client, &name, &door)
            .map_err(|error| format!("the client `{name}`: {error}"))?;
    }
    match select(engine.run(&interrupt, &news), slot.emptied()).await {
        Either::First(end) => end,
        Either::Second(_) => Err("the serial line is gone".into()),
    }
}
