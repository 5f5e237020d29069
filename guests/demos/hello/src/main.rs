// SPDX-License-Identifier: BSD-2-Clause
//! Says hello.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[userland::entrypoint]
fn main() {
    userland::info!("hello");
}
