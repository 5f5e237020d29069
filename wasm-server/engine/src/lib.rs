// SPDX-License-Identifier: BSD-2-Clause
//! The one wasmtime configuration, shared by the ahead-of-time compiler and the server.
//!
//! wasmtime refuses an artifact whose settings differ from the engine's, and its defaults depend on
//! the features it was built with, on the target and on the platform. So every setting that it
//! compares, or that what we say about guests rests on, is stated in [`config`], and nobody else
//! makes a [`Config`].
//!
//! A server adds its `MemoryCreator` and `CustomCodeMemory` to [`config`]; the host tool takes
//! `compiler_config` (feature `compiler`).
#![no_std]
#![forbid(unsafe_code)]

use core::num::NonZeroUsize;

use wasmtime::{Config, Inlining, WasmBacktraceDetails, WasmFeatures};

/// Bytes of address space that a linear memory reserves. All that a 32-bit index can name lies
/// inside, so the compiler emits no bounds checks.
pub const MEMORY_RESERVATION: u64 = 4 << 30;

/// Bytes of address space behind the reservation that never hold a mapping. Static offsets of loads
/// and stores up to this need no bounds check either.
pub const MEMORY_GUARD: u64 = 32 << 20;

/// Frames that a trap report shows at most.
///
/// wasmtime walks the whole stack before it cuts the list to this, with 16 bytes of heap for each
/// frame; what it walks is bounded by the guest's stack, and it copes with a failed allocation.
pub const MAX_BACKTRACE_FRAMES: usize = 32;

/// Triple of the modules that run in the image.
pub const IMAGE_TARGET: &str = "aarch64-unknown-none";

/// The least value of `async_stack_size` that wasmtime takes is `max_wasm_stack`. Nothing here is
/// async, so this only has to be large enough.
const MIN_ASYNC_STACK: usize = 2 << 20;

/// What guests may use beyond WebAssembly 2.0.
const ENABLED: WasmFeatures = WasmFeatures::TAIL_CALL
    .union(WasmFeatures::EXTENDED_CONST)
    .union(WasmFeatures::RELAXED_SIMD)
    .union(
        // Atomic instructions on ordinary memories, which is what guests share regions with. Shared
        // memories and wait/notify are refused by the host tool.
        WasmFeatures::THREADS,
    );

/// What wasmtime would enable, depending on how it was built, and guests do not get.
const DISABLED: WasmFeatures = WasmFeatures::GC
    .union(WasmFeatures::GC_TYPES)
    .union(WasmFeatures::FUNCTION_REFERENCES)
    .union(WasmFeatures::EXCEPTIONS)
    .union(WasmFeatures::LEGACY_EXCEPTIONS)
    .union(WasmFeatures::COMPONENT_MODEL)
    .union(WasmFeatures::CM_ASYNC)
    // Accesses to a 64-bit memory do not stay inside the reservation.
    .union(WasmFeatures::MEMORY64)
    // A guest is one linear memory: its budget, windows and mailbox are there.
    .union(WasmFeatures::MULTI_MEMORY)
    // Windows onto shared regions are whole 64 KiB pages.
    .union(WasmFeatures::CUSTOM_PAGE_SIZES)
    .union(WasmFeatures::SHARED_EVERYTHING_THREADS)
    .union(WasmFeatures::STACK_SWITCHING)
    .union(WasmFeatures::WIDE_ARITHMETIC);

