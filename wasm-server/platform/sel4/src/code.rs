// SPDX-License-Identifier: BSD-2-Clause
//! Code of modules: the artifacts stay where the root task mapped the archive, and their text
//! becomes executable page by page. No page is ever writable and executable; these are never even
//! writable.

use core::{arch::asm, ptr::NonNull};

use alloc::string::ToString;
use sel4::{CapRights, VmAttributes, cap};
use wasm_archive::Verified;
use wasm_handoff::{Handoff, Range, slot};
use wasmtime::{CustomCodeMemory, Engine, Module};

const PAGE: usize = 4096;

/// The archive's pages.
pub struct Code {
    archive: Range,
    frames: u64,
}

impl Code {
    /// Of the archive in the handoff.
    pub fn new(handoff: &Handoff) -> Self {
        Self {
            archive: handoff.archive,
            frames: handoff.archive_frames,
        }
    }

    /// Whether an address is in the archive, and so may be wasm code.
    pub fn contains(&self, address: usize) -> bool {
        (address as u64).wrapping_sub(self.archive.vaddr) < self.archive.len
    }

    /// Makes a module of its artifact, in place.
    pub fn load(&self, engine: &Engine, module: &Verified<'_>) -> wasmtime::Result<Module> {
        let bytes = module.bytes();
        if !self.contains(bytes.as_ptr() as usize) {
            return Err(wasmtime::Error::msg("the artifact is not in the archive"));
        }
        // SAFETY: the bytes are what `atoll build` wrote: their hash is under the archive's signature.
        // They lie in the archive's pages, which nobody can write and which stay mapped for good.
        unsafe { Module::deserialize_raw(engine, NonNull::from(bytes)) }
    }

    fn remap(
        &self,
        start: *const u8,
        len: usize,
        attributes: VmAttributes,
    ) -> wasmtime::Result<()> {
        let start = start as usize;
        let end = start
            .checked_add(len)
            .filter(|end| self.contains(start) && self.contains(end - 1));
        let end = end.ok_or_else(|| wasmtime::Error::msg("code outside the archive"))?;
        let vspace = cap::VSpace::from_bits(slot::VSPACE);
        for page in (start..end).step_by(PAGE) {
            let index = (page as u64 - self.archive.vaddr) / PAGE as u64;
            cap::SmallPage::from_bits(self.frames + index)
                .frame_map(vspace, page, CapRights::read_only(), attributes)
                .map_err(|error| wasmtime::Error::msg(error.to_string()))?;
        }
        Ok(())
    }
}

impl CustomCodeMemory for Code {
    fn required_alignment(&self) -> usize {
        PAGE
    }

    fn publish_executable(&self, start: *const u8, len: usize) -> wasmtime::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.remap(start, len, VmAttributes::DEFAULT)?;
        synchronize(start as usize, len);
        Ok(())
    }

    fn unpublish_executable(&self, start: *const u8, len: usize) -> wasmtime::Result<()> {
        if len == 0 {
            return Ok(());
        }
        self.remap(
            start,
            len,
            VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
        )
    }
}

/// Has instruction fetches see what is in memory (Arm ARM, B2.4.4); the loader enables these
/// instructions at user level.
fn synchronize(start: usize, len: usize) {
    let ctr: u64;
    // SAFETY: reads a constant of the machine.
    unsafe {
        asm!("mrs {}, ctr_el0", out(reg) ctr, options(nomem, nostack, preserves_flags, pure))
    };
    // Both fields are log2 of 4-byte words.
    let data_line = 4usize << (ctr >> 16 & 15);
    let instruction_line = 4usize << (ctr & 15);
    for address in (start..start + len).step_by(data_line) {
        // SAFETY: cleans a line of mapped, readable memory; its contents stay.
        unsafe { asm!("dc cvau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: a barrier.
    unsafe { asm!("dsb ish", options(nostack, preserves_flags)) };
    for address in (start..start + len).step_by(instruction_line) {
        // SAFETY: drops a line of the instruction cache; it is fetched again.
        unsafe { asm!("ic ivau, {}", in(reg) address, options(nostack, preserves_flags)) };
    }
    // SAFETY: barriers.
    unsafe { asm!("dsb ish", "isb", options(nostack, preserves_flags)) };
}
