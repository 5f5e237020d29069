// SPDX-License-Identifier: BSD-2-Clause
//! What hostile guests and those that watch them have in common: verdicts, a line to talk on, and the
//! ways to misuse a hostcall.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

#[cfg(target_family = "wasm")]
pub mod line;
pub mod misuse;
mod verdict;

/// For the macros.
pub use alloc::boxed::Box;
#[cfg(target_family = "wasm")]
pub use verdict::refused;
pub use verdict::{Fault, Verdict, holds};
