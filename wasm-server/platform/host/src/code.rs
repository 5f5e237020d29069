// SPDX-License-Identifier: BSD-2-Clause
//! Code of modules; wasmtime maps it itself here.

use wasm_archive::Verified;
use wasmtime::{Engine, Module};

/// Makes a module of its artifact.
pub fn load(engine: &Engine, module: &Verified<'_>) -> wasmtime::Result<Module> {
    // SAFETY: the bytes are what `atoll build` wrote: their hash is under the archive's signature.
    unsafe { Module::deserialize(engine, module.bytes()) }
}
