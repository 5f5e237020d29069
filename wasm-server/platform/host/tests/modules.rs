// SPDX-License-Identifier: BSD-2-Clause
//! Modules that a guest has as bytes, on Linux. The guest is that of the system test (`guests/tests/deployer`); it
//! takes the bytes from the console, since there are no disks here.

#[allow(dead_code, reason = "other tests use the rest")]
mod system;

use ed25519_dalek::SigningKey;
use system::{Guest, System, built, compiled, key};
use wasm_archive::Writer;
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

/// What the guest is to find true.
const PROMISES: [&str; 13] = [
    "loads",
    "grants",
    "stacks",
    "closed",
    "refusals",
    "cuts",
    "flips",
    "budget",
    "many",
    "scribbled",
    "lent",
    "cycles",
    "deploy",
];

/// A signed module.
fn module(name: &str, version: &str, artifact: &[u8], key: &SigningKey) -> Vec<u8> {
    let mut writer = Writer::new();
    writer
        .add_version(name, version, artifact.to_vec())
        .unwrap();
    writer.finish(key).unwrap()
}

/// One behind the other, as the guest reads them.
fn files() -> Vec<u8> {
    let hostile = compiled("hostile", &built("hostile"));
    let service = compiled("service", &built("deployed"));
    let stranger = wat::parse_str("(module (import \"a\" \"b\" (func)))").unwrap();
    // What wasmtime has in an artifact behind its version, and before what it was compiled for.
    let mut other = service.clone();
    let target = other.windows(7).position(|window| window == b"unknown");
    let before = target.and_then(|at| other[..at].iter().rposition(|byte| *byte < b' '));
    other[before.expect("what it was compiled for") - 1] ^= 1;
    let mut two = Writer::new();
    two.add("one", service.clone()).unwrap();
    two.add("two", service.clone()).unwrap();
    let files = [
        module("hostile", "7.0", &hostile, &key()),
        module("service", "1", &service, &key()),
        module("service", "2", &service, &key()),
        module("service", "4", &service, &key()),
        module("service", "5", &service, &SigningKey::from_bytes(&[8; 32])),
        module("service", "6", &other, &key()),
        module("stranger", "", &compiled("stranger", &stranger), &key()),
        two.finish(&key()).unwrap(),
        service,
    ];
    let mut all = (files.len() as u32).to_le_bytes().to_vec();
    for file in files {
        all.extend((file.len() as u32).to_le_bytes());
        all.extend(file);
    }
    all
}

#[test]
fn modules_are_loaded_checked_run_and_gone() {
    let deployer = Guest::built("deployer")
        .params("children: 32")
        .memory(27)
        .grants(&GROUPS)
        .service("service")
        .guest("scribbler")
        .guest("hostile");
    let scribbler = Guest::built_as("scribbler", "deployer")
        .grants(&GROUPS)
        .memory(23)
        .on_demand();
    // Another size of stack, and a module of the archive that runs with both.
    let tall = Guest::built("hostile")
        .grants(&GROUPS)
        .stack("128k")
        .on_demand();
    let system = System::run_typing([deployer, scribbler, tall], &files());
    let log = system.log();
    assert_eq!(system.outcome("deployer"), Outcome::Exited(0), "{log}");
    for promise in PROMISES {
        assert!(
            log.contains(&format!("deployer: ok {promise}\n")),
            "{promise}:\n{log}"
        );
    }
    for refusal in [
        "deployer: warning: a module was not loaded: module service: *ersion",
        "deployer: warning: a module was not loaded: module imports a b, which is no hostcall",
        "which needs the grant sessions; it is not given",
    ] {
        let parts: Vec<_> = refusal.split('*').collect();
        assert!(
            log.lines()
                .any(|line| parts.iter().all(|part| line.contains(part))),
            "{refusal}:\n{log}"
        );
    }
}
