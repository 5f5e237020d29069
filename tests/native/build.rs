// SPDX-License-Identifier: BSD-2-Clause
//! Passes the runtime's linker script.
#![forbid(unsafe_code)]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let script = env::var("DEP_SEL4_NATIVE_TASK_LINKER_SCRIPT").expect("sel4-native-task sets it");
    for arg in [
        &format!("-T{script}"),
        "--build-id=none",
        "-zmax-page-size=4096",
        "-znoexecstack",
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
