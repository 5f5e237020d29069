// SPDX-License-Identifier: BSD-2-Clause
//! The process server without its platform.
//!
//! A guest is one wasmtime instance on one thread, with one memory budget and one table of handles.
//! Hostcalls run on the guest's own thread, as plain calls; what they share with other guests sits
//! behind short locks, one per object, taken in this order: a guest's handles, a region's doorbell
//! or windows, a mailbox, the timers. No lock is held across a wake or a wait, because the kernel may
//! switch to the woken thread at once.
//!
//! One thread is not a guest's: the service thread, above every guest in priority. It starts what the
//! spec lists, ends guests whose deadline passes, and takes back what ended guests held.
//!
//! Nothing here knows seL4, and nothing here is unsafe: see [`platform`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod calls;
mod description;
mod guest;
mod handle;
mod link;
mod mailbox;
mod modules;
pub mod platform;
mod region;
mod report;
mod server;
mod timer;
mod token;

pub use guest::{Guest, Outcome};
pub use server::{Server, SetupError};

/// A lock of the platform.
pub(crate) type Lock<P, T> = lock_api::Mutex<<P as platform::Platform>::Lock, T>;
