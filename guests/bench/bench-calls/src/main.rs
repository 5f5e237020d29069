// SPDX-License-Identifier: BSD-2-Clause
//! What a hostcall costs, there and back, less the loop around it: a scalar call that does nothing, and
//! a message call that answers what it gets.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::hint::black_box;

use userland::{Error, info, introspect, introspect::Echo};

const CALLS: u64 = 10_000;

#[userland::entrypoint]
fn main() -> Result<(), Error> {
    let empty = cost(|| Ok(()))?;
    let each = |cycles: u64| cycles.saturating_sub(empty) / CALLS;

    let nothing = || {
        introspect::nothing();
        Ok(())
    };
    // Once unmeasured, so that nothing is done for the first time in between.
    cost(nothing)?;
    info!("bench hostcall_scalar {}", each(cost(nothing)?));

    let message = Echo {
        number: 1 << 32,
        text: "a text of 32 bytes, as names are"
            .try_into()
            .map_err(|_| Error::InvalidArgument)?,
    };
    let echo = || introspect::echo(black_box(&message)).map(|reply| drop(black_box(reply)));
    cost(echo)?;
    info!("bench hostcall_postcard {}", each(cost(echo)?));
    Ok(())
}

/// Cycles that a loop around `body` takes.
#[inline(never)]
fn cost(body: impl Fn() -> Result<(), Error>) -> Result<u64, Error> {
    let begin = introspect::cycles();
    for i in 0..CALLS {
        // Keeps the loop that is empty otherwise.
        black_box(i);
        body()?;
    }
    Ok(introspect::cycles() - begin)
}
