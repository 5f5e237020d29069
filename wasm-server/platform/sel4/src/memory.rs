// SPDX-License-Identifier: BSD-2-Clause
//! Linear memories for wasmtime: the guest's own part of the address space.

use alloc::{
    boxed::Box,
    string::{String, ToString},
};
use core::ptr;

use wasm_engine::{MEMORY_GUARD, MEMORY_RESERVATION};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::{
    arena, home,
    space::Space,
    steps::{Step, mark},
};

/// Makes the one memory of the guest whose thread asks.
pub struct Memories;

/// The memory of the guest whose thread asks: it holds nothing that would be left behind when the thread
/// ends in the midst of things.
struct Memory;

impl Memory {
    fn of_guest<R>(f: impl FnOnce(&Space) -> R) -> R {
        match home::with_space(f) {
            Some(result) => result,
            None => panic!("the memory of a guest is used on a thread that is no guest's"),
        }
    }
}

// SAFETY: the memory is the part of the address space that is set aside for this guest: it has the
// reservation and the guard (`space`), nothing in it is mapped beyond its size, fresh frames are zero,
// and it does not move. The server itself touches it only through volatile and atomic accesses
// within its size.
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
            return Err("the reservation is larger than a guest's address space".to_string());
        }
        mark(Step::Memory);
        let grown = home::with_space(|space| {
            if space.size() != 0 {
                return Err("a guest has one memory".to_string());
            }
            // What is noted of the address space outlives the thread.
            arena::charge(false, || space.grow_to(minimum)).map_err(|failure| failure.to_string())
        });
        grown.ok_or("memory is for guests")??;
        mark(Step::Grown);
        Ok(Box::new(Memory))
    }
}

// SAFETY: as above.
unsafe impl LinearMemory for Memory {
    fn byte_size(&self) -> usize {
        Self::of_guest(Space::size)
    }

    fn byte_capacity(&self) -> usize {
        MEMORY_RESERVATION as usize
    }

    fn grow_to(&mut self, size: usize) -> wasmtime::Result<()> {
        Self::of_guest(|space| arena::charge(false, || space.grow_to(size)))
            .map_err(|failure| wasmtime::Error::msg(failure.to_string()))
    }

    fn as_ptr(&self) -> *mut u8 {
        ptr::with_exposed_provenance_mut(Self::of_guest(Space::memory))
    }
}
