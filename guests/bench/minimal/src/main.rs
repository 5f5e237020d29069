// SPDX-License-Identifier: BSD-2-Clause
//! The smallest guest: exits with the low 32 bits of the cycle counter at its first instruction.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use userland::{exit::ExitCode, introspect};

#[userland::entrypoint]
fn main() -> ExitCode {
    ExitCode(introspect::cycles() as u32)
}
