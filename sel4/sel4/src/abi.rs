// SPDX-License-Identifier: BSD-2-Clause
//! Everything in which kernel versions differ beyond what generated code absorbs: which objects make
//! an address space, which invocations map and configure, how rights and guards are packed.
//!
//! One module per family of kernels, all with the same items; the rest of the crate says nothing about
//! versions.

#[cfg(sel4_abi_5)]
mod v5;
#[cfg(sel4_abi_5)]
pub(crate) use v5::*;

#[cfg(not(sel4_abi_5))]
compile_error!(
    "the kernel at SEL4_PREFIX has an interface later than that of seL4 5.0.0, for which this crate has no module in src/abi/ yet"
);
