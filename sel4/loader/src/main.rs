// SPDX-License-Identifier: BSD-2-Clause
//! Boots seL4 at EL1 from an ELF that QEMU loads.
fn main() {}
