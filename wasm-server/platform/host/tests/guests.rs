// SPDX-License-Identifier: BSD-2-Clause
//! Guests in WebAssembly text, run by the whole server on Linux.

#[allow(dead_code, reason = "other tests use the rest")]
mod system;

use system::{Guest, System};
use wasm_server_core::Outcome;

/// A guest that does one thing.
fn body(imports: &str, body: &str) -> String {
    format!(
        "(module {imports} (memory (export \"memory\") 1) (func $main (export \"_start\") {body}))"
    )
}

fn failure(system: &System, name: &str) -> String {
    match system.outcome(name) {
        Outcome::Failed(why) => why,
        other => panic!("{name} {other}"),
    }
}

#[test]
fn traps_end_their_guest_and_say_where() {
    let system = System::run([
        Guest::new("oob", &body("", "(drop (i32.load (i32.const 65536)))")),
        Guest::new(
            "divide",
            &body("", "(drop (i32.div_u (i32.const 1) (i32.const 0)))"),
        ),
        Guest::new(
            "recurse",
            "(module (memory (export \"memory\") 1) (func $main (export \"_start\") (call $main)))",
        ),
        Guest::new("trap", &body("", "unreachable")),
        Guest::new("fine", &body("", "")),
    ]);
    for (name, reason) in [
        ("oob", "out of bounds memory access"),
        ("divide", "integer division by zero"),
        ("recurse", "stack overflow"),
        ("trap", "unreachable"),
    ] {
        let why = failure(&system, name);
        assert!(
            why.contains(reason) && why.contains(&format!("at {name}!main")),
            "{name}: {why}"
        );
    }
    assert_eq!(system.outcome("fine"), Outcome::Exited(0));
}

#[test]
fn a_spinner_is_ended_at_its_deadline() {
    let system = System::run([Guest::new("spin", &body("", "(loop (br 0))")).deadline(50)]);
    assert!(failure(&system, "spin").contains("deadline"));
}

#[test]
fn many_spinners_are_ended_while_each_other_end_moves_the_epoch() {
    let names: Vec<_> = (0..24).map(|i| format!("spin{i}")).collect();
    let spinners = names
        .iter()
        .map(|name| Guest::new(name, &body("", "(loop (br 0))")).deadline(1));
    let system = System::run(spinners);
    for name in &names {
        assert!(failure(&system, name).contains("deadline"));
    }
}

#[test]
fn a_sleeper_is_ended_at_its_deadline() {
    let imports = r#"(import "atoll::wake" "register" (func $register (param i32) (result i64)))
                     (import "atoll::wake" "wait" (func $wait (param i64) (result i64)))
                     (data (i32.const 64) "\01\00\00\00\04\00\00\00")"#;
    let sleep = "(drop (call $register (i32.const 64))) (drop (call $wait (i64.const -1)))";
    let system = System::run([Guest::new("sleep", &body(imports, sleep))
        .grants(&["wake"])
        .deadline(50)]);
    assert!(failure(&system, "sleep").contains("deadline"));
}

#[test]
fn an_ungranted_import_is_named() {
    let imports = r#"(import "atoll::time" "now" (func $now (result i64)))"#;
    let system = System::run([
        Guest::new("without", &body(imports, "(drop (call $now))")),
        Guest::new("with", &body(imports, "(drop (call $now))")).grants(&["time"]),
    ]);
    assert_eq!(system.outcome("with"), Outcome::Exited(0));
    assert!(!system.started("without"));
    let log = system.log();
    assert!(
        log.contains("imports atoll::time now, which needs the grant time"),
        "{log}"
    );
}

#[test]
fn an_import_that_is_no_hostcall_is_named() {
    let imports = r#"(import "atoll::time" "travel" (func $travel))"#;
    let system =
        System::run([Guest::new("doctor", &body(imports, "(call $travel)")).grants(&["time"])]);
    assert!(
        system
            .log()
            .contains("atoll::time travel, which is no hostcall"),
        "{}",
        system.log()
    );
}

