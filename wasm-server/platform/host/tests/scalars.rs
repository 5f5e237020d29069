// SPDX-License-Identifier: BSD-2-Clause
//! Scalar hostcalls allocate nothing: a guest that makes many of them costs no allocation more than one
//! that makes a few.

#[allow(dead_code, reason = "other tests use the rest")]
mod system;

use std::{
    alloc::{GlobalAlloc, Layout, System as Heap},
    sync::atomic::{AtomicU64, Ordering},
};

use system::{Guest, System};
use wasm_server_core::Outcome;

/// The heap, and how often anything was allocated.
struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is the system heap's; counting allocates nothing.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promises are the system heap's.
        unsafe { Heap.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: it came from the system heap, with this layout.
        unsafe { Heap.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Allocations of a system whose guest makes the calls so often.
fn allocations(rounds: u32) -> u64 {
    let imports = r#"
        (import "atoll::guest" "groups" (func $groups (result i64)))
        (import "atoll::handle" "rights" (func $rights (param i32) (result i64)))
        (import "atoll::handle" "watch" (func $notices (param i32) (result i64)))
        (import "atoll::handle" "revoke" (func $revoke (param i32) (result i64)))
        (import "atoll::process" "start" (func $start (param i32 i32 i32) (result i64)))
        (import "atoll::process" "state" (func $state (param i32) (result i64)))
        (import "atoll::process" "watch" (func $watch (param i32 i32) (result i64)))
        (import "atoll::process" "restrict" (func $restrict (param i32 i32) (result i64)))
        (import "atoll::process" "stop" (func $stop (param i32 i64) (result i64)))
        (import "atoll::process" "wait" (func $await (param i32 i64) (result i64)))
        (import "atoll::shm" "size" (func $size (param i32) (result i64)))
        (import "atoll::shm" "read" (func $read (param i32 i32 i32 i32) (result i64)))
        (import "atoll::shm" "write" (func $write (param i32 i32 i32 i32) (result i64)))
        (import "atoll::wake" "register" (func $register (param i32) (result i64)))
        (import "atoll::wake" "listen" (func $listen (param i32 i32 i32) (result i64)))
        (import "atoll::wake" "notify" (func $notify (param i32 i32) (result i64)))
        (import "atoll::wake" "wait" (func $wait (param i64) (result i64)))
        (import "atoll::time" "now" (func $now (result i64)))
        (import "atoll::time" "at" (func $at (param i64 i32) (result i64)))
        (import "atoll::time" "cancel" (func $cancel (param i64) (result i64)))
        (import "atoll::entropy" "fill" (func $fill (param i32 i32) (result i64)))
        (import "atoll::entropy" "source" (func $source (result i64)))
        (import "atoll::console" "read" (func $typed (param i32 i32) (result i64)))
        (import "atoll::introspect" "cycles" (func $cycles (result i64)))
        (import "atoll::introspect" "nothing" (func $nothing (result i64)))
        (data (i32.const 64) "\01\00\00\00\04\00\00\00")
        (data (i32.const 8) "\00\05child\00\00\00\00")
        ;; Ends the guest unless the call answered a value.
        (func $good (param $answer i64)
            (i64.lt_s (local.get $answer) (i64.const 0)) (if (then unreachable)))"#;
    let good = |call: &str| format!("(call $good (call {call}))\n");
    let link = "(i32.const 4096)";
    let calls = [
        "$groups".into(),
        format!("$rights {link}"),
        "$notices (i32.const 1)".into(),
        format!("$revoke {link}"),
        "$state (i32.const 4098)".into(),
        "$watch (i32.const 4098) (i32.const 2)".into(),
        "$restrict (i32.const 4098) (i32.const 0)".into(),
        format!("$size {link}"),
        format!("$read {link} (i32.const 8) (i32.const 512) (i32.const 1024)"),
        format!("$write {link} (i32.const 8) (i32.const 512) (i32.const 1024)"),
        "$register (i32.const 64)".into(),
        format!("$listen {link} (i32.const 3) (i32.const 1)"),
        format!("$notify {link} (i32.const 1)"),
        "$wait (i64.const 0)".into(),
        "$now".into(),
        "$fill (i32.const 512) (i32.const 1000)".into(),
        "$source".into(),
        "$typed (i32.const 512) (i32.const 16)".into(),
        "$cycles".into(),
        "$nothing".into(),
    ]
    .map(|call: String| good(&call))
    .concat();
    let parent = format!(
        "(local $round i32)
        (call $good (call $start (i32.const 8) (i32.const 11) (i32.const 2048)))
        (loop
            {calls}
            (call $good (call $cancel (call $at (i64.const 0x7fffffffffffffff) (i32.const 4))))
            (local.set $round (i32.add (local.get $round) (i32.const 1)))
            (br_if 0 (i32.lt_u (local.get $round) (i32.const {rounds}))))
        (call $good (call $stop (i32.const 4098) (i64.const 0)))
        (call $good (call $await (i32.const 4098) (i64.const -1)))"
    );
    let module = |body: &str| {
        format!(
            "(module {imports} (memory (export \"memory\") 1) (func (export \"_start\") {body}))"
        )
    };
    let groups = [
        "processes",
        "shared_memory",
        "wake",
        "time",
        "entropy",
        "console",
        "introspect",
    ];
    let guests = [
        Guest::new("parent", &module(&parent))
            .grants(&groups)
            .link()
            .guest("child"),
        Guest::new(
            "child",
            &module("(drop (call $register (i32.const 64))) (drop (call $wait (i64.const -1)))"),
        )
        .grants(&groups)
        .on_demand(),
    ];
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    let system = System::run(guests);
    assert_eq!(
        system.outcome("parent"),
        Outcome::Exited(0),
        "{}",
        system.log()
    );
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

#[test]
fn scalar_calls_allocate_nothing() {
    // What is made once is made in the first.
    allocations(1);
    let few = allocations(1);
    let many = allocations(2001);
    // Compiling and hashing vary by a handful.
    assert!(
        many.abs_diff(few) < 500,
        "{few} allocations for a round, {many} for 2001"
    );
}
