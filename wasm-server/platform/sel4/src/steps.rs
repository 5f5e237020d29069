// SPDX-License-Identifier: BSD-2-Clause
//! The steps of a guest's start and end, for `make bench`; nothing without the feature `bench`.

/// A point in a guest's life, in the order in which a life passes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
pub enum Step {
    /// The server starts to make what the guest's thread needs.
    Settle,
    /// Its address space is there.
    Space,
    /// Its thread is configured.
    Settled,
    /// The server starts to have it run.
    Launch,
    /// The first instructions of its thread.
    Thread,
    /// wasmtime asks for its linear memory.
    Memory,
    /// The memory is there.
    Grown,
    /// wasmtime keeps nothing for it any more.
    Finish,
    /// The service thread starts to take everything back.
    Evict,
    /// Everything made of its memory is gone.
    Revoked,
    /// Nothing of it is left on the platform.
    Evicted,
}

/// Notes that a guest is at this point.
#[inline(always)]
pub fn mark(step: Step) {
    #[cfg(feature = "bench")]
    crate::bench::steps::mark(step);
    #[cfg(not(feature = "bench"))]
    let _ = step;
}
