// SPDX-License-Identifier: BSD-2-Clause
//! Passes the runtime's linker script, so that the command line only has to choose a linker.
#![forbid(unsafe_code)]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Not there on the host, where only the library is built.
    let Ok(script) = env::var("DEP_SEL4_ROOT_TASK_LINKER_SCRIPT") else {
        return;
    };
    for arg in [
        &format!("-T{script}"),
        "--build-id=none",
        "-zmax-page-size=4096",
        "-znoexecstack",
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
