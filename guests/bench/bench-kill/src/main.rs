// SPDX-License-Identifier: BSD-2-Clause
//! What it takes to end a guest that loops without end, everything reclaimed.
//!
//! The guest to be ended has the lower priority: it loops while this one sleeps.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use core::{convert::Infallible, fmt, time::Duration};

use userland::{
    Error,
    handle::Capability as _,
    info, introspect,
    process::{self, Outcome},
    time::Instant,
    wake::Mailbox,
};

const GUEST: &str = "spinner";
/// How long it loops.
const LIFE: Duration = Duration::from_millis(10);
/// The first ones load the module and warm up tables; the last one counts.
const LIVES: u32 = 3;

#[userland::entrypoint]
fn main() -> Result<(), Failure> {
    let mut mailbox = Mailbox::open()?;
    let mut cycles = 0;
    for _ in 0..LIVES {
        cycles = end_one(&mut mailbox)?;
    }
    info!("bench kill_spinner {cycles}");
    Ok(())
}

/// Why there is no result.
enum Failure {
    /// The server refused.
    Refused(Error),
    /// The guest ended by itself.
    Ended(Outcome),
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
            Self::Ended(outcome) => write!(f, "{GUEST} {outcome} by itself"),
        }
    }
}

/// Cycles from the call that ends the guest to the return of the wait for it.
fn end_one(mailbox: &mut Mailbox) -> Result<u64, Failure> {
    let spinner = process::start(GUEST)?;
    mailbox.wait_until(Instant::now() + LIFE, || None::<Infallible>)?;
    let begin = introspect::cycles();
    spinner.stop(Duration::ZERO)?;
    let outcome = spinner.wait()?;
    let cycles = introspect::cycles() - begin;
    spinner.close()?;
    match outcome {
        Outcome::Failed => Ok(cycles),
        Outcome::Exited(_) => Err(Failure::Ended(outcome)),
    }
}
