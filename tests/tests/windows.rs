// SPDX-License-Identifier: BSD-2-Clause
//! Windows onto shared regions, in the image: guests in WebAssembly text that use them in ways in which
//! they must not, or when they are gone. A good guest beside them finishes every time.
#![forbid(unsafe_code)]

use system_tests::build::{Build, Kernel};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;

/// What every guest here has: hostcalls, a mailbox at 64, and the line `fine` to say at 8.
const COMMON: &str = r#"
    (import "atoll::log" "write" (func $write (param i32 i32 i32) (result i64)))
    (import "atoll::shm" "alloc" (func $alloc (param i32) (result i64)))
    (import "atoll::shm" "read" (func $read (param i32 i32 i32 i32) (result i64)))
    (import "atoll::handle" "share" (func $share (param i32 i32 i32) (result i64)))
    (import "atoll::handle" "accept" (func $accept (param i32 i32 i32) (result i64)))
    (import "atoll::guest" "params" (func $params (param i32 i32) (result i64)))
    (import "atoll::shm" "attach" (func $attach_wide (param i32 i32) (result i64)))
    (import "atoll::shm" "detach" (func $detach (param i32) (result i64)))
    (import "atoll::wake" "register" (func $register (param i32) (result i64)))
    (import "atoll::wake" "listen" (func $listen (param i32 i32 i32) (result i64)))
    (import "atoll::wake" "notify" (func $notify (param i32 i32) (result i64)))
    (import "atoll::wake" "wait" (func $wait (param i64) (result i64)))
    (memory (export "memory") 1)
    (data (i32.const 8) "fine")
    (data (i32.const 64) "\01\00\00\00\04\00\00\00")
    ;; A ShareRequest: handle 4097, the first that is made, read and write, once, for ever.
    (data (i32.const 96) "\81\20\03\01\00")
    (global $link (mut i32) (i32.const 0))
    (func $fine (drop (call $write (i32.const 2) (i32.const 8) (i32.const 4))))
    (func $new (result i32) (i32.wrap_i64 (call $alloc (i32.const 1))))
    (func $attach (param $handle i32) (param $rights i32) (result i32)
        (i32.wrap_i64 (call $attach_wide (local.get $handle) (local.get $rights))))
    (func $assert (param $true i32) (if (i32.eqz (local.get $true)) (then unreachable)))
    ;; The first handle of a guest, its link: index 0, generation 1.
    (func $open
        (drop (call $register (i32.const 64)))
        (drop (call $listen (i32.const 4096) (i32.const 1) (i32.const 1)))
        (global.set $link (call $attach (i32.const 4096) (i32.const 3))))
    (func $until (param $value i32)
        (block (loop
            (br_if 1 (i32.eq (i32.atomic.load (global.get $link)) (local.get $value)))
            (drop (call $wait (i64.const -1)))
            (i32.atomic.store (i32.const 72) (i32.atomic.load (i32.const 76)))
            (br 0))))
    (func $say (param $value i32)
        (i32.atomic.store (global.get $link) (local.get $value))
        (drop (call $notify (i32.const 4096) (i32.const 1))))"#;

/// Boots these guests, each a name and the body of its entry point.
fn boot(scratch: &Scratch, guests: &[(&str, &str)]) -> Machine {
    let mut objects = String::new();
    let mut caps = String::new();
    for (name, body) in guests {
        let text = format!("(module {COMMON} (func $main (export \"_start\") {body}))");
        let wasm = wat::parse_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        scratch.write(&format!("{name}.wasm"), wasm);
        objects += &format!(
            "{name} = wasm_guest (server: server, module: \"{name}\", prio: 100, stack: 64k)\n\
             ut_{name} = ut (21 bits)\n"
        );
        caps +=
            &format!("{name} {{ memory: ut_{name}  link: link (RW)  shared_memory  wake  log }}\n");
    }
    let spec = format!(
        "arch aarch64\nobjects {{\nserver = wasm_server (prio: 200, heap: 8M)\npool = ut (24 bits)\n\
         uart = frame (4k, paddr: 0x09000000)\ntimer = irq\nlink = channel (64k)\nut_link = ut (18 bits)\n\
         {objects}}}\ncaps {{\nserver {{ memory: pool  console: uart (RW)  timer: timer }}\n\
         link {{ memory: ut_link }}\n{caps}}}\nirq maps {{ 30: timer }}\n"
    );
    let spec = scratch.write("windows.cdl", spec);
    let names: Vec<_> = guests.iter().map(|(name, _)| *name).collect();
    let build = Build::from_env().with_archive_of(scratch, &names);
    let image = scratch.path("windows.elf");
    build.image(Kernel::Release, &spec, &image);
    // So that who waits for a time has waited until the others are done, however busy the host is.
    let config = Config {
        counted: true,
        ..Config::default()
    };
    Machine::boot(&image, config).expect("QEMU")
}

