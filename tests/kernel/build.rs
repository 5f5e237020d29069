// SPDX-License-Identifier: BSD-2-Clause
//! Links with the runtime's script.
#![forbid(unsafe_code)]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if let Ok(script) = env::var("DEP_SEL4_ROOT_TASK_LINKER_SCRIPT") {
        for argument in [
            &format!("-T{script}"),
            "-zmax-page-size=4096",
            "--build-id=none",
        ] {
            println!("cargo::rustc-link-arg-bins={argument}");
        }
    }
}
