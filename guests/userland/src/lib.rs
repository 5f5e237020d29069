// SPDX-License-Identifier: BSD-2-Clause
//! The guest library: what a program needs to be a guest of an Atoll process server.
//!
//! A guest is a `no_std` program for `wasm32-unknown-unknown` with one thread. It says where it
//! begins with [`entrypoint`], is told its arguments and capabilities by [`start`], and reaches the
//! world through the other modules, one for each group of hostcalls. It imports only the calls it
//! uses, and runs only if its spec grants their groups.
//!
//! ```no_run
//! #![no_std]
//! #![no_main]
//! #![forbid(unsafe_code)]
//!
//! #[userland::entrypoint]
//! fn main() {
//!     userland::info!("hello");
//! }
//! ```
//!
//! The library brings the panic handler (a panic ends the guest, and its message is in the log) and
//! the global allocator. Nothing in here is `unsafe` for its users: unsafe code is in the module
//! `sys`, and what others can write at the same time is only ever touched through atomics.
//!
//! It is built for the machine that builds guests, too, for unit tests and for the examples in here.
//! There is no server there, and every hostcall is refused with [`Error::NotGranted`].
#![no_std]
#![deny(unsafe_code, missing_docs)]
#![cfg_attr(
    loom,
    allow(
        dead_code,
        unused_imports,
        reason = "models need the ends of channels, and no more"
    )
)]
#![cfg_attr(feature = "faults", feature(asm_experimental_arch))]

extern crate alloc;

#[cfg(not(target_family = "wasm"))]
extern crate std;

#[cfg(all(test, not(loom)))]
mod fake;
mod list;
mod mailbox;
mod sys;
mod text;

pub mod channel;
pub mod console;
pub mod device;
pub mod entropy;
pub mod entropy_source;
pub mod exit;
#[cfg(not(loom))]
pub mod fs;
pub mod future;
pub mod handle;
pub mod health;
#[cfg(not(loom))]
pub mod init;
pub mod introspect;
pub mod log;
pub mod logs;
pub mod module;
#[cfg(not(loom))]
pub mod net;
#[cfg(not(loom))]
pub mod port;
pub mod power;
pub mod process;
#[cfg(not(loom))]
pub mod rpc;
pub mod session;
pub mod shm;
pub mod singleton;
pub mod start;
pub mod task;
pub mod time;
pub mod wake;

#[cfg(all(target_family = "wasm", feature = "faults"))]
pub use sys::faults;
#[cfg(all(target_family = "wasm", feature = "raw"))]
pub use sys::raw;

pub use atoll_abi::{
    Error, Group, Groups, Handle, Level, Limits, MAX_TEXT, PAGE, Pid, ProcessState, Rights,
};

/// Makes a function the one that the guest begins with. When it returns, the guest ends.
///
/// It may be `async`: then it is run by [`task::block_on`], and tasks that are not done when it returns are
/// dropped. It may take what the guest was told, a [`Start`](start::Start). What it returns is a
/// [`Termination`](exit::Termination): nothing, an exit code, or a result of one of them.
///
/// ```no_run
/// #![no_main]
///
/// use core::time::Duration;
/// use userland::{Error, info, start::Start, time::sleep};
///
/// #[userland::entrypoint]
/// async fn main(start: Start) -> Result<(), Error> {
///     info!("{} rests", start.name());
///     sleep(Duration::from_secs(1)).await;
///     Ok(())
/// }
/// ```
///
/// What cannot be one is refused when it is compiled:
///
/// ```compile_fail
/// #![no_main]
///
/// #[userland::entrypoint]
/// fn main(name: &str, rounds: u32) {}
/// ```
pub use userland_macros::entrypoint;

#[doc(hidden)]
pub use sys::entry::{finish as __finish, run as __run, with_start as __with_start};
