// SPDX-License-Identifier: BSD-2-Clause
//! What the process server and its guests agree on: hostcalls, errors, handles, rights, the layout
//! of the wake mailbox and the parameters of a guest's start.
//!
//! Nothing here does anything. The server takes every value of a guest as an allegation and checks
//! it; a guest trusts the server.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod error;
mod hostcall;
pub mod mailbox;
mod rights;
mod start;

pub use error::Error;
pub use hostcall::{Group, Hostcall, Param, TABLE, from_wire, to_wire};
pub use rights::Rights;
pub use start::{Cap, Params};

/// The wasm page, in bytes: the unit of shared regions and of their windows.
pub const PAGE: u32 = 65536;

/// A capability of a guest: an index into its table and the generation of that entry, so that a
/// stale handle is told from the one that took its place. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Handle(pub u32);

/// A process: its place in the server and the generation of that place. Never 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(transparent)]
pub struct Pid(pub u32);

/// Longest text that a hostcall takes, in bytes; what is behind is cut.
pub const MAX_TEXT: usize = 1024;

/// Bytes of a share token: 128 unguessable bits.
pub const TOKEN_BYTES: usize = 16;

/// How urgent a line of the log is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Level {
    /// Something failed.
    Error = 0,
    /// Something looks wrong.
    Warn = 1,
    /// What a user wants to see.
    Info = 2,
    /// What a developer wants to see.
    Debug = 3,
}

impl Level {
    /// The level with this number.
    pub const fn from_wire(number: u32) -> Option<Self> {
        match number {
            0 => Some(Self::Error),
            1 => Some(Self::Warn),
            2 => Some(Self::Info),
            3 => Some(Self::Debug),
            _ => None,
        }
    }
}
