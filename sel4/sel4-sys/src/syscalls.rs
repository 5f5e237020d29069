// SPDX-License-Identifier: BSD-2-Clause
//! The system call instruction.
//!
//! AArch64 convention (libsel4, `sel4_arch/syscalls.h`): x7 holds the number, x0 the capability
//! going in and the badge coming out, x1 the message's description, x2 to x5 its first four words.
//! The kernel preserves all other registers. Messages longer than four words and capabilities pass
//! through the thread's IPC buffer. The calls that use it take a pointer to it and hand that to the
//! assembler block: otherwise the compiler could conclude from an exclusive reference that the kernel
//! does not see the words written through it. The pointer is never followed here.
//!
//! These functions are safe: a system call acts on memory only through a capability that the thread
//! holds, and who creates objects out of memory that Rust code uses (retyping or mapping it) has to
//! uphold that memory's invariants where the capability for it is obtained.

use core::arch::asm;

use crate::{seL4_CPtr, seL4_IPCBuffer, seL4_MessageInfo, seL4_Word, syscall_id};

/// Message words that travel in registers.
pub const REGISTERS: usize = 4;

/// What a call or a receive brings.
#[derive(Clone, Copy, Debug)]
pub struct Received {
    /// Description of the message.
    pub info: seL4_MessageInfo,
    /// Badge of the capability that the sender used, or the notification's bits.
    pub badge: seL4_Word,
    /// First four words of the message.
    pub mrs: [seL4_Word; REGISTERS],
}

#[inline(always)]
fn exchange(
    number: i64,
    target: seL4_CPtr,
    info: seL4_MessageInfo,
    mrs: [seL4_Word; REGISTERS],
    buffer: *mut seL4_IPCBuffer,
) -> Received {
    let (badge, info_out);
    let mut words = mrs;
    // SAFETY: `svc #0` enters the kernel, which changes only the registers named here and memory that
    // the assembler block is assumed to touch (the IPC buffer; it is not `nomem`). Nothing is pushed.
    unsafe {
        asm!(
            "svc #0",
            in("x7") number,
            in("x8") buffer,
            inlateout("x0") target => badge,
            inlateout("x1") info.0[0] => info_out,
            inlateout("x2") words[0],
            inlateout("x3") words[1],
            inlateout("x4") words[2],
            inlateout("x5") words[3],
            options(nostack, preserves_flags),
        );
    }
    Received {
        info: seL4_MessageInfo([info_out]),
        badge,
        mrs: words,
    }
}

#[inline(always)]
fn emit(
    number: i64,
    target: seL4_CPtr,
    info: seL4_MessageInfo,
    mrs: [seL4_Word; REGISTERS],
    buffer: *mut seL4_IPCBuffer,
) {
    // SAFETY: As for `exchange`; a send brings nothing back, yet the registers are taken as clobbered.
    unsafe {
        asm!(
            "svc #0",
            in("x7") number,
            in("x8") buffer,
            inlateout("x0") target => _,
            inlateout("x1") info.0[0] => _,
            inlateout("x2") mrs[0] => _,
            inlateout("x3") mrs[1] => _,
            inlateout("x4") mrs[2] => _,
            inlateout("x5") mrs[3] => _,
            options(nostack, preserves_flags),
        );
    }
}

#[inline(always)]
fn listen(number: i64, source: seL4_CPtr, buffer: *mut seL4_IPCBuffer) -> Received {
    let (badge, info);
    let mut mrs = [0; REGISTERS];
    // SAFETY: As for `exchange`. The kernel may leave x1 to x5 alone (a notification brings only a
    // badge), so they go in as zero rather than undefined.
    unsafe {
        asm!(
            "svc #0",
            in("x7") number,
            in("x8") buffer,
            inlateout("x0") source => badge,
            inlateout("x1") 0_u64 => info,
            inlateout("x2") mrs[0],
            inlateout("x3") mrs[1],
            inlateout("x4") mrs[2],
            inlateout("x5") mrs[3],
            options(nostack, preserves_flags),
        );
    }
    Received {
        info: seL4_MessageInfo([info]),
        badge,
        mrs,
    }
}

/// `seL4_Call`: sends and waits for the reply.
#[inline(always)]
pub fn call(
    target: seL4_CPtr,
    info: seL4_MessageInfo,
    mrs: [seL4_Word; REGISTERS],
    buffer: *mut seL4_IPCBuffer,
) -> Received {
    exchange(syscall_id::Call, target, info, mrs, buffer)
}

/// `seL4_ReplyRecv`: answers the last caller, then receives.
#[inline(always)]
pub fn reply_recv(
    source: seL4_CPtr,
    info: seL4_MessageInfo,
    mrs: [seL4_Word; REGISTERS],
    buffer: *mut seL4_IPCBuffer,
) -> Received {
    exchange(syscall_id::ReplyRecv, source, info, mrs, buffer)
}

