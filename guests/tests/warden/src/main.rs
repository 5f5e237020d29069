// SPDX-License-Identifier: BSD-2-Clause
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

userland::entrypoint!(main);

fn main() {}
