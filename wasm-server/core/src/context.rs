// SPDX-License-Identifier: BSD-2-Clause
//! What wasmtime keeps for a guest.

use alloc::sync::Arc;

use wasm_state::mailbox::Ring;
use wasmtime::{ResourceLimiter, WasmBacktrace};

use crate::{
    Guest,
    platform::{Home, Platform},
};

/// The data of a guest's store.
pub(crate) struct Context<P: Platform> {
    pub guest: Arc<Guest<P>>,
    /// Where the guest's thread looks for wakes.
    pub mailbox: Option<Ring<<P::Home as Home>::Words>>,
    table_elements: usize,
    /// A backtrace without frames. An error that has one is given no other: who exits does not want to
    /// wait until its frames are found.
    pub no_frames: Option<WasmBacktrace>,
}

impl<P: Platform> Context<P> {
    pub fn new(guest: Arc<Guest<P>>) -> Self {
        Self {
            table_elements: guest.process.limits.table_elements as usize,
            guest,
            mailbox: None,
            no_frames: None,
        }
    }
}

impl<P: Platform> ResourceLimiter for Context<P> {
    /// Memory is limited by the budget: the platform refuses frames that it does not cover.
    fn memory_growing(&mut self, _: usize, _: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _: usize,
        desired: usize,
        _: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(desired <= self.table_elements)
    }

    fn instances(&self) -> usize {
        1
    }

    fn tables(&self) -> usize {
        4
    }

    fn memories(&self) -> usize {
        1
    }
}
