// SPDX-License-Identifier: BSD-2-Clause
//! The power switch: a guest that is granted it ends the machine, and nobody else does.
#![forbid(unsafe_code)]

use std::path::PathBuf;

use system_tests::build::{Build, Kernel, Parts};
use system_tests::machine::{Config, Machine, SECONDS};
use system_tests::scratch::Scratch;
use system_tests::spec::SpecText;

/// Uses the switch, and exits with the error if that answers: the error's number.
const OFF: &str = r#"(module
    (import "atoll::power" "off" (func $off (result i64)))
    (import "atoll::guest" "exit" (func $exit (param i32) (result i64)))
    (memory (export "memory") 1)
    (func (export "_start")
        (drop (call $exit (i32.wrap_i64 (i64.sub (i64.const 0) (call $off)))))))"#;

fn build(scratch: &Scratch) -> Build {
    let wasm = wat::parse_str(OFF).unwrap_or_else(|error| panic!("off: {error}"));
    scratch.write("off.wasm", wasm);
    Build::from_env().with_archive_of(scratch, &["off"])
}

/// An image of the spec; or what the host tool says.
fn image(
    scratch: &Scratch,
    build: &Build,
    kernel: Kernel,
    spec: &SpecText,
) -> Result<PathBuf, String> {
    let path = scratch.path("power.elf");
    let spec = scratch.write("power.cdl", spec);
    let server = build.server();
    let parts = Parts {
        spec: &spec,
        archive: &build.archive,
        server: &server,
        imports_known: true,
    };
    let output = build.try_image(kernel, parts, &path);
    match output.status.success() {
        true => Ok(path),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

#[test]
fn the_machine_ends_well() {
    let scratch = Scratch::new();
    let build = build(&scratch);
    let spec = SpecText::of_tests("power.cdl");
    let image = image(&scratch, &build, Kernel::Release, &spec).expect("an image");
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    let (status, text) = machine.expect_end(SECONDS);
    assert!(status.success(), "{status}:\n{text}");
}

#[test]
fn a_server_without_the_switch_says_so() {
    let scratch = Scratch::new();
    let build = build(&scratch);
    let spec = SpecText::of_tests("power.cdl").replace("power: switch", "");
    let image = image(&scratch, &build, Kernel::Release, &spec).expect("an image");
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect("off: debug: exited with code 35", SECONDS);
}

/// As one that `SEL4_PREFIX` may name.
#[test]
fn a_kernel_without_the_switch_says_so() {
    let scratch = Scratch::new();
    let build = build(&scratch);
    let spec = SpecText::of_tests("power.cdl");
    let image = image(&scratch, &build, Kernel::Unpatched, &spec).expect("an image");
    let machine = Machine::boot(&image, Config::default()).expect("QEMU");
    machine.expect("off: debug: exited with code 35", SECONDS);
}

/// Neither without the grant, nor by a device's number; nor is the number a device's.
#[test]
fn nobody_else_can() {
    let scratch = Scratch::new();
    let build = build(&scratch);
    let spec = || SpecText::of_tests("power.cdl");
    for (spec, why) in [
        (
            spec().replace("power  log", "log"),
            "is not granted `power`",
        ),
        (
            spec().replace("159: switch", "79: switch"),
            "interrupt 79 is no power switch",
        ),
        (
            spec().replace("30: timer  159: switch", "159: timer  30: switch"),
            "interrupt 159 is the power switch",
        ),
    ] {
        match image(&scratch, &build, Kernel::Release, &spec) {
            Ok(_) => panic!("an image, where `{why}` was due"),
            Err(said) => assert!(said.contains(why), "{said}"),
        }
    }
}
