// SPDX-License-Identifier: BSD-2-Clause
//! Everything in which kernel versions differ beyond what generated code absorbs: which objects make
//! an address space, which invocations map and configure, how rights and guards are packed.
//!
//! One module per family of kernels, all with the same items; the rest of the crate says nothing about
//! versions. The build script refuses a kernel for which there is none.

#[cfg(sel4_abi_5)]
mod v5;
#[cfg(sel4_abi_5)]
pub(crate) use v5::*;
