// SPDX-License-Identifier: BSD-2-Clause
//! Runs the benchmarks one after the other, each alone. Results are lines of the log,
//! `bench NAME VALUE`, in cycles, which are instructions under QEMU's `-icount`; the last line is
//! `bench done`.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use userland::{
    error,
    exit::ExitCode,
    handle::Capability as _,
    info,
    process::{self, Outcome, Process},
    time::Instant,
};

/// Most guests that run together.
const MAX_TOGETHER: usize = 2;

/// Groups of guests that run together.
const BENCHMARKS: [&[&str]; 10] = [
    &["bench-calls"],
    &["bench-pong", "bench-ping"],
    &["bench-channel"],
    &["bench-answer", "bench-ask"],
    &["bench-rpc-server", "bench-rpc-client"],
    &["bench-shm"],
    &["bench-timers"],
    &["bench-virtio"],
    &["bench-start"],
    &["bench-kill"],
];

#[userland::entrypoint]
fn main() -> ExitCode {
    // First of all: it is the time that it took to get here.
    let booted = Instant::now();
    info!("bench boot_to_guest {}", booted.nanoseconds());
    let mut failures = 0;
    for guests in BENCHMARKS {
        failures += run(guests);
    }
    info!("bench done");
    ExitCode(failures)
}

/// Runs some guests together and waits for all of them; answers how many did not do their job.
fn run(guests: &[&'static str]) -> u32 {
    let mut failures = 0;
    let mut running: [Option<(&str, Process)>; MAX_TOGETHER] = [const { None }; MAX_TOGETHER];
    for (place, guest) in running.iter_mut().zip(guests) {
        match process::start(guest) {
            Ok(process) => *place = Some((guest, process)),
            Err(error) => {
                error!("{guest} did not start: {error}");
                failures += 1;
            }
        }
    }
    // A guest whose peer did not start is ended by the deadline of its spec.
    for (guest, process) in running.into_iter().flatten() {
        match process.wait() {
            Ok(Outcome::Exited(ExitCode::SUCCESS)) => {}
            Ok(outcome) => {
                error!("{guest} {outcome}");
                failures += 1;
            }
            Err(error) => {
                error!("{guest} cannot be waited for: {error}");
                failures += 1;
            }
        }
        if let Err(error) = process.close() {
            error!("{guest} cannot be let go: {error}");
            failures += 1;
        }
    }
    failures
}
