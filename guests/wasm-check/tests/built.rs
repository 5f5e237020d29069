// SPDX-License-Identifier: BSD-2-Clause
//! Looks at the guests as they were built.
#![forbid(unsafe_code)]

use std::{collections::BTreeSet, fs, path::PathBuf};

use atoll_abi::{Group, TABLE};
use guest_wasm_check::Module;

/// The guests of the repository, with the groups that each needs to be granted: those, and no other. A guest that
/// is not here, one of the user's own, may import any.
const GUESTS: &[(&str, &[Group])] = &[
    (
        "entropy",
        &[
            Group::Devices,
            Group::EntropySource,
            Group::Wake,
            Group::Time,
            Group::Log,
        ],
    ),
    (
        "init",
        &[
            Group::Processes,
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
            Group::Power,
        ],
    ),
    (
        "supervisor",
        &[
            Group::Processes,
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
        ],
    ),
    (
        "net",
        &[
            Group::Devices,
            Group::Entropy,
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
        ],
    ),
    (
        "fs",
        &[
            Group::Devices,
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
        ],
    ),
    (
        "ping",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "pong",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    ("hello", &[Group::Log]),
    ("ticker", &[Group::Wake, Group::Time, Group::Log]),
    ("out-of-bounds", &[Group::Log]),
    ("divide-by-zero", &[Group::Log]),
    ("stack-overflow", &[Group::Log]),
    ("unreachable", &[Group::Log]),
    ("spin", &[Group::Log]),
    ("panic", &[Group::Log]),
    (
        "conductor",
        &[Group::Processes, Group::Wake, Group::Log, Group::Introspect],
    ),
    (
        "pubsub",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    ("pipeline", &[Group::SharedMemory, Group::Wake, Group::Log]),
    (
        "restart",
        &[
            Group::Processes,
            Group::SharedMemory,
            Group::Wake,
            Group::Log,
            Group::Introspect,
        ],
    ),
    ("restarted", &[Group::SharedMemory, Group::Wake, Group::Log]),
    (
        "request-reply",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "worker",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "producer",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "work-queue",
        &[
            Group::Processes,
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
        ],
    ),
    ("captured", &[Group::SharedMemory, Group::Wake, Group::Time]),
    (
        "logger",
        &[Group::SharedMemory, Group::Wake, Group::Log, Group::Console],
    ),
    (
        "http-server",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "fetch",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "net-echo",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "net-ping",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    (
        "net-throughput",
        &[Group::SharedMemory, Group::Wake, Group::Time, Group::Log],
    ),
    ("bench", &[Group::Processes, Group::Time, Group::Log]),
    ("bench-calls", &[Group::Log, Group::Introspect]),
    (
        "bench-ping",
        &[
            Group::SharedMemory,
            Group::Wake,
            Group::Log,
            Group::Introspect,
        ],
    ),
    ("bench-pong", &[Group::SharedMemory, Group::Wake]),
    (
        "bench-ask",
        &[
            Group::SharedMemory,
            Group::Wake,
            Group::Log,
            Group::Introspect,
        ],
    ),
    ("bench-answer", &[Group::SharedMemory, Group::Wake]),
    (
        "bench-channel",
        &[
            Group::SharedMemory,
            Group::Wake,
            Group::Log,
            Group::Introspect,
        ],
    ),
    (
        "bench-ask",
        &[
            Group::SharedMemory,
            Group::Wake,
            Group::Log,
            Group::Introspect,
        ],
    ),
    ("bench-answer", &[Group::SharedMemory, Group::Wake]),
    (
        "bench-rpc-client",
        &[
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
            Group::Introspect,
        ],
    ),
    (
        "bench-rpc-server",
        &[Group::SharedMemory, Group::Wake, Group::Time],
    ),
    (
        "bench-start",
        &[Group::Processes, Group::Log, Group::Introspect],
    ),
    ("minimal", &[Group::Introspect]),
    (
        "bench-shm",
        &[Group::SharedMemory, Group::Log, Group::Introspect],
    ),
    (
        "bench-timers",
        &[Group::Wake, Group::Time, Group::Log, Group::Introspect],
    ),
    (
        "bench-kill",
        &[
            Group::Processes,
            Group::Wake,
            Group::Time,
            Group::Log,
            Group::Introspect,
        ],
    ),
    (
        "bench-net",
        &[
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
            Group::Introspect,
        ],
    ),
    (
        "bench-fs",
        &[
            Group::SharedMemory,
            Group::Wake,
            Group::Time,
            Group::Log,
            Group::Introspect,
        ],
    ),
    (
        "bench-virtio",
        &[Group::Devices, Group::Log, Group::Introspect],
    ),
];

/// Where the guests are: `ATOLL_GUESTS`, or where Cargo puts them in this target directory.
fn folder() -> PathBuf {
    std::env::var_os("ATOLL_GUESTS").map_or_else(
        || {
            PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
                .with_file_name("wasm32-unknown-unknown/guest")
        },
        PathBuf::from,
    )
}

fn module(name: &str) -> Module {
    let path = folder().join(name).with_extension("wasm");
    let wasm = fs::read(&path)
        .unwrap_or_else(|error| panic!("{}: {error}; build the guests first", path.display()));
    Module::read(&wasm).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Every guest that there is, the user's own included.
fn guests() -> BTreeSet<String> {
    let mut there = BTreeSet::new();
    // In the first, beside libraries.
    for folder in [".", "demos", "bench"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("..")
            .join(folder);
        for guest in fs::read_dir(folder).expect("a folder of guests") {
            let guest = guest.expect("a guest").path();
            if guest.join("src/main.rs").exists() {
                let name = guest.file_name().expect("a name").to_string_lossy();
                there.insert(name.into_owned());
            }
        }
    }
    there
}

#[test]
fn every_guest_that_is_named_is_there() {
    let there = guests();
    for (name, _) in GUESTS {
        assert!(there.contains(*name), "{name}");
    }
}

#[test]
fn imports_are_hostcalls_of_the_groups_that_a_guest_needs() {
    for name in guests() {
        let mut found = BTreeSet::new();
        for (from, import) in module(&name).imports {
            let call = TABLE
                .iter()
                .find(|call| call.module == from && call.name == import)
                .unwrap_or_else(|| panic!("{name} imports {from} {import}, which is no hostcall"));
            found.extend(call.group.grant());
        }
        if let Some((_, groups)) = GUESTS.iter().find(|(named, _)| *named == name) {
            let needed: BTreeSet<_> = groups.iter().filter_map(|group| group.grant()).collect();
            assert_eq!(found, needed, "{name}");
        }
    }
}

#[test]
fn a_guest_is_one_small_memory_and_an_entry_point() {
    let is_ours = |name: &str| GUESTS.iter().any(|(named, _)| *named == name);
    for name in guests() {
        let module = module(&name);
        assert!(module.exports.contains_key("_start"), "{name}");
        assert!(!module.shared, "{name}: shared memory");
        let pages = match &*name {
            // The library of the network has more tables than fit beside the stack, with what else these have; files are
            // what the third has.
            "net" | "net-throughput" | "http-server" => 2,
            // Four stand for windows at the driver of the disk, and are never touched.
            "fs" => 6,
            name if is_ours(name) => 1,
            _ => module.memories.first().copied().unwrap_or(1),
        };
        assert_eq!(module.memories, [pages], "{name}: pages of its memory");
    }
}

#[test]
fn every_function_has_a_name() {
    for name in guests() {
        let module = module(&name);
        let unnamed = module.functions.iter().filter(|f| f.name.is_empty());
        assert_eq!(unnamed.count(), 0, "{name}");
    }
}

/// Without `+atomics` the compiler makes plain loads and stores of atomic ones.
#[test]
fn guests_that_share_memory_use_atomic_instructions() {
    for name in ["ping", "pong", "bench-ping", "bench-pong"] {
        let module = module(name);
        for instruction in ["I32AtomicLoad", "I32AtomicStore"] {
            assert_ne!(
                module.count(|i| i == instruction),
                0,
                "{name}: {instruction}"
            );
        }
    }
    // The messages themselves: their words and numbers, between the wakes.
    let ping = module("ping");
    let (_, round) = ping.function("4Game5round").expect("Game::round");
    let stores = round.operators.iter().filter(|i| *i == "I32AtomicStore");
    assert!(stores.count() >= 2, "{:?}", round.operators);
}

/// The server cannot execute them, so the host tool refuses modules that have any.
#[test]
fn no_guest_waits_or_notifies_in_wasm() {
    for name in guests() {
        let count =
            module(&name).count(|i| i.starts_with("MemoryAtomicWait") || i == "MemoryAtomicNotify");
        assert_eq!(count, 0, "{name}");
    }
}

/// The function that a trap report is to name, and the instruction that traps in it.
#[test]
fn bad_guests_have_the_instruction_that_they_are_named_after() {
    for (name, function, instruction) in [
        ("out-of-bounds", "read_beyond_memory", "I32Load"),
        (
            "divide-by-zero",
            "divide_by_zero14divide_by_zero",
            "I32DivU",
        ),
        ("unreachable", "execute_unreachable", "Unreachable"),
        ("spin", "spin_for_ever", "Loop"),
        ("stack-overflow", "recur_without_end", "Call"),
        ("panic", "panic_with_a_message", "Call"),
    ] {
        let module = module(name);
        let (_, function) = module
            .function(function)
            .unwrap_or_else(|| panic!("{name} has no function {function}"));
        let found = function.operators.iter().any(|i| i == instruction);
        assert!(found, "{name}: {:?}", function.operators);
    }
}

/// Recursion must use up the native stack, not the one in linear memory, which has its own end.
#[test]
fn the_recursion_keeps_off_the_stack_in_linear_memory() {
    let module = module("stack-overflow");
    let (index, function) = module.function("recur_without_end").expect("recursion");
    assert_eq!(function.calls, [index]);
    assert!(
        function.operators.iter().all(|i| !i.starts_with("Global")),
        "{:?}",
        function.operators
    );
}