#[test]
fn exit_codes_and_panics_are_reported() {
    let exit = r#"(import "atoll::guest" "exit" (func $exit (param i32) (result i64)))"#;
    let panic = r#"(import "atoll::guest" "panic" (func $panic (param i32 i32) (result i64)))
                   (data (i32.const 8) "no\1b[2Jway")"#;
    let system = System::run([
        Guest::new(
            "exits",
            &body(exit, "(drop (call $exit (i32.const 7))) unreachable"),
        ),
        Guest::new(
            "panics",
            &body(panic, "(drop (call $panic (i32.const 8) (i32.const 9)))"),
        ),
    ]);
    assert_eq!(system.outcome("exits"), Outcome::Exited(7));
    // What would steer a terminal does not get through.
    assert_eq!(
        failure(&system, "panics").lines().next(),
        Some("panic: no\u{fffd}[2Jway")
    );
}

#[test]
fn a_bad_pointer_ends_the_guest() {
    let imports = r#"(import "atoll::log" "write" (func $write (param i32 i32 i32) (result i64)))"#;
    let guests = [
        ("beyond", "65530", "7"),
        ("wraps", "-1", "2"),
        ("huge", "0", "-1"),
    ]
    .map(|(name, at, len)| {
        let call = format!("(drop (call $write (i32.const 2) (i32.const {at}) (i32.const {len})))");
        Guest::new(name, &body(imports, &call)).grants(&["log"])
    });
    let system = System::run(guests);
    assert!(failure(&system, "beyond").contains("misuse"));
    assert!(failure(&system, "wraps").contains("misuse"));
    // Long text is cut before the address is looked at, and this much is there.
    assert_eq!(system.outcome("huge"), Outcome::Exited(0));
}

#[test]
fn memory_ends_with_the_budget_and_nobody_else_notices() {
    // Grows page by page until it is refused, and exits with the number of pages.
    let imports = r#"(import "atoll::guest" "exit" (func $exit (param i32) (result i64)))"#;
    let grow = "(loop (br_if 0 (i32.ne (memory.grow (i32.const 1)) (i32.const -1))))
                (drop (call $exit (memory.size)))";
    let system = System::run([
        Guest::new("greedy", &body(imports, grow)),
        Guest::new("other", &body("", "")),
    ]);
    let Outcome::Exited(pages) = system.outcome("greedy") else {
        panic!("{}", system.log())
    };
    // The budget is 1 MiB.
    assert!((2..=16).contains(&pages), "{pages}");
    assert_eq!(system.outcome("other"), Outcome::Exited(0));
}

