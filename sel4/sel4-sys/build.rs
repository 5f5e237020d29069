// SPDX-License-Identifier: BSD-2-Clause
//! Generates the kernel's interface from the files of the kernel installed at `SEL4_PREFIX`.
#![forbid(unsafe_code)]

use std::{env, error::Error, fs, path::Path};

use sel4_sys_gen::{Abi, generate};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-env-changed=SEL4_PREFIX");
    println!("cargo::rerun-if-changed=build.rs");
    let Some(prefix) = env::var_os("SEL4_PREFIX").filter(|prefix| !prefix.is_empty()) else {
        println!(
            "cargo::error=SEL4_PREFIX is not set: it names the directory of an installed seL4 kernel. \
             `make kernel` builds the default one, SEL4_PREFIX=build/kernel/release; the Makefile's own targets set the variable."
        );
        return Ok(());
    };
    let output = match generate(Path::new(&prefix)) {
        Ok(output) => output,
        Err(error) => {
            println!(
                "cargo::error=the kernel's interface files (SEL4_PREFIX) cannot be used: {error}"
            );
            return Ok(());
        }
    };
    for input in &output.inputs {
        println!("cargo::rerun-if-changed={}", input.display());
    }
    let directory = env::var_os("OUT_DIR").ok_or("OUT_DIR is not set")?;
    fs::write(Path::new(&directory).join("generated.rs"), &output.code)?;

    let abi = match output.abi {
        Abi::V5 => "5",
        Abi::Later => "later",
    };
    println!("cargo::metadata=ABI={abi}");
    println!(
        "cargo::metadata=DEBUG_BUILD={}",
        output.config.is_on("DEBUG_BUILD")
    );
    println!(
        "cargo::metadata=PRINTING={}",
        output.config.is_on("PRINTING")
    );
    println!("cargo::rustc-check-cfg=cfg(sel4_debug_build)");
    if output.config.is_on("DEBUG_BUILD") {
        println!("cargo::rustc-cfg=sel4_debug_build");
    }
    Ok(())
}
