// SPDX-License-Identifier: BSD-2-Clause
//! Loops without end.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[userland::entrypoint]
fn main() {
    userland::info!("about to spin");
    spin_for_ever();
}

#[inline(never)]
fn spin_for_ever() -> ! {
    loop {
        core::hint::spin_loop();
    }
}
