// SPDX-License-Identifier: BSD-2-Clause
//! What the fs guest does with the requests of its clients. It knows no hostcalls and no disks: a file system is what
//! `fs-ext4` makes of any disk, and so all of it is tested on the host.
//!
//! * [`config`]: what the arguments of the fs guest say.
//! * `path`: the way from a directory that a client has, and never out of it.
//! * [`Rules`]: what of that holds at present.
//! * [`Session`]: a client, what it has open, and what it may do.
//!
//! Nothing that a client asks makes any of this panic.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(test)]
extern crate std;

pub mod config;
mod error;
mod path;
mod rules;
mod session;
#[cfg(test)]
mod tests;

pub use error::told;
pub use rules::Rules;
pub use session::{Refusal, Session};
