// SPDX-License-Identifier: BSD-2-Clause
//! What it takes to start a guest and to end it, everything reclaimed.
//!
//! The guest started has the higher priority and exits with the cycle counter at its first
//! instruction. Nothing else is at work: from the call to that instruction is the start, from there to
//! the return of the wait is the end.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::fmt;

use userland::{
    Error, exit::ExitCode, handle::Capability as _, info, introspect, process, process::Outcome,
};

const GUEST: &str = "minimal";
/// The first ones load the module and warm up tables; the last one counts.
const LIVES: u32 = 5;

#[userland::entrypoint]
fn main() -> Result<(), Failure> {
    let mut costs = (0, 0);
    for _ in 0..LIVES {
        costs = life()?;
    }
    info!("bench guest_start {}", costs.0);
    info!("bench guest_stop {}", costs.1);
    Ok(())
}

/// Why there is no result.
enum Failure {
    /// The server refused.
    Refused(Error),
    /// The guest ended in another way than it should.
    Failed,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Refused(error)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(error) => write!(f, "{GUEST}: {error}"),
            Self::Failed => write!(f, "{GUEST} failed"),
        }
    }
}

/// Cycles of a guest's start and of its end.
fn life() -> Result<(u32, u32), Failure> {
    let before = introspect::cycles() as u32;
    let guest = process::start(GUEST)?;
    let outcome = guest.wait()?;
    let after = introspect::cycles() as u32;
    guest.close()?;
    // All counts are modulo 2^32, and so are differences: neither takes that long.
    match outcome {
        Outcome::Exited(ExitCode(first)) => {
            Ok((first.wrapping_sub(before), after.wrapping_sub(first)))
        }
        Outcome::Failed => Err(Failure::Failed),
    }
}
