// SPDX-License-Identifier: BSD-2-Clause
//! The fault thread: what guests' threads raise, from a division by zero to a touched guard page,
//! arrives here as a message.
//!
//! A page of a guest's that is touched for the first time is made and mapped, and a hole in its memory
//! is filled, whoever touches it. A trap of wasm code is sent back into wasmtime's handler on the
//! thread that raised it. A write of the server's to a guest's read-only window, in the
//! guest's name, ends the guest. Anything else is a fault of the server itself, which it does
//! not survive: the root task reports it and starts the server again.
//!
//! The thread has nothing else to do, holds no lock across a message, and never calls wasmtime. The
//! locks that it takes are never held by a thread that waits for it (see [`crate::lock`]).

use core::{
    mem,
    sync::atomic::{AtomicUsize, Ordering},
};

use sel4::{Fault, MessageInfo, cap};
use wasm_handoff::slot;

use crate::{home, platform::Sel4};

/// wasmtime's trap handler: ip, fp, whether the next is an address, the address that faulted.
pub type TrapHandler = extern "C" fn(usize, usize, bool, usize);

static HANDLER: AtomicUsize = AtomicUsize::new(0);

/// Takes wasmtime's handler, which it names when the first engine is made.
pub fn set_handler(handler: TrapHandler) {
    HANDLER.store(handler as usize, Ordering::Release);
}

/// Where a thread that trapped goes on, with wasmtime's arguments.
extern "C" fn trapped(ip: usize, fp: usize, has_address: bool, address: usize) -> ! {
    let handler = HANDLER.load(Ordering::Acquire);
    if handler != 0 {
        // SAFETY: only `set_handler` stores there.
        let handler: TrapHandler = unsafe { mem::transmute::<usize, TrapHandler>(handler) };
        handler(ip, fp, has_address, address);
    }
    panic!("wasmtime knows no trap at {ip:#x} (address {address:#x})");
}

/// Serves faults, for ever.
pub fn serve(platform: &Sel4) -> ! {
    let endpoint = cap::Endpoint::from_bits(slot::FAULT_ENDPOINT);
    loop {
        let (info, number) = endpoint.recv(());
        let fault = sel4::with_ipc_buffer(|buffer| Fault::new(buffer, &info));
        let resumed = match &fault {
            Fault::VmFault(fault)
                if !fault.is_prefetch() && touch(platform, fault.addr() as usize) =>
            {
                sel4::with_ipc_buffer_mut(|buffer| {
                    sel4::reply(buffer, MessageInfo::new(0, 0, 0, 0))
                });
                true
            }
            Fault::VmFault(fault) if platform.code.contains(fault.ip() as usize) => {
                redirect(platform, number, fault.ip(), Some(fault.addr()))
            }
            Fault::VmFault(fault) => abandon(platform, number, fault.ip(), fault.addr()),
            Fault::UserException(fault) => redirect(platform, number, fault.fault_ip(), None),
            _ => false,
        };
        if !resumed {
            let name = platform.name_of(number);
            panic!("the server faulted on the thread of guest {name}: {fault:x?}");
        }
    }
}

/// Whether the fault at this address is mended: it was at a page of some guest's that is there now.
fn touch(platform: &Sel4, address: usize) -> bool {
    platform
        .space_at(address)
        .is_some_and(|space| space.touch(address))
}

/// Sends the thread of guest `number`, which was stopped at `ip`, into wasmtime's trap handler.
fn redirect(platform: &Sel4, number: u64, ip: u64, address: Option<u64>) -> bool {
    if !platform.code.contains(ip as usize) {
        return false;
    }
    let Some((tcb, space)) = platform.thread(number) else {
        return false;
    };
    // wasmtime panics for an address that no memory of the instance accounts for.
    if address.is_some_and(|address| !space.contains(address as usize)) {
        return false;
    }
    let arguments = |fp| [ip, fp, u64::from(address.is_some()), address.unwrap_or(0)];
    go_on(tcb, trapped as *const () as u64, arguments)
}

/// Ends the guest whose thread was stopped at `ip`, in code of the server, for what it did to a page
/// of the guest's own memory.
fn abandon(platform: &Sel4, number: u64, ip: u64, address: u64) -> bool {
    let Some((tcb, space)) = platform.thread(number) else {
        return false;
    };
    let offset = (address as usize).wrapping_sub(space.memory());
    offset < space.size()
        && go_on(tcb, home::abandoned as *const () as u64, |_| {
            [ip, address, 0, 0]
        })
}

/// Has a stopped thread go on elsewhere on its stack, with arguments made from its frame pointer.
fn go_on(tcb: cap::Tcb, pc: u64, arguments: impl FnOnce(u64) -> [u64; 4]) -> bool {
    let Ok(mut context) = tcb.tcb_read_all_registers(false) else {
        return false;
    };
    let fp = *context.gpr(29);
    for (i, argument) in arguments(fp).into_iter().enumerate() {
        *context.c_param_mut(i) = argument;
    }
    *context.sp_mut() &= !15;
    *context.pc_mut() = pc;
    tcb.tcb_write_all_registers(true, &mut context).is_ok()
}
