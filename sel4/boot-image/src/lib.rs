// SPDX-License-Identifier: BSD-2-Clause
//! Formats inside the boot image: what the host tool packs, the loader and the root task unpack.
#![no_std]
#![forbid(unsafe_code)]

pub mod loader;
pub mod root;
