// SPDX-License-Identifier: BSD-2-Clause
//! The process server without its platform.
//!
//! A guest is one wasmtime instance on one thread, with one memory budget and one table of handles.
//! Hostcalls run on the guest's own thread, as plain calls; what they share with other guests sits
//! behind short locks, one per object.
//!
//! # Locks
//! They are taken in this order, and hardly ever two at once:
//!
//! 1. the frames of a region, while they are mapped or copied;
//! 2. a guest's handles;
//! 3. the registry;
//! 4. the generator of random numbers;
//! 5. the code of a loaded module; the windows, or the listeners, of a region; the line of a service; a process's life; a place's;
//! 6. a device, then a guest's devices;
//! 7. the processes;
//! 8. a mailbox; whether a guest has alarms;
//! 9. the alarms.
//!
//! No lock is held across a wake or a wait, because the kernel may switch to the woken thread at once;
//! nor where a guest's memory is touched that may be a window, because the guest may end right there.
//!
//! One thread is not a guest's: the service thread, above every guest in priority. It starts what the
//! spec lists, ends guests whose time is over, fires timers, and takes back what ended guests held.
//!
//! Nothing here knows seL4, and nothing here is unsafe: see [`platform`].
#![no_std]
#![forbid(unsafe_code)]
// Whatever a guest says, the server does not panic.
#![cfg_attr(
    not(test),
    deny(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic,
        clippy::unreachable,
        clippy::indexing_slicing
    )
)]

extern crate alloc;

mod authority;
mod calls;
mod common;
mod context;
mod description;
mod device;
mod entropy;
mod grant;
mod guest;
mod handle;
mod lifecycle;
mod link;
mod loaded;
mod logs;
mod modules;
mod place;
pub mod platform;
mod process;
mod region;
mod report;
mod resource;
mod server;
mod service;
mod session;
mod start;
mod timer;
mod watch;

pub use guest::{Guest, Life};
pub use process::Outcome;
pub use server::{Server, SetupError};

/// A lock of the platform.
pub(crate) type Lock<P, T> = lock_api::Mutex<<P as platform::Platform>::Lock, T>;
