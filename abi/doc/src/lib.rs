// SPDX-License-Identifier: BSD-2-Clause
//! The C header and the reference page of the hostcalls, made from what `atoll-abi` says of itself.
//!
//! Both are in the tree, `abi/include/atoll.h` and `docs/hostcalls.md`; a test sees to it that they are
//! what comes out here.
#![forbid(unsafe_code)]

mod calls;
mod header;
mod layout;
mod reference;
mod start;
mod text;

pub use header::header;
pub use reference::reference;
