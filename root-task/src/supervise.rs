// SPDX-License-Identifier: BSD-2-Clause
//! Waits for faults of the servers, reports them, takes everything back, and starts again what the
//! spec wants started again.

use capdl::blob::Restart;
use heapless::Vec;
use root_task::MAX_SERVERS;
use root_task::fault::{Instruction, MemoryFault, backtrace};
use sel4::cap_type::Endpoint;
use sel4::{Fault, MessageInfo, UserContext, with_ipc_buffer};

use crate::System;
use crate::console::{print, println};
use crate::invoke::cap;
use crate::server::{Server, Thread, faulter};

/// How often one server is started again: what fails more often will not get better.
const MAX_RESTARTS: u32 = 5;
/// Most frames of a backtrace.
const MAX_FRAMES: usize = 32;

/// Supervises, for ever.
pub fn run(mut system: System, mut servers: Vec<Server, MAX_SERVERS>) -> ! {
    loop {
        let (info, badge) = cap::<Endpoint>(system.fault_endpoint).recv(());
        let Some((index, thread)) = faulter(badge) else {
            continue;
        };
        let Some(server) = servers.get_mut(index) else {
            continue;
        };
        report(server, thread, &info, &mut system);
        restart(index, server, &mut system);
    }
}

fn restart(index: usize, server: &mut Server, system: &mut System) {
    if let Err(failure) = server.take_back(system) {
        println!("{failure}");
        println!(
            "root task: server `{}` is not started again: its memory is not free",
            server.name
        );
        return;
    }
    match server.restart {
        Restart::Temporary => println!(
            "root task: server `{}` is not started again, as the spec wants",
            server.name
        ),
        Restart::Permanent | Restart::Transient if server.restarts == MAX_RESTARTS => {
            println!(
                "root task: server `{}` is not started again: it failed {} times",
                server.name,
                MAX_RESTARTS + 1
            );
        }
        Restart::Permanent | Restart::Transient => {
            server.restarts += 1;
            println!(
                "root task: server `{}` starts again ({} of {MAX_RESTARTS})",
                server.name, server.restarts
            );
            if let Err(failure) = server.start(index, system) {
                println!("{failure}");
            }
        }
    }
}

/// Prints what happened.
fn report(server: &Server, thread: Thread, info: &MessageInfo, system: &mut System) {
    let fault = with_ipc_buffer(|buffer| Fault::new(buffer, info));
    let whose = match thread {
        Thread::First => "",
        Thread::Further => " in a thread of its own",
    };
    // On a line of its own whatever the server was printing.
    print!("\nroot task: server `{}` faults{whose}: ", server.name);
    match fault {
        Fault::VmFault(fault) => {
            let what = MemoryFault {
                addr: fault.addr(),
                fetch: fault.is_prefetch(),
                fsr: fault.fsr(),
            };
            println!("{what} at ip {:#x}", fault.ip());
        }
        Fault::UserException(fault) => {
            let ip = fault.fault_ip();
            match server.instruction(ip, system) {
                Some(instruction) => println!("{instruction} at ip {ip:#x}"),
                None => println!("exception {:#x} at ip {ip:#x}", fault.number()),
            }
        }
        Fault::CapFault(fault) => println!(
            "no capability at {:#x} at ip {:#x}",
            fault.addr(),
            fault.ip()
        ),
        Fault::UnknownSyscall(fault) => println!(
            "unknown system call {:#x} at ip {:#x}",
            fault.syscall(),
            fault.fault_ip()
        ),
        _ => println!(
            "it sends a message with label {}, which is no fault",
            info.label()
        ),
    }
    if let (Thread::First, Some(tcb)) = (thread, server.tcb()) {
        match tcb.tcb_read_all_registers(false) {
            Ok(registers) => state(server, &registers, system),
            Err(_) => println!("  (its registers cannot be read)"),
        }
    }
}

/// Prints registers and backtrace.
fn state(server: &Server, registers: &UserContext, system: &mut System) {
    println!(
        "  pc {:#018x}  sp {:#018x}  spsr {:#x}",
        registers.pc(),
        registers.sp(),
        registers.spsr()
    );
    for index in 0..=30 {
        let end = if index % 4 == 3 || index == 30 {
            "\n"
        } else {
            ""
        };
        print!("  x{index:<2} {:#018x}{end}", registers.gpr(index));
    }
    println!("  backtrace:");
    println!("    {:#x}", registers.pc());
    let read = |addr| server.read(addr, system);
    backtrace(*registers.gpr(29), MAX_FRAMES, read, |ret| {
        println!("    {ret:#x}")
    });
}

impl Server {
    /// The instruction at an address of its program.
    fn instruction(&self, ip: u64, system: &mut System) -> Option<Instruction> {
        let word = self.read(ip & !7, system)?;
        Some(Instruction((word >> (ip % 8 * 8)) as u32))
    }
}
