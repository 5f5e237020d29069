// SPDX-License-Identifier: BSD-2-Clause
//! The application binary interface of the kernel that `SEL4_PREFIX` names.
//!
//! Everything but the system call instruction itself is generated at build time from the kernel's
//! own interface files: another kernel version is another input. Names are libsel4's.
#![no_std]
#![allow(non_camel_case_types, non_snake_case, non_upper_case_globals)]

pub mod syscalls;

mod generated {
    #![allow(unused_qualifications, clippy::all)]
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}
pub use generated::*;

const _: () = {
    // The kernel finds each part of the buffer by its offset (`seL4_IPCBuffer` in libsel4).
    assert!(size_of::<seL4_IPCBuffer>() == 1024);
    assert!(core::mem::offset_of!(seL4_IPCBuffer, msg) == 8);
    assert!(core::mem::offset_of!(seL4_IPCBuffer, caps_or_badges) == 976);
};
