// SPDX-License-Identifier: BSD-2-Clause
//! The hostile guests of the system tests, on Linux: those whose promises do not depend on the kernel, nor
//! on how busy the machine is.

#[allow(dead_code, reason = "other tests use the rest")]
mod system;

use system::{Guest, System};
use wasm_server_core::Outcome;

const GROUPS: [&str; 15] = [
    "processes",
    "shared_memory",
    "wake",
    "time",
    "sessions",
    "singletons",
    "entropy",
    "log",
    "console",
    "introspect",
    "devices",
    "entropy_source",
    "modules",
    "logs",
    "power",
];

/// Has the warden run these scenarios.
fn hold(names: &[&str]) {
    let warden = Guest::built("warden")
        .arg(&format!("only={}", names.join(",")))
        .params("handles: 4095, timers: 4096, children: 32")
        .memory(26)
        .grants(&GROUPS)
        .door()
        .guest("hostile")
        .guest("spin");
    let hostile = Guest::built("hostile")
        .params("args: [\"exit\", \"7\"]")
        .grants(&GROUPS)
        .on_demand();
    let spin = Guest::built("spin").grants(&["log"]).on_demand();
    let system = System::run([warden, hostile, spin]);
    let log = system.log();
    assert_eq!(system.outcome("warden"), Outcome::Exited(0), "{log}");
    for name in names {
        assert!(
            log.contains(&format!("warden: ok {name}\n")),
            "{name}:\n{log}"
        );
    }
}

#[test]
fn misuse_ends_the_guest() {
    hold(&["misuse", "lengths", "recursion"]);
}

#[test]
fn handles_and_tokens_are_not_guessed() {
    hold(&[
        "guessed-handles",
        "stale-handles",
        "wrong-kinds",
        "rights",
        "tokens",
        "tokens-guessed",
        "timers-guessed",
    ]);
}

#[test]
fn limits_hold() {
    hold(&[
        "limit-handles",
        "limit-timers",
        "limit-regions",
        "limit-windows",
        "limit-children",
        "limit-tokens",
        "memory",
    ]);
}

#[test]
fn what_is_lost_is_of_no_use() {
    hold(&[
        "detach",
        "use-after-revoke",
        "source-exited",
        "givers-end-at-every-step",
        "takers-end-at-every-step",
        "leaving",
        "bells",
        "grant-and-take",
        "restricted-groups",
    ]);
}

#[test]
fn sessions_and_services_bound() {
    hold(&[
        "session-entitlements",
        "session-groups",
        "session-end",
        "service-hand-over",
        "service-rights",
        "service-line",
    ]);
}

#[test]
fn an_end_comes_at_any_moment() {
    hold(&[
        "exit-codes",
        "reports",
        "stop-polite",
        "stop-while-starting",
        "stop-in-hostcalls",
        "children-end-with-parent",
        "onlooker",
        "stale-pids",
    ]);
}
