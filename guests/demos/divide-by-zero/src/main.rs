// SPDX-License-Identifier: BSD-2-Clause
//! Divides by zero.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[userland::entrypoint]
fn main() {
    userland::info!("about to divide by zero");
    let quotient = divide_by_zero();
    userland::error!("1 / 0 is {quotient}");
}

#[inline(never)]
fn divide_by_zero() -> u32 {
    userland::faults::divide(1, 0)
}
