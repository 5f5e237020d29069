// SPDX-License-Identifier: BSD-2-Clause
//! What wasmtime keeps for a guest.

use alloc::sync::Arc;

use wasmtime::ResourceLimiter;

use crate::{Guest, platform::Platform};

/// The data of a guest's store.
pub(crate) struct Context<P: Platform> {
    pub guest: Arc<Guest<P>>,
    table_elements: usize,
}

impl<P: Platform> Context<P> {
    pub fn new(guest: Arc<Guest<P>>) -> Self {
        Self {
            table_elements: guest.process.limits.table_elements as usize,
            guest,
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
