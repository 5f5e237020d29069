// SPDX-License-Identifier: BSD-2-Clause
//! Waits for faults of the programs, reports them, takes everything back, and starts again what the
//! spec wants started again.

use capdl::blob::Restart;
use heapless::Vec;
use root_task::MAX_PROGRAMS;
use root_task::fault::{Instruction, MemoryFault, backtrace};
use sel4::cap_type::Endpoint;
use sel4::{Fault, MessageInfo, UserContext, with_ipc_buffer};
use wasm_handoff::badge::ROOT_TIMER;

use crate::System;
use crate::console::{print, println};
use crate::invoke::cap;
use crate::program::{Program, Role, Thread, faulter};

/// How often one program is started again: what fails more often will not get better.
const MAX_RESTARTS: u32 = 5;
/// Most frames of a backtrace.
const MAX_FRAMES: usize = 32;

/// Supervises, for ever.
pub fn run(mut system: System, programs: &mut Vec<Program, MAX_PROGRAMS>) -> ! {
    loop {
        let (info, badge) = cap::<Endpoint>(system.fault_endpoint).recv(());
        if badge & ROOT_TIMER != 0 {
            if let Err(problem) = system.shared.timer_fired() {
                println!("{}", problem.of_image());
            }
            continue;
        }
        let Some((index, thread)) = faulter(badge) else {
            continue;
        };
        let Some(program) = programs.get_mut(index) else {
            continue;
        };
        let failed = ended(program, &info);
        if failed.is_none() {
            report(program, thread, &info, &mut system);
        }
        restart(index, program, failed.unwrap_or(true), &mut system);
    }
}

/// Whether a native task has failed, if it says that it has ended.
fn ended(program: &Program, info: &MessageInfo) -> Option<bool> {
    if program.role != Role::Task || info.label() != native_handoff::EXIT {
        return None;
    }
    let code = with_ipc_buffer(|buffer| buffer.msg_regs()[0]);
    let well = match code {
        0 => "",
        _ => ", and failed",
    };
    println!("root task: task `{}` has ended{well}", program.name);
    Some(code != 0)
}

fn restart(index: usize, program: &mut Program, failed: bool, system: &mut System) {
    if let Err(failure) = program.take_back(index, system) {
        println!("{failure}");
        println!(
            "root task: {} `{}` is not started again: its memory is not free",
            program.role.name(),
            program.name
        );
        return;
    }
    match program.restart {
        Restart::Temporary if !failed => {}
        Restart::Temporary => println!(
            "root task: {} `{}` is not started again, as the spec wants",
            program.role.name(),
            program.name
        ),
        Restart::Transient if !failed => {}
        Restart::Permanent | Restart::Transient if program.restarts == MAX_RESTARTS => {
            println!(
                "root task: {} `{}` is not started again: it {} {} times",
                program.role.name(),
                program.name,
                if failed { "failed" } else { "ended" },
                MAX_RESTARTS + 1
            );
        }
        Restart::Permanent | Restart::Transient => {
            program.restarts += 1;
            println!(
                "root task: {} `{}` starts again ({} of {MAX_RESTARTS})",
                program.role.name(),
                program.name,
                program.restarts
            );
            let started = program.start(index, system);
            if let Err(failure) = started.and_then(|()| program.run(system.spec.file)) {
                println!("{failure}");
            }
        }
    }
}

/// Prints what happened.
fn report(program: &Program, thread: Thread, info: &MessageInfo, system: &mut System) {
    let fault = with_ipc_buffer(|buffer| Fault::new(buffer, info));
    let whose = match thread {
        Thread::First => "",
        Thread::Further => " in a thread of its own",
    };
    // On a line of its own whatever the server was printing.
    print!(
        "\nroot task: {} `{}` faults{whose}: ",
        program.role.name(),
        program.name
    );
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
            match program.instruction(ip, system) {
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
    if let (Thread::First, Some(tcb)) = (thread, program.tcb()) {
        match tcb.tcb_read_all_registers(false) {
            Ok(registers) => state(program, &registers, system),
            Err(_) => println!("  (its registers cannot be read)"),
        }
    }
}

/// Prints registers and backtrace.
fn state(program: &Program, registers: &UserContext, system: &mut System) {
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
    let read = |addr| program.read(addr, system);
    backtrace(*registers.gpr(29), MAX_FRAMES, read, |ret| {
        println!("    {ret:#x}")
    });
}

impl Program {
    /// The instruction at an address of its program.
    fn instruction(&self, ip: u64, system: &mut System) -> Option<Instruction> {
        let word = self.read(ip & !7, system)?;
        Some(Instruction((word >> (ip % 8 * 8)) as u32))
    }
}
