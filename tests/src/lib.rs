// SPDX-License-Identifier: BSD-2-Clause
//! System tests: boot images in QEMU and look at the serial line as a user would; and the benchmarks,
//! which are images too.
//!
//! The tests put their images together with the host tool, out of what the build has made;
//! [`build::Build`] says where it is looked for. `make system-tests` names it all.
#![forbid(unsafe_code)]

pub mod bench;
pub mod build;
pub mod chaos;
pub mod clients;
pub mod console;
pub mod devices;
pub mod disks;
pub mod drill;
pub mod machine;
mod monitor;
pub mod pattern;
pub mod raw_spec;
pub mod scratch;
pub mod session;
pub mod spec;
pub mod wire;
