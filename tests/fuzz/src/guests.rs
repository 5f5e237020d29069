// SPDX-License-Identifier: BSD-2-Clause
//! The modules of the guests, compiled once.

use std::fmt::Write as _;

use ed25519_dalek::SigningKey;
use wasm_archive::Writer;
use wasmtime::{Engine, error::Context as _};

use crate::calls::CALLS;

/// A child that ends at once.
const TINY: &str = r#"(module (memory (export "memory") 1) (func (export "_start")))"#;
/// A child that sleeps until it is ended.
const SLEEP: &str = r#"(module
    (import "atoll::wake" "register" (func $register (param i32) (result i64)))
    (import "atoll::wake" "wait" (func $wait (param i64) (result i64)))
    (memory (export "memory") 1)
    (data (i32.const 64) "\01\00\00\00\04\00\00\00")
    (func (export "_start")
        (drop (call $register (i32.const 64)))
        (loop (drop (call $wait (i64.const -1))) (br 0))))"#;
/// A child that runs until it is ended.
const SPIN: &str =
    r#"(module (memory (export "memory") 1) (func (export "_start") (loop (br 0))))"#;

/// The bystanders' part, with `{TURN}` for whose turn it is: 0 or 1.
///
/// They count in turns in a channel of theirs; each turn takes a ring of the doorbell, the mailbox, a
/// timer and a line of the log. Whatever fails is a trap.
const BYSTANDER: &str = r#"(module
    (import "atoll::shm" "attach" (func $attach (param i32 i32) (result i64)))
    (import "atoll::wake" "register" (func $register (param i32) (result i64)))
    (import "atoll::wake" "listen" (func $listen (param i32 i32 i32) (result i64)))
    (import "atoll::wake" "notify" (func $notify (param i32 i32) (result i64)))
    (import "atoll::wake" "wait" (func $wait (param i64) (result i64)))
    (import "atoll::time" "now" (func $now (result i64)))
    (import "atoll::time" "at" (func $at (param i64 i32) (result i64)))
    (import "atoll::log" "write" (func $write (param i32 i32 i32) (result i64)))
    (memory (export "memory") 1)
    (data (i32.const 64) "\01\00\00\00\10\00\00\00")
    (data (i32.const 256) "turn")
    (global $count (mut i32) (i32.const 0))
    (func $ok (param i64) (if (i64.lt_s (local.get 0) (i64.const 0)) (then unreachable)))
    ;; Waits for an id of the mailbox, and takes it.
    (func $next (result i32) (local $head i32)
        (call $ok (call $wait (i64.const -1)))
        (local.set $head (i32.load (i32.const 72)))
        (i32.load offset=84 (i32.shl (i32.and (local.get $head) (i32.const 15)) (i32.const 2)))
        (i32.store (i32.const 72) (i32.add (local.get $head) (i32.const 1))))
    (func (export "_start") (local $window i32)
        (call $ok (call $register (i32.const 64)))
        (call $ok (call $listen (i32.const 4096) (i32.const 1) (i32.const 1)))
        (local.set $window (i32.wrap_i64 (call $attach (i32.const 4096) (i32.const 3))))
        (i32.ne (local.get $window) (i32.const 65536)) (if (then unreachable))
        (loop $turn
            (block $mine (loop $other
                (br_if $mine (i32.eq (i32.const {TURN})
                    (i32.and (i32.const 1) (i32.atomic.load (local.get $window)))))
                (i32.ne (call $next) (i32.const 1)) (if (then unreachable))
                (br $other)))
            (call $ok (call $at (i64.add (call $now) (i64.const 50000)) (i32.const 2)))
            ;; Rings for turns that are known by now come first.
            (loop $early (br_if $early (i32.ne (call $next) (i32.const 2))))
            (call $ok (call $write (i32.const 3) (i32.const 256) (i32.const 4)))
            (drop (i32.atomic.rmw.add (local.get $window) (i32.const 1)))
            (call $ok (call $notify (i32.const 4096) (i32.const 1)))
            (global.set $count (i32.add (global.get $count) (i32.const 1)))
            (br_if $turn (i32.lt_u (global.get $count) (i32.const 4))))))"#;

/// The interpreter, with an import and a function for every call.
fn interpreter() -> String {
    let mut imports = String::new();
    let mut calls = String::new();
    let mut elements = String::new();
    for call in CALLS.iter() {
        let name = &call.name;
        let _ = write!(elements, " ${name}");
        let Some((module, import)) = call.import else {
            continue;
        };
        let types = call
            .wide
            .iter()
            .map(|wide| if *wide { " i64" } else { " i32" });
        let types: String = types.collect();
        let _ = writeln!(
            imports,
            r#"(import "{module}" "{import}" (func $import.{name} (param{types}) (result i64)))"#
        );
        let loads: String = call
            .wide
            .iter()
            .enumerate()
            .map(|(n, wide)| {
                let ty = if *wide { "i64" } else { "i32" };
                format!(" ({ty}.load offset={} (local.get 0))", 8 * n)
            })
            .collect();
        let _ = writeln!(
            calls,
            "(func ${name} (type $call) (call $import.{name}{loads}))"
        );
    }
    include_str!("interpreter.wat")
        .replace("{IMPORTS}", &imports)
        .replace("{ELEMENTS}", &elements)
        .replace("{CALLS}", &calls)
        .replace("{COUNT}", &CALLS.len().to_string())
}

/// The signed archive of all modules.
///
/// # Errors
/// A module does not compile: the table has what the interpreter cannot call.
pub fn archive(key: &SigningKey) -> wasmtime::Result<Vec<u8>> {
    let engine = Engine::new(&wasm_engine::compiler_config(None)?)?;
    let mut archive = Writer::new();
    for (name, text) in [
        ("fuzz", &*interpreter()),
        ("tiny", TINY),
        ("sleep", SLEEP),
        ("spin", SPIN),
        ("ping", &*BYSTANDER.replace("{TURN}", "0")),
        ("pong", &*BYSTANDER.replace("{TURN}", "1")),
    ] {
        let wasm = wat::parse_str(text)
            .map_err(wasmtime::Error::msg)
            .context(name)?;
        archive
            .add(name, engine.precompile_module(&wasm).context(name)?)
            .map_err(wasmtime::Error::msg)?;
    }
    archive.finish(key).map_err(wasmtime::Error::msg)
}
