// SPDX-License-Identifier: BSD-2-Clause
//! Linear memories for wasmtime.

use std::sync::Arc;

use wasm_engine::{MEMORY_GUARD, MEMORY_RESERVATION};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::{home, space::Space};

/// Makes the one memory of the guest whose thread asks.
pub struct Memories;

struct Memory(Arc<Space>);

// SAFETY: a `Space` reserves the addresses and the guard, maps nothing beyond its size, gives zeroed
// pages, and does not move. The server itself touches it only through atomic accesses.
unsafe impl MemoryCreator for Memories {
    fn new_memory(
        &self,
        _: MemoryType,
        minimum: usize,
        _: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        if reserved.is_some_and(|bytes| bytes as u64 > MEMORY_RESERVATION)
            || guard as u64 > MEMORY_GUARD
        {
            return Err("the reservation is larger than a guest's address space".into());
        }
        let space = home::current_space().ok_or("memory is for guests")?;
        if space.size() != 0 {
            return Err("a guest has one memory".into());
        }
        space
            .grow_to(minimum)
            .map_err(|failure| failure.to_string())?;
        Ok(Box::new(Memory(space)))
    }
}

// SAFETY: as above.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        self.0.size()
    }

    fn byte_capacity(&self) -> usize {
        MEMORY_RESERVATION as usize
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        self.0
            .grow_to(size)
            .map_err(|failure| wasmtime::Error::msg(failure.to_string()))
    }

    fn as_ptr(&self) -> *mut u8 {
        self.0.memory()
    }
}