/// The configuration of every engine that loads artifacts.
///
/// `max_wasm_stack` is the number of bytes of native stack that wasm code may use before it traps;
/// the stack below needs 32 to 64 KiB more, for the host functions that wasm calls at that depth. It
/// is the only parameter because it is the only setting that artifacts do not depend on.
pub fn config(max_wasm_stack: NonZeroUsize) -> Config {
    let mut config = Config::new();
    config
        .wasm_features(WasmFeatures::WASM2.union(ENABLED), true)
        .wasm_features(DISABLED, false)
        // Bounds are checked by the MMU, and faults redirected into wasmtime's handler.
        .signals_based_traps(true)
        .memory_reservation(MEMORY_RESERVATION)
        .memory_guard_size(MEMORY_GUARD)
        .memory_reservation_for_growth(0)
        .memory_may_move(false)
        .guard_before_linear_memory(false)
        // Our `MemoryCreator` makes no images, and wasmtime panics when it finds one with this on.
        .memory_init_cow(false)
        .table_lazy_init(true)
        // A guest that spins is ended by moving the epoch.
        .epoch_interruption(true)
        .consume_fuel(false)
        .relaxed_simd_deterministic(true)
        .compiler_inlining(Inlining::No)
        .concurrency_support(false)
        // GC is off; these are compared all the same.
        .gc_heap_reservation(MEMORY_RESERVATION)
        .gc_heap_guard_size(MEMORY_GUARD)
        .gc_heap_reservation_for_growth(0)
        .gc_heap_may_move(false)
        .gc_heap_initial_size(0)
        // Trap reports name module, function and wasm offset, which takes the address map and the
        // name section but neither DWARF nor unwind tables.
        .generate_address_map(true)
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        .wasm_backtrace_max_frames(NonZeroUsize::new(MAX_BACKTRACE_FRAMES))
        .native_unwind_info(false)
        .debug_info(false)
        // Function symbols in the artifact, for objdump and gdb.
        .debug_symbols(true)
        .metadata_for_internal_asserts(false)
        .metadata_for_gc_heap_corruption(false)
        .wasm_branch_hinting(false)
        .shared_memory(false)
        .async_stack_size(max_wasm_stack.get().max(MIN_ASYNC_STACK))
        .max_wasm_stack(max_wasm_stack.get());
    config
}

/// The configuration that compiles artifacts for engines made from [`config`].
///
/// `target` is a triple such as [`IMAGE_TARGET`], or none for this host with the CPU features it has.
///
/// # Errors
/// The triple is unknown, or Cranelift was not built for it.
#[cfg(feature = "compiler")]
pub fn compiler_config(target: Option<&str>) -> wasmtime::Result<Config> {
    // The stack limit is read at run time; any value does.
    let mut config = config(const { NonZeroUsize::new(512 << 10).unwrap() });
    config
        .strategy(wasmtime::Strategy::Cranelift)
        .cranelift_opt_level(wasmtime::OptLevel::Speed)
        .cranelift_regalloc_algorithm(wasmtime::RegallocAlgorithm::Backtracking)
        .cranelift_debug_verifier(false)
        .cranelift_nan_canonicalization(false);
    if let Some(target) = target {
        config.target(target)?;
    }
    Ok(config)
}

#[cfg(all(test, feature = "compiler"))]
mod tests {
    extern crate std;

    use std::hash::{DefaultHasher, Hash, Hasher};
    use std::vec::Vec;

    use wasmtime::Engine;

    use super::*;

    /// `(module (func (export "f")))`
    const EMPTY_FUNCTION: &[u8] =
        b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x07\x05\x01\x01f\0\0\x0a\x04\x01\x02\0\x0b";

    fn compile(target: Option<&str>) -> Vec<u8> {
        let engine = Engine::new(&compiler_config(target).unwrap()).unwrap();
        engine.precompile_module(EMPTY_FUNCTION).unwrap()
    }

    /// Everything that wasmtime compares when it loads an artifact.
    fn fingerprint(config: &Config) -> u64 {
        let mut hasher = DefaultHasher::new();
        let engine = Engine::new(config).unwrap();
        engine.precompile_compatibility_hash().hash(&mut hasher);
        hasher.finish()
    }

    #[test]
    fn artifacts_fit_every_engine_whatever_its_stacks() {
        let compiling = fingerprint(&compiler_config(None).unwrap());
        for stack in [16 << 10, 64 << 10, 8 << 20] {
            let loading = config(NonZeroUsize::new(stack).unwrap());
            assert_eq!(fingerprint(&loading), compiling, "{stack} bytes");
        }
    }

    #[test]
    fn loading_takes_no_compiler() {
        let mut loading = config(NonZeroUsize::new(64 << 10).unwrap());
        loading.enable_compiler(false);
        Engine::new(&loading).unwrap();
    }

    #[test]
    fn the_image_target_is_known_and_its_artifacts_are_reproducible() {
        let artifact = compile(Some(IMAGE_TARGET));
        assert!(Engine::detect_precompiled(&artifact).is_some());
        assert_eq!(artifact, compile(Some(IMAGE_TARGET)));
    }
}
