// SPDX-License-Identifier: BSD-2-Clause
//! What the process server and its guests agree on: hostcalls, errors, handles, rights, messages, the
//! layout of the wake mailbox and the parameters of a guest's start. And what guests agree on among
//! themselves: how frames lie in a channel, and the protocols of services.
//!
//! Nothing here does anything. The server takes every value of a guest as an allegation and checks
//! it; a guest trusts the server.
#![no_std]
#![forbid(unsafe_code)]

#[cfg(feature = "alloc")]
extern crate alloc;

pub mod channel;
pub mod console;
pub mod describe;
mod error;
#[cfg(feature = "alloc")]
pub mod fs;
mod group;
pub mod hostcall;
pub mod init;
pub mod mailbox;
pub mod message;
pub mod net;
mod rights;
mod service_error;
#[cfg(feature = "alloc")]
mod start;
mod table;

use describe::constants;

pub use error::Error;
pub use group::{Group, Groups};
pub use hostcall::{Form, Hostcall, Param, from_wire, to_wire};
pub use message::{Level, Limits, ProcessState};
pub use rights::{NoRights, Rights};
#[cfg(feature = "alloc")]
pub use start::{Cap, Params};
pub use table::TABLE;

constants! {
    /// The wasm page, in bytes: the unit of shared regions and of their windows.
    PAGE: u32 = 65536;
    /// Longest text that a hostcall takes, in bytes; what is behind is cut.
    MAX_TEXT: u32 = 1024;
    /// Longest message that a message call takes, in bytes.
    MAX_REQUEST: u32 = 4096;
    /// Bytes of the buffer for the reply of a message call.
    MAX_REPLY: u32 = 1024;
    /// Most wasm pages of one region.
    MAX_REGION_PAGES: u32 = 1024;
    /// Most bytes of one call of `entropy::fill`, `entropy_source::feed`, `shm::read` and `shm::write`.
    MAX_TRANSFER: u32 = 65536;
    /// Most bytes of a module that a guest loads, signature and all.
    MAX_MODULE: u32 = 8388608;
    /// The deadline that never comes.
    NEVER: u64 = u64::MAX;
    /// What `process::wait` answers for a process that failed.
    FAILED: u64 = 1 << 32;
    /// The task that is put into the mailbox of a process that is asked to stop.
    TASK_STOP: u32 = u32::MAX;
}

/// A capability of a guest: an index into its table and the generation of that entry, so that a
/// stale handle is told from the one that took its place. Never 0.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(transparent)]
pub struct Handle(pub u32);

/// A process: its place in the server and the generation of that place. Never 0.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Pid(pub u32);

/// A timer of a guest, until it fires or is cancelled. Below 2^63.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct TimerId(pub u64);