#[test]
fn a_write_to_a_read_only_window_ends_the_writer_alone() {
    let scratch = Scratch::new();
    let window = "(local $w i32) (local.set $w (call $attach (call $new) (i32.const 1)))";
    let machine = boot(
        &scratch,
        &[
            (
                "store",
                &format!("{window} (i32.store (local.get $w) (i32.const 1))"),
            ),
            (
                "atomic",
                &format!("{window} (drop (i32.atomic.rmw.add (local.get $w) (i32.const 1)))"),
            ),
            (
                "fill",
                &format!("{window} (memory.fill (local.get $w) (i32.const 1) (i32.const 65536))"),
            ),
            (
                "copy",
                &format!("{window} (memory.copy (local.get $w) (i32.const 0) (i32.const 65536))"),
            ),
            // Hostcalls that write their answer there.
            (
                "message",
                &format!("{window} (drop (call $share (i32.const 96) (i32.const 5) (local.get $w)))"),
            ),
            (
                "params",
                &format!("{window} (drop (call $params (local.get $w) (i32.const 65536)))"),
            ),
            (
                "read",
                &format!("{window} (drop (call $read (i32.const 4097) (i32.const 0) (local.get $w) (i32.const 4096)))"),
            ),
            // The server would have to write its wakes there.
            (
                "mailbox",
                "(drop (call $register (call $attach (call $new) (i32.const 3))))",
            ),
            (
                "good",
                "(local $w i32)
                (drop (call $register (i32.const 64))) (drop (call $wait (i64.const 3000000000)))
                ;; Nobody holds a lock that it needs.
                (local.set $w (call $attach (call $new) (i32.const 3)))
                (i32.store (local.get $w) (i32.const 1))
                (call $assert (i64.eq (call $share (i32.const 96) (i32.const 5) (i32.const 2048)) (i64.const 16)))
                (call $fine)",
            ),
        ],
    );
    machine.expect("good: fine", SECONDS);
    let text = machine.end();
    for name in [
        "store", "atomic", "fill", "copy", "message", "params", "read", "mailbox",
    ] {
        assert!(
            text.contains(&format!("{name}: error: failed: ")),
            "{name}:\n{text}"
        );
    }
    assert!(
        !text.contains("panicked") && !text.contains("faults"),
        "{text}"
    );
}

#[test]
fn a_window_that_was_detached_reads_as_zero_and_is_private() {
    let scratch = Scratch::new();
    let body = "(local $handle i32) (local $a i32) (local $b i32)
        (local.set $handle (call $new))
        (local.set $a (call $attach (local.get $handle) (i32.const 3)))
        (local.set $b (call $attach (local.get $handle) (i32.const 3)))
        (i32.store offset=8192 (local.get $a) (i32.const 7))
        (call $assert (i32.eq (i32.load offset=8192 (local.get $b)) (i32.const 7)))
        (drop (call $detach (local.get $a)))
        (call $assert (i32.eqz (i32.load offset=8192 (local.get $a))))
        (memory.fill (local.get $a) (i32.const 1) (i32.const 65536))
        (call $assert (i32.eq (i32.load offset=8192 (local.get $b)) (i32.const 7)))
        ;; NotFound
        (call $assert (i64.eq (call $detach (local.get $a)) (i64.const -6)))
        (call $fine)";
    let machine = boot(&scratch, &[("holes", body)]);
    machine.expect("holes: fine", SECONDS);
}

#[test]
fn a_region_goes_with_the_guest_that_paid_for_it() {
    let scratch = Scratch::new();
    let owner = "(local $handle i32) (local $page i32)
        (call $open)
        (local.set $handle (call $new))
        (local.set $page (call $attach (local.get $handle) (i32.const 3)))
        (i32.atomic.store (local.get $page) (i32.const 40))
        (call $assert (i64.eq (call $share (i32.const 96) (i32.const 5) (i32.const 2048)) (i64.const 16)))
        (v128.store offset=16 (global.get $link) (v128.load (i32.const 2048)))
        (call $say (i32.const 1))
        (call $until (i32.const 2))";
    let orphan = "(local $handle i32) (local $page i32)
        (call $open)
        (call $until (i32.const 1))
        (v128.store (i32.const 128) (v128.load offset=16 (global.get $link)))
        ;; The answer is the length of the handle, the second that this guest has.
        (call $assert (i64.eq (call $accept (i32.const 128) (i32.const 16) (i32.const 2048)) (i64.const 2)))
        (local.set $handle (i32.const 4097))
        (drop (call $listen (local.get $handle) (i32.const 2) (i32.const 1)))
        (local.set $page (call $attach (local.get $handle) (i32.const 3)))
        (call $assert (i32.eq (i32.atomic.load (local.get $page)) (i32.const 40)))
        (call $say (i32.const 2))
        ;; Woken once the owner is gone.
        (block (loop
            (br_if 1 (i32.eqz (i32.atomic.load (local.get $page))))
            (drop (call $wait (i64.const -1)))
            (i32.atomic.store (i32.const 72) (i32.atomic.load (i32.const 76)))
            (br 0)))
        (i32.atomic.store (local.get $page) (i32.const 5))
        (memory.fill (local.get $page) (i32.const 1) (i32.const 65536))
        ;; Revoked
        (call $assert (i64.eq (call $notify (local.get $handle) (i32.const 1)) (i64.const -7)))
        (call $fine)";
    let machine = boot(&scratch, &[("owner", owner), ("orphan", orphan)]);
    machine.expect("orphan: fine", SECONDS);
}
