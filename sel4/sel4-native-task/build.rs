// SPDX-License-Identifier: BSD-2-Clause
//! Tells native tasks where the linker script is, and this crate whether the kernel prints.
#![forbid(unsafe_code)]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    println!("cargo::rustc-check-cfg=cfg(sel4_printing)");
    if env::var("DEP_SEL4_PRINTING").is_ok_and(|printing| printing == "true") {
        println!("cargo::rustc-cfg=sel4_printing");
    }
    println!("cargo::metadata=LINKER_SCRIPT={directory}/native-task.ld");
}
