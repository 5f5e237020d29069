// SPDX-License-Identifier: BSD-2-Clause
//! The one room of unsafe code of the guest library, and of the guests.
//!
//! Three facts carry the arguments in here. A guest has one thread, and a hostcall does not call back
//! into the guest: so nothing in the guest runs at the same time as anything else in it. The server
//! is trusted: it writes to the guest's memory only where a hostcall or the mailbox says, and answers
//! what the ABI says. Other guests are not: they write at any time, but only to the windows onto
//! regions that they have too.
#![allow(unsafe_code)]

pub(crate) mod calls;
#[cfg(not(loom))]
pub(crate) mod cells;
#[cfg_attr(loom, expect(dead_code, reason = "models have cells of their own"))]
mod copy;
pub(crate) mod entry;
#[cfg(all(target_family = "wasm", feature = "faults"))]
pub mod faults;
#[cfg(target_family = "wasm")]
mod heap;
pub(crate) mod local;
pub(crate) mod memory;
#[cfg_attr(not(target_family = "wasm"), path = "absent.rs")]
pub mod raw;
mod registers;
pub(crate) mod shared;
#[cfg(all(test, not(loom)))]
pub(crate) mod steps;
pub(crate) mod waker;
