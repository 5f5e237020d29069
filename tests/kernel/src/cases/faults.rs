// SPDX-License-Identifier: BSD-2-Clause
//! What a fault handler is told.

use sel4::{CPtr, Fault, MessageInfo, Word, cap, cap_type, sys};

use crate::{
    env::{Env, PRIORITY, Thread},
    machine,
    outcome::{Failure, Outcome, check, check_eq},
};

/// The fault of a thread, as far as tests compare it.
#[derive(Debug, PartialEq, Eq)]
pub enum Observed {
    /// A VM fault.
    Vm {
        /// Where.
        addr: usize,
        /// Whether it was an instruction fetch.
        prefetch: bool,
    },
    /// Another fault.
    Other,
}

const BADGE: Word = 0xfa;

/// Runs `function` in a thread, which must fault, and receives the fault.
fn fault_of(
    env: &mut Env<'_>,
    function: impl FnOnce() + Send + 'static,
) -> Outcome<(Fault, Thread)> {
    let endpoint: cap::Endpoint = env.new_object()?;
    let badged = env.mint(endpoint, BADGE)?;
    let returned: cap::Notification = env.new_object()?;
    // A thread that does not fault sends a message of no kind instead.
    let thread = env.spawn_with(PRIORITY + 1, Some(badged), move || {
        function();
        returned.signal();
        endpoint.send(MessageInfo::new(0, 0, 0, 0));
    })?;
    let (info, badge) = endpoint.recv(());
    if badge != BADGE {
        return Err(Failure::new("the thread did not fault".into()));
    }
    Ok((
        sel4::with_ipc_buffer(|buffer| Fault::new(buffer, &info)),
        thread,
    ))
}

/// Runs `function` in a thread, which must fault.
pub fn observe(env: &mut Env<'_>, function: impl FnOnce() + Send + 'static) -> Outcome<Observed> {
    Ok(match fault_of(env, function)?.0 {
        Fault::VmFault(fault) => Observed::Vm {
            addr: fault.addr() as usize,
            prefetch: fault.is_prefetch(),
        },
        _ => Observed::Other,
    })
}

/// Address, kind and syndrome of an access; answering the fault repeats the instruction.
pub fn vm_fault(env: &mut Env<'_>) -> Outcome {
    let (page, window) = env.page()?;
    page.frame_unmap()?;
    let (fault, thread) = fault_of(env, move || window.write(2, 9))?;
    let Fault::VmFault(fault) = fault else {
        return Err(Failure::new(alloc::format!("{fault:?}")));
    };
    check_eq!(fault.addr() as usize, window.vaddr() + 16);
    check!(!fault.is_prefetch());
    // ESR_EL1: exception class 0x24 (data abort of EL0), WnR set (Arm ARM, D17.2.37).
    check_eq!(fault.fsr() >> 26, 0x24);
    check_eq!(fault.fsr() >> 6 & 1, 1);
    check_eq!(fault.ip(), *thread.tcb.tcb_read_all_registers(false)?.pc());

    let vspace = sel4::init_thread::slot::VSPACE.cap();
    page.frame_map(
        vspace,
        window.vaddr(),
        sel4::CapRights::read_write(),
        crate::env::data(),
    )?;
    sel4::with_ipc_buffer_mut(|buffer| sel4::reply(buffer, MessageInfo::new(0, 0, 0, 0)));
    check_eq!(window.read(2), 9);
    Ok(())
}

/// A breakpoint; the handler lets the thread go on behind it.
pub fn user_exception(env: &mut Env<'_>) -> Outcome {
    let done: cap::Notification = env.new_object()?;
    let (fault, thread) = fault_of(env, move || {
        machine::breakpoint();
        done.signal();
    })?;
    let Fault::UserException(fault) = fault else {
        return Err(Failure::new(alloc::format!("{fault:?}")));
    };
    let registers = thread.tcb.tcb_read_all_registers(false)?;
    check_eq!(
        (fault.fault_ip(), fault.stack()),
        (*registers.pc(), *registers.sp())
    );

    let mut words = [fault.fault_ip() + 4, fault.stack(), fault.spsr()];
    sel4::with_ipc_buffer_mut(|buffer| {
        buffer.msg_regs_mut()[..3].swap_with_slice(&mut words);
        sel4::reply(buffer, MessageInfo::new(0, 0, 0, 3));
    });
    done.wait();
    Ok(())
}

/// A system call that is none, emulated by the handler.
pub fn unknown_syscall(env: &mut Env<'_>) -> Outcome {
    const NUMBER: i64 = 4711;
    let (page, window) = env.page()?;
    let _ = page;
    let (fault, _) = fault_of(env, move || {
        window.write(0, machine::unknown_syscall(NUMBER, 21))
    })?;
    let Fault::UnknownSyscall(fault) = fault else {
        return Err(Failure::new(alloc::format!("{fault:?}")));
    };
    check_eq!(
        (fault.syscall(), fault.gpr(0), fault.gpr(7)),
        (NUMBER as Word, 21, NUMBER as Word)
    );
    sel4::with_ipc_buffer_mut(|buffer| {
        let words = buffer.msg_regs_mut();
        words[0] = 42;
        // The thread would make the call again otherwise.
        words[sys::seL4_UnknownSyscall_FaultIP as usize] += 4;
        let length = sys::seL4_UnknownSyscall_FaultIP as usize + 1;
        sel4::reply(buffer, MessageInfo::new(0, 0, 0, length));
    });
    check_eq!(window.read(0), 42);
    Ok(())
}

/// A message to an address that leads nowhere.
pub fn cap_fault(env: &mut Env<'_>) -> Outcome {
    // The root CNode's guard has no bit set.
    let nowhere = CPtr::from_bits(1 << 40);
    let (fault, _) = fault_of(env, move || {
        let info = MessageInfo::new(0, 0, 0, 0);
        nowhere.cast::<cap_type::Endpoint>().send(info);
    })?;
    let Fault::CapFault(fault) = fault else {
        return Err(Failure::new(alloc::format!("{fault:?}")));
    };
    check_eq!(fault.addr(), nowhere.bits());
    check!(!fault.in_recv_phase());
    check_eq!(fault.lookup_failure_type(), sys::seL4_GuardMismatch);
    Ok(())
}
