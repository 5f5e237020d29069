// SPDX-License-Identifier: BSD-2-Clause
//! Links as the process server is linked.
#![forbid(unsafe_code)]

use std::env;

fn main() {
    const SCRIPT: &str = "../../wasm-server/platform/sel4/link.ld";
    println!("cargo::rerun-if-changed={SCRIPT}");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    for arg in [
        &format!("-T{directory}/{SCRIPT}"),
        "--build-id=none",
        "-zmax-page-size=4096",
        "-znoexecstack",
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
