// SPDX-License-Identifier: BSD-2-Clause
//! Turns what `sel4-sys` says about the kernel into conditional compilation.
#![forbid(unsafe_code)]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let says =
        |key: &str, value: &str| env::var(format!("DEP_SEL4_{key}")).is_ok_and(|v| v == value);
    if !says("ABI", "5") {
        println!(
            "cargo::error=the kernel at SEL4_PREFIX has an interface later than that of seL4 5.0.0, for which src/abi/ has no module yet"
        );
    }
    for (cfg, on) in [
        ("sel4_abi_5", says("ABI", "5")),
        ("sel4_debug_build", says("DEBUG_BUILD", "true")),
        ("sel4_printing", says("PRINTING", "true")),
    ] {
        println!("cargo::rustc-check-cfg=cfg({cfg})");
        if on {
            println!("cargo::rustc-cfg={cfg}");
        }
    }
}
