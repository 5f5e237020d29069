// SPDX-License-Identifier: BSD-2-Clause
//! seL4 capabilities, invocations and messages for AArch64, one core, without MCS.
//!
//! Names and signatures are those of the upstream Rust bindings (`rust-sel4`), as far as this project
//! uses them. What differs between kernel versions lies in the private module `abi`; what upstream
//! does not have lies in the crate `sel4-ext`.
//!
//! # Messages and the IPC buffer
//! An invocation needs the calling thread's IPC buffer. It is found through the capability's context:
//! by default ([`ImplicitInvocationContext`]) that is a thread-local slot which [`set_ipc_buffer`]
//! fills once per thread, so thread-local storage has to work before. A context can also be given
//! explicitly (`cap.with(&mut buffer)`). [`cap::Notification`]'s `signal`, `wait` and `poll` need no
//! buffer and no context.
//!
//! # Safety of memory
//! Invocations are safe functions: they act through capabilities, on objects. A caller that retypes,
//! maps or unmaps memory which its own Rust code uses breaks that code all the same; whoever hands out
//! capabilities to such memory has to keep the two apart.
#![no_std]
#![feature(thread_local)]

mod abi;
mod bootinfo;
mod cap_rights;
mod cptr;
mod debug;
mod error;
mod fault;
mod invocation_context;
mod invocations;
mod ipc;
mod ipc_buffer;
mod message_info;
mod object;
mod state;
mod user_context;
mod vspace;

pub mod init_thread;

pub use bootinfo::{BootInfo, BootInfoPtr, UntypedDesc};
pub use cap_rights::{CNodeCapData, CapRights, CapRightsBuilder};
pub use cptr::{
    AbsoluteCPtr, CPtr, CPtrBits, CPtrWithDepth, Cap, CapType, HasCPtrWithDepth, cap, cap_type,
};
#[cfg(sel4_debug_build)]
pub use debug::debug_halt;
#[cfg(sel4_printing)]
pub use debug::{DebugWrite, debug_put_char};
pub use error::{Error, Result};
pub use fault::{CapFault, Fault, NullFault, UnknownSyscall, UserException, VmFault};
pub use invocation_context::{
    ImplicitInvocationContext, InvocationContext, NoExplicitInvocationContext,
};
pub use ipc::{
    CallWithMRs, ConveysReplyAuthority, FastMessages, ImplicitReplyAuthority, RecvWithMRs,
    WaitMessageInfo, reply, r#yield,
};
pub use ipc_buffer::IpcBuffer;
pub use message_info::{MessageInfo, MessageInfoBuilder};
pub use object::{
    CapTypeForObject, CapTypeForObjectOfFixedSize, CapTypeForObjectOfVariableSize, ObjectBlueprint,
    ObjectBlueprintAArch64, ObjectBlueprintArch, ObjectBlueprintArm, ObjectBlueprintSeL4Arch,
    ObjectType, ObjectTypeAArch64, ObjectTypeArch, ObjectTypeArm, ObjectTypeSeL4Arch,
};
pub use sel4_sys as sys;
pub use sel4_sys::{sel4_cfg_bool, sel4_cfg_str, sel4_cfg_usize, sel4_cfg_word};
pub use state::{
    ipc_buffer_is_thread_local, set_ipc_buffer, try_with_ipc_buffer_slot,
    try_with_ipc_buffer_slot_mut, with_ipc_buffer, with_ipc_buffer_mut,
};
pub use user_context::UserContext;
pub use vspace::{
    CapTypeForFrameObject, CapTypeForFrameObjectOfFixedSize, CapTypeForTranslationTableObject,
    FrameObjectType, TranslationTableObjectType, VmAttributes, vspace_levels,
};

/// The kernel's configuration.
pub mod config {
    pub use sel4_sys::{sel4_cfg_bool, sel4_cfg_str, sel4_cfg_usize, sel4_cfg_word};
}

/// The machine word.
pub type Word = sys::seL4_Word;
/// What a receiver learns about the capability that a sender used.
pub type Badge = Word;

/// Bytes of a machine word.
pub const WORD_SIZE: usize = size_of::<Word>();
/// Words of a message.
pub const NUM_MESSAGE_REGISTERS: usize = sys::seL4_MsgMaxLength as usize;
/// Words of a message that travel in processor registers.
pub const NUM_FAST_MESSAGE_REGISTERS: usize = sys::syscalls::REGISTERS;

// The implementation of pointers and indices relies on it.
const _: () = assert!(usize::BITS == 64 && sel4_cfg_usize!(WORD_SIZE) == 64);
const _: () = assert!(sel4_cfg_usize!(MAX_NUM_NODES) == 1 && !sel4_cfg_bool!(KERNEL_MCS));
