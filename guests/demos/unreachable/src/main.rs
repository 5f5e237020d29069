// SPDX-License-Identifier: BSD-2-Clause
//! Executes `unreachable`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[userland::entrypoint]
fn main() {
    userland::info!("about to execute unreachable");
    execute_unreachable();
}

#[inline(never)]
fn execute_unreachable() -> ! {
    userland::faults::unreachable()
}
