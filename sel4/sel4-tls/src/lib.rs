// SPDX-License-Identifier: BSD-2-Clause
//! Thread-local storage for threads that a program makes itself, on AArch64.
//!
//! Layout (ELF for the Arm 64-bit Architecture, "variant 1"): TPIDR_EL0 points to a head of two words,
//! which the runtime may use; the program's TLS segment follows at the first address behind the head
//! that has the segment's alignment. A [`TlsImage`] tells the [`layout`](TlsImage::layout) of a block
//! and fills one in.
//!
//! # Starting a thread
//! seL4 5.0.0 does not pass TPIDR_EL0 in a thread's registers, so a new thread sets it itself, before
//! any compiled code: [`ThreadStart::registers`] gives the registers with which [`thread_entry`] does.
#![no_std]

mod image;
#[cfg(target_arch = "aarch64")]
mod thread;

pub use image::{ImageError, TlsImage};
#[cfg(target_arch = "aarch64")]
pub use thread::{StartRegisters, ThreadStart, set_thread_pointer, thread_entry, thread_pointer};