/// `seL4_Send`.
#[inline(always)]
pub fn send(
    target: seL4_CPtr,
    info: seL4_MessageInfo,
    mrs: [seL4_Word; REGISTERS],
    buffer: *mut seL4_IPCBuffer,
) {
    emit(syscall_id::Send, target, info, mrs, buffer);
}

/// `seL4_NBSend`: drops the message where nobody waits for it.
#[inline(always)]
pub fn nb_send(
    target: seL4_CPtr,
    info: seL4_MessageInfo,
    mrs: [seL4_Word; REGISTERS],
    buffer: *mut seL4_IPCBuffer,
) {
    emit(syscall_id::NBSend, target, info, mrs, buffer);
}

/// `seL4_Reply`: answers the last caller.
#[inline(always)]
pub fn reply(info: seL4_MessageInfo, mrs: [seL4_Word; REGISTERS], buffer: *mut seL4_IPCBuffer) {
    emit(syscall_id::Reply, 0, info, mrs, buffer);
}

/// `seL4_Recv`.
#[inline(always)]
pub fn recv(source: seL4_CPtr, buffer: *mut seL4_IPCBuffer) -> Received {
    listen(syscall_id::Recv, source, buffer)
}

/// `seL4_NBRecv`: a badge of 0 where nothing waits.
#[inline(always)]
pub fn nb_recv(source: seL4_CPtr, buffer: *mut seL4_IPCBuffer) -> Received {
    listen(syscall_id::NBRecv, source, buffer)
}

/// `seL4_Signal`: a send without a message.
#[inline(always)]
pub fn signal(notification: seL4_CPtr) {
    // SAFETY: As for `exchange`. With a length of 0 the kernel reads no message register; that it
    // writes none back is not assumed.
    unsafe {
        asm!(
            "svc #0",
            in("x7") syscall_id::Send,
            inlateout("x0") notification => _,
            inlateout("x1") 0_u64 => _,
            options(nostack, preserves_flags),
        );
    }
}

/// `seL4_Wait`: the badge bits of the notification, which become 0.
#[inline(always)]
pub fn wait(notification: seL4_CPtr) -> seL4_Word {
    let badge;
    // SAFETY: As for `exchange`; should the capability be an endpoint, a message may arrive in x1 to x5.
    unsafe {
        asm!(
            "svc #0",
            in("x7") syscall_id::Recv,
            inlateout("x0") notification => badge,
            lateout("x1") _,
            lateout("x2") _,
            lateout("x3") _,
            lateout("x4") _,
            lateout("x5") _,
            options(nostack, preserves_flags),
        );
    }
    badge
}

/// Signals one notification, then waits on another; answers the badge bits of that one. One system call
/// where the kernel has it, else two.
#[inline(always)]
pub fn signal_wait(signalled: seL4_CPtr, awaited: seL4_CPtr) -> seL4_Word {
    let Some(number) = syscall_id::SignalWait else {
        signal(signalled);
        return wait(awaited);
    };
    let badge;
    // SAFETY: As for `wait`.
    unsafe {
        asm!(
            "svc #0",
            in("x6") signalled,
            in("x7") number,
            inlateout("x0") awaited => badge,
            lateout("x1") _,
            lateout("x2") _,
            lateout("x3") _,
            lateout("x4") _,
            lateout("x5") _,
            options(nostack, preserves_flags),
        );
    }
    badge
}

/// `seL4_NBRecv` of a notification: its bits as the badge, which become 0; a badge of 0 where there are none.
#[inline(always)]
pub fn poll(notification: seL4_CPtr) -> Received {
    listen(syscall_id::NBRecv, notification, core::ptr::null_mut())
}

/// `seL4_Yield`: gives the rest of the time slice to threads of the same priority.
#[inline(always)]
pub fn yield_now() {
    // SAFETY: As for `exchange`; the call takes and brings nothing.
    unsafe { asm!("svc #0", in("x7") syscall_id::Yield, options(nostack, preserves_flags)) }
}

/// `seL4_DebugPutChar`: a byte to the kernel's console.
#[cfg(sel4_debug_build)]
#[inline]
pub fn debug_put_char(byte: u8) {
    emit(
        syscall_id::DebugPutChar,
        u64::from(byte),
        seL4_MessageInfo([0]),
        [0; REGISTERS],
        core::ptr::null_mut(),
    );
}

/// `seL4_DebugHalt`: ends the machine.
#[cfg(sel4_debug_build)]
#[inline]
pub fn debug_halt() {
    emit(
        syscall_id::DebugHalt,
        0,
        seL4_MessageInfo([0]),
        [0; REGISTERS],
        core::ptr::null_mut(),
    );
}

/// `seL4_DebugCapIdentify`: the kernel's number for the kind of the capability.
#[cfg(sel4_debug_build)]
#[inline]
pub fn debug_cap_identify(cap: seL4_CPtr) -> seL4_Word {
    exchange(
        syscall_id::DebugCapIdentify,
        cap,
        seL4_MessageInfo([0]),
        [0; REGISTERS],
        core::ptr::null_mut(),
    )
    .badge
}
