// SPDX-License-Identifier: BSD-2-Clause
//! What a hostcall costs, there and back: calls that do nothing, less the loop around them.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;

use userland::{info, introspect};

userland::entrypoint!(main);

const CALLS: u64 = 10_000;

fn main() {
    // Once unmeasured, so that nothing is done for the first time in between.
    cost(introspect::nothing);
    let calls = cost(introspect::nothing);
    let empty = cost(|| ());
    info!(
        "bench hostcall_scalar {}",
        calls.saturating_sub(empty) / CALLS
    );
}

/// Cycles that a loop around `body` takes.
#[inline(never)]
fn cost(body: impl Fn()) -> u64 {
    let begin = introspect::cycles();
    for i in 0..CALLS {
        // Keeps the loop that is empty otherwise.
        black_box(i);
        body();
    }
    introspect::cycles() - begin
}
