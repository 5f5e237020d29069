// SPDX-License-Identifier: BSD-2-Clause
//! Turns the compiled spec into seL4 objects, starts the programs (process servers and native tasks),
//! and supervises them.
//!
//! Everything a program is made of comes from one untyped, and everything that it is given has one
//! capability here that all others derive from: whatever a program does, one revocation for each of
//! them takes all of it back.
#![no_std]
#![no_main]
#![deny(unsafe_code)]

mod console;
mod devices;
mod fill;
mod invoke;
mod objects;
mod parts;
mod payload;
mod program;
mod raw;
mod server;
mod shared;
mod supervise;
mod task;
mod threads;
mod vspace;

use capdl::blob::{Kind, Reader};
use heapless::Vec;
use root_task::MAX_PROGRAMS;
use root_task::common::Common;
use root_task::problem::{Failure, Problem};
use root_task::untyped::{Block, MAX_BLOCKS, Pool};
use sel4_root_task::root_task;

use crate::console::println;
use crate::devices::Devices;
use crate::invoke::Slots;
use crate::objects::{Memory, Objects};
use crate::payload::Payload;
use crate::program::Program;
use crate::shared::Shared;

/// What the starts of programs share.
struct System {
    spec: Reader<'static>,
    payload: Payload,
    objects: Objects,
    scratch: raw::Scratch,
    devices: Devices,
    /// Free slots of the root task's CNode.
    slots: Slots,
    /// One of them, for capabilities that are needed for a moment.
    temp: usize,
    /// The untypeds that nothing was made of.
    left: Vec<Block, MAX_BLOCKS>,
    shared: Shared,
    /// Slot of the endpoint that takes all programs' faults.
    fault_endpoint: usize,
}

#[root_task(stack_size = 512 * 1024)]
fn main(bootinfo: &sel4::BootInfoPtr) -> ! {
    let mut programs = Vec::new();
    match boot(bootinfo, &mut programs) {
        Ok(system) => supervise::run(system, &mut programs),
        Err(failure) => {
            println!("{failure}");
            println!("root task: nothing is started");
            sel4::init_thread::suspend_self()
        }
    }
}

/// Makes all objects of the spec and starts its programs.
fn boot(
    bootinfo: &sel4::BootInfoPtr,
    programs: &mut Vec<Program, MAX_PROGRAMS>,
) -> Result<System, Failure> {
    let payload = Payload::read(bootinfo).map_err(Problem::of_image)?;
    let spec = Reader::new(payload.spec.bytes).map_err(|error| Problem::Spec(error).of_image())?;

    let mut memory = memory(bootinfo).map_err(Problem::of_image)?;
    let all = memory.pool.bytes();
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
    let common = Common::find(&spec)?;
    for (id, object) in spec.iter() {
        if let Some(program) = Program::plan(&spec, &payload, id, &object, &common, programs)? {
            programs
                .push(program)
                .map_err(|_| Problem::TooManyPrograms.of(spec.file, &object))?;
        }
    }
    let fault_endpoint = objects.make_rest(&spec, programs, &mut memory)?;
    let shared = Shared::make(
        common,
        programs.len(),
        &spec,
        &objects,
        &mut memory,
        windows,
    )?;
    if spec
        .iter()
        .any(|(_, object)| matches!(object.kind, Kind::Leftover))
    {
        println!(
            "root task: {} of {all} bytes of memory are left",
            memory.pool.bytes()
        );
    }
    let scratch = raw::Scratch::new(windows);
    let temp = memory.slots.take(1).map_err(Problem::of_image)?;
    let mut system = System {
        spec,
        payload,
        objects,
        scratch,
        devices,
        slots: memory.slots,
        temp,
        left: memory.pool.into_left(),
        shared,
        fault_endpoint,
    };
    fill::run(&mut system)?;
    threads::configure(&system)?;
    for (index, program) in programs.iter_mut().enumerate() {
        program.start(index, &mut system)?;
    }
    // Only now, so that nothing runs when anything fails.
    threads::resume(&system)?;
    for program in programs.iter() {
        program.run(system.spec.file)?;
    }
    Ok(system)
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
