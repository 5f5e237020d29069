// SPDX-License-Identifier: BSD-2-Clause
//! Channels between guests that run at the same time, on Linux threads. For a second each, or for as many as
//! `ATOLL_SOAK` in the environment says.

#[allow(dead_code, reason = "other tests use the rest")]
mod system;

use system::{Guest, System, soak};
use wasm_server_core::Outcome;

/// What the guests have logged when all is well.
fn hammer(how: &str) -> String {
    let guest = Guest::built("channels")
        .params(&format!(
            "args: [\"{how}\", \"seconds={}\"], handles: 4095, timers: 256, children: 16",
            soak().unwrap_or(1)
        ))
        .memory(25)
        .grants(&["processes", "shared_memory", "wake", "time", "log"]);
    let system = System::run([guest]);
    let log = system.log();
    assert_eq!(system.outcome("channels"), Outcome::Exited(0), "{log}");
    log
}

#[test]
fn frames_come_through_a_pipe() {
    println!("{}", hammer("pipe"));
}

#[test]
fn frames_come_through_while_ends_are_killed() {
    println!("{}", hammer("many"));
}

#[test]
fn a_hostile_peer_harms_nobody() {
    hammer("hostile");
}

#[test]
fn a_pair_of_guests_passes_many_frames_a_second() {
    let log = hammer("speed");
    let line = log.lines().find(|line| line.contains("frames a second"));
    println!("{}", line.expect("a speed"));
}
