// SPDX-License-Identifier: BSD-2-Clause
//! Reads beyond its memory.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

#[userland::entrypoint]
fn main() {
    userland::info!("about to read beyond my memory");
    let word = read_beyond_memory();
    userland::error!("read {word:#x} beyond my memory");
}

#[inline(never)]
fn read_beyond_memory() -> u32 {
    userland::faults::load_beyond_memory()
}
