// SPDX-License-Identifier: BSD-2-Clause
//! The guest library: what a program needs to be a guest of an Atoll process server.
//!
//! A guest is a `no_std` program for `wasm32-unknown-unknown` with one thread. It says where it
//! begins with [`entrypoint!`], is told its arguments and capabilities by [`start`], and reaches the
//! world through the other modules, one for each group of hostcalls. It imports only the calls it
//! uses, and runs only if its spec grants their groups.
//!
//! ```ignore
//! #![no_std]
//! #![no_main]
//! #![forbid(unsafe_code)]
//!
//! userland::entrypoint!(main);
//!
//! fn main() {
//!     userland::info!("hello");
//! }
//! ```
//!
//! The library brings the panic handler (a panic ends the guest, and its message is in the log) and
//! the global allocator. Nothing in here is `unsafe` for its users: unsafe code is in the module
//! `sys`, and what others can write at the same time is only ever touched through atomics.
//!
//! For other targets than wasm only what needs no server is built: for unit tests.
#![no_std]
#![deny(unsafe_code)]
#![cfg_attr(feature = "faults", feature(asm_experimental_arch))]

extern crate alloc;

#[cfg(any(test, target_family = "wasm"))]
mod list;
#[cfg(any(test, target_family = "wasm"))]
mod mailbox;
mod sys;
#[cfg(any(test, target_family = "wasm"))]
mod text;

pub mod exit;
pub mod handle;
pub mod shm;
pub mod start;
pub mod time;

#[cfg(target_family = "wasm")]
pub mod console;
#[cfg(target_family = "wasm")]
pub mod entropy;
#[cfg(target_family = "wasm")]
pub mod introspect;
#[cfg(target_family = "wasm")]
pub mod log;
#[cfg(target_family = "wasm")]
pub mod process;
#[cfg(target_family = "wasm")]
pub mod session;
#[cfg(target_family = "wasm")]
pub mod singleton;
#[cfg(target_family = "wasm")]
pub mod wake;

#[cfg(all(target_family = "wasm", feature = "faults"))]
pub use sys::faults;
#[cfg(all(target_family = "wasm", feature = "raw"))]
pub use sys::raw;

pub use atoll_abi::{
    Error, Group, Groups, Handle, Level, Limits, MAX_TEXT, PAGE, Pid, ProcessState, Rights,
};

#[doc(hidden)]
#[cfg(target_family = "wasm")]
pub use sys::entry::finish as __finish;
