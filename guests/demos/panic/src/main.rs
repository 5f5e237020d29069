// SPDX-License-Identifier: BSD-2-Clause
//! Panics.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[userland::entrypoint]
fn main() {
    userland::info!("about to panic");
    panic_with_a_message(42);
}

#[inline(never)]
fn panic_with_a_message(answer: u32) {
    panic!("the answer is {answer}");
}
