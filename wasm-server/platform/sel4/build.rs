// SPDX-License-Identifier: BSD-2-Clause
//! Passes the server's linker script, so that the command line only has to choose a linker.
#![forbid(unsafe_code)]

use std::env;

fn main() {
    println!("cargo::rerun-if-changed=link.ld");
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    let directory = env::var("CARGO_MANIFEST_DIR").expect("cargo sets CARGO_MANIFEST_DIR");
    for arg in [
        &format!("-T{directory}/link.ld"),
        "--build-id=none",
        "-zmax-page-size=4096",
        "-znoexecstack",
    ] {
        println!("cargo::rustc-link-arg-bins={arg}");
    }
}
