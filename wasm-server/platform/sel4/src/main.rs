// SPDX-License-Identifier: BSD-2-Clause
//! The process server on seL4: the platform below `wasm-server-core`.
//!
//! This crate is one of the few with unsafe code. What it rests on: the root task's handoff is true
//! (`wasm-handoff`), the kernel keeps its promises, and artifacts with a good signature were made by
//! `atoll build`. Guests are trusted with nothing.
#![no_std]
#![no_main]
#![feature(thread_local)]

extern crate alloc;

mod access;
mod account;
mod arena;
#[cfg(feature = "bench")]
mod bench;
mod boot;
mod clock;
mod code;
mod console;
mod cspace;
mod debugger;
mod device;
mod fault;
mod frames;
mod heap;
mod home;
mod image;
mod lock;
mod mem;
mod memory;
mod pages;
mod place;
mod platform;
mod pool;
mod region;
mod shared;
mod space;
mod steps;
mod symbols;
mod vspace;

use core::panic::PanicInfo;

/// A bug of the server: it says so, and faults, which has the root task report it and start it again.
#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    console::last_words(format_args!("server panicked: {info}"));
    // SAFETY: raises an exception; the thread never goes on from here.
    unsafe { core::arch::asm!("brk #0xa701", options(noreturn)) }
}
