// SPDX-License-Identifier: BSD-2-Clause
//! The messages that the kernel sends to a faulting thread's handler.

use crate::{IpcBuffer, MessageInfo, Word, sys};

/// Why a thread stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// No fault; also any label that is none.
    NullFault(NullFault),
    /// A capability address that leads nowhere.
    CapFault(CapFault),
    /// A system call number that the kernel does not know.
    UnknownSyscall(UnknownSyscall),
    /// An undefined instruction, a breakpoint and the like.
    UserException(UserException),
    /// An access that the address space does not allow.
    VmFault(VmFault),
}

macro_rules! faults {
    ($($(#[$doc:meta])* $name:ident: $inner:ident {
        $($field:ident: $getter:ident = $index:expr, $field_doc:literal;)*
    })*) => {
        $(
            $(#[$doc])*
            #[derive(Clone, PartialEq, Eq)]
            pub struct $name(sys::$inner);

            impl $name {
                fn decode(words: &[Word]) -> Self {
                    // Short or foreign messages read as zeros.
                    let word = |index: Word| words.get(index as usize).copied().unwrap_or(0);
                    let _ = &word;
                    Self(sys::$inner::new($(word($index)),*))
                }

                $(
                    #[doc = $field_doc]
                    pub fn $field(&self) -> Word {
                        self.0.$getter()
                    }
                )*

                /// The kernel's form.
                pub const fn inner(&self) -> &sys::$inner {
                    &self.0
                }
            }

            impl core::fmt::Debug for $name {
                fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                    f.debug_struct(stringify!($name))
                        $(.field(stringify!($field), &format_args!("{:#x}", self.$field())))*
                        .finish()
                }
            }
        )*
    };
}

faults! {
    /// No fault.
    NullFault: seL4_Fault_NullFault {}
    /// A capability address that leads nowhere.
    CapFault: seL4_Fault_CapFault {
        ip: get_ip = sys::seL4_CapFault_IP, "Address of the system call instruction.";
        addr: get_addr = sys::seL4_CapFault_Addr, "The capability address.";
        in_recv_phase_word: get_in_recv_phase = sys::seL4_CapFault_InRecvPhase, "1 if it was to receive from.";
        lookup_failure_type: get_lookup_failure_type = sys::seL4_CapFault_LookupFailureType, "`seL4_LookupFailureType`.";
        mr4: get_mr4 = sys::seL4_CapFault_BitsLeft, "Detail, by the type.";
        mr5: get_mr5 = sys::seL4_CapFault_GuardMismatch_GuardFound, "Detail, by the type.";
        mr6: get_mr6 = sys::seL4_CapFault_GuardMismatch_BitsFound, "Detail, by the type.";
    }
    /// A system call number that the kernel does not know.
    UnknownSyscall: seL4_Fault_UnknownSyscall {
        x0: get_x0 = sys::seL4_UnknownSyscall_X0, "Register.";
        x1: get_x1 = sys::seL4_UnknownSyscall_X1, "Register.";
        x2: get_x2 = sys::seL4_UnknownSyscall_X2, "Register.";
        x3: get_x3 = sys::seL4_UnknownSyscall_X3, "Register.";
        x4: get_x4 = sys::seL4_UnknownSyscall_X4, "Register.";
        x5: get_x5 = sys::seL4_UnknownSyscall_X5, "Register.";
        x6: get_x6 = sys::seL4_UnknownSyscall_X6, "Register.";
        x7: get_x7 = sys::seL4_UnknownSyscall_X7, "Register.";
        fault_ip: get_fault_ip = sys::seL4_UnknownSyscall_FaultIP, "Address of the system call instruction; a reply that leaves it as it is repeats the call.";
        sp: get_sp = sys::seL4_UnknownSyscall_SP, "Stack pointer.";
        lr: get_lr = sys::seL4_UnknownSyscall_LR, "Exception link register.";
        spsr: get_spsr = sys::seL4_UnknownSyscall_SPSR, "Saved program status.";
        syscall: get_syscall = sys::seL4_UnknownSyscall_Syscall, "The number.";
    }
    /// An undefined instruction, a breakpoint and the like.
    UserException: seL4_Fault_UserException {
        fault_ip: get_fault_ip = sys::seL4_UserException_FaultIP, "Address of the instruction.";
        stack: get_stack = sys::seL4_UserException_SP, "Stack pointer.";
        spsr: get_spsr = sys::seL4_UserException_SPSR, "Saved program status.";
        number: get_number = sys::seL4_UserException_Number, "Cause; 0 in seL4 5.0.0, which does not tell.";
        code: get_code = sys::seL4_UserException_Code, "Code.";
    }
    /// An access that the address space does not allow.
    VmFault: seL4_Fault_VMFault {
        ip: get_ip = sys::seL4_VMFault_IP, "Address of the instruction.";
        addr: get_addr = sys::seL4_VMFault_Addr, "Address of the access.";
        is_prefetch_word: get_prefetch_fault = sys::seL4_VMFault_PrefetchFault, "1 if it was an instruction fetch.";
        fsr: get_fsr = sys::seL4_VMFault_FSR, "ESR_EL1 of the abort (Arm ARM, D17.2.37).";
    }
}

impl CapFault {
    /// Whether the address was to receive from.
    pub fn in_recv_phase(&self) -> bool {
        self.in_recv_phase_word() != 0
    }
}

impl VmFault {
    /// Whether the access was an instruction fetch.
    pub fn is_prefetch(&self) -> bool {
        self.is_prefetch_word() != 0
    }
}

impl UnknownSyscall {
    /// Register `ix`, 0 to 7.
    ///
    /// # Panics
    /// For other numbers.
    pub fn gpr(&self, ix: usize) -> Word {
        [
            self.x0(),
            self.x1(),
            self.x2(),
            self.x3(),
            self.x4(),
            self.x5(),
            self.x6(),
            self.x7(),
        ][ix]
    }
}

impl Fault {
    /// Decodes a message received on a fault endpoint: its words have to be in the buffer, as `recv`
    /// leaves them.
    pub fn new(ipc_buffer: &IpcBuffer, info: &MessageInfo) -> Self {
        let words = ipc_buffer.msg_regs();
        let words = &words[..info.length().min(words.len())];
        match info.label() {
            sys::seL4_Fault_tag_CapFault => Self::CapFault(CapFault::decode(words)),
            sys::seL4_Fault_tag_UnknownSyscall => {
                Self::UnknownSyscall(UnknownSyscall::decode(words))
            }
            sys::seL4_Fault_tag_UserException => Self::UserException(UserException::decode(words)),
            sys::seL4_Fault_tag_VMFault => Self::VmFault(VmFault::decode(words)),
            _ => Self::NullFault(NullFault::decode(words)),
        }
    }
}