#[test]
fn a_window_shows_the_same_memory_and_a_token_works_once() {
    // `giver` shares a page through the channel; `taker` attaches it while running, twice, and adds.
    let imports = r#"
        (import "atoll::guest" "exit" (func $exit (param i32) (result i64)))
        (import "atoll::shm" "alloc" (func $alloc (param i32) (result i64)))
        (import "atoll::handle" "share" (func $share (param i32 i32 i32) (result i64)))
        (import "atoll::handle" "accept" (func $accept (param i32 i32 i32) (result i64)))
        (import "atoll::shm" "attach" (func $attach (param i32 i32) (result i64)))
        (import "atoll::wake" "register" (func $register (param i32) (result i64)))
        (import "atoll::wake" "listen" (func $listen (param i32 i32 i32) (result i64)))
        (import "atoll::wake" "notify" (func $notify (param i32 i32) (result i64)))
        (import "atoll::wake" "wait" (func $wait (param i64) (result i64)))
        (global $link (mut i32) (i32.const 0))
        (data (i32.const 64) "\01\00\00\00\04\00\00\00")
        ;; A ShareRequest: handle 4097, read and write, once, for ever.
        (data (i32.const 96) "\81\20\03\01\00")
        ;; The handles of a guest, in turn: index 0, generation 1, and index 1.
        (func $open (drop (call $register (i32.const 64)))
            (drop (call $listen (i32.const 4096) (i32.const 1) (i32.const 1)))
            (global.set $link (i32.wrap_i64 (call $attach (i32.const 4096) (i32.const 3)))))
        (func $until (param $value i32)
            (block (loop
                (br_if 1 (i32.eq (i32.atomic.load (global.get $link)) (local.get $value)))
                (drop (call $wait (i64.const -1)))
                ;; Take every wake.
                (i32.atomic.store (i32.const 72) (i32.atomic.load (i32.const 76)))
                (br 0))))
        (func $say (param $value i32)
            (i32.atomic.store (global.get $link) (local.get $value))
            (drop (call $notify (i32.const 4096) (i32.const 1))))"#;
    let giver = "(local $handle i32) (local $page i32)
        (call $open)
        (local.set $handle (i32.wrap_i64 (call $alloc (i32.const 1))))
        (local.set $page (i32.wrap_i64 (call $attach (local.get $handle) (i32.const 3))))
        (i32.atomic.store (local.get $page) (i32.const 40))
        (i64.ne (call $share (i32.const 96) (i32.const 5) (i32.const 2048)) (i64.const 16))
        (if (then unreachable))
        (v128.store offset=16 (global.get $link) (v128.load (i32.const 2048)))
        (call $say (i32.const 1))
        (call $until (i32.const 2))
        (drop (call $exit (i32.atomic.load (local.get $page))))";
    let taker = "(local $handle i32) (local $a i32) (local $b i32)
        (call $open)
        (call $until (i32.const 1))
        (v128.store (i32.const 128) (v128.load offset=16 (global.get $link)))
        ;; The answer is the length of the handle.
        (i64.ne (call $accept (i32.const 128) (i32.const 16) (i32.const 2048)) (i64.const 2))
        (if (then unreachable))
        (local.set $handle (i32.const 4097))
        (local.set $a (i32.wrap_i64 (call $attach (local.get $handle) (i32.const 3))))
        (local.set $b (i32.wrap_i64 (call $attach (local.get $handle) (i32.const 1))))
        (drop (i32.atomic.rmw.add (local.get $a) (i32.const 2)))
        (i32.ne (i32.atomic.load (local.get $b)) (i32.const 42)) (if (then unreachable))
        ;; BadToken
        (i64.ne (call $accept (i32.const 128) (i32.const 16) (i32.const 2048)) (i64.const -9))
        (if (then unreachable))
        (call $say (i32.const 2))";
    let grants = ["shared_memory", "wake"];
    let system = System::run([
        Guest::new("giver", &body(imports, giver))
            .grants(&grants)
            .link(),
        Guest::new("taker", &body(imports, taker))
            .grants(&grants)
            .link(),
    ]);
    assert_eq!(
        system.outcome("taker"),
        Outcome::Exited(0),
        "{}",
        system.log()
    );
    assert_eq!(
        system.outcome("giver"),
        Outcome::Exited(42),
        "{}",
        system.log()
    );
}

#[test]
fn a_guest_starts_another_and_waits_for_it() {
    let imports = r#"(import "atoll::guest" "exit" (func $exit (param i32) (result i64)))
        (import "atoll::process" "start" (func $start (param i32 i32 i32) (result i64)))
        (import "atoll::process" "wait" (func $wait (param i32 i64) (result i64)))
        ;; A StartRequest: a guest of the spec, by name; nothing else.
        (data (i32.const 8) "\00\05child\00\00\00\00")"#;
    let parent = "(local $round i32) (local $sum i32)
        (loop
            (i64.ne (call $start (i32.const 8) (i32.const 11) (i32.const 2048)) (i64.const 2))
            (if (then unreachable))
            ;; The handles are counted up from index 0, generation 1, which is the guest's.
            (local.set $sum (i32.add (local.get $sum) (i32.wrap_i64 (call $wait
                (i32.add (i32.const 4097) (local.get $round)) (i64.const -1)))))
            (local.set $round (i32.add (local.get $round) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $round) (i32.const 20))))
        (drop (call $exit (local.get $sum)))";
    let system = System::run([
        Guest::new("parent", &body(imports, parent))
            .guest("child")
            .grants(&["processes"]),
        Guest::new("child", &body(imports, "(drop (call $exit (i32.const 3)))"))
            .grants(&["processes"])
            .on_demand(),
    ]);
    assert_eq!(
        system.outcome("parent"),
        Outcome::Exited(60),
        "{}",
        system.log()
    );
}
