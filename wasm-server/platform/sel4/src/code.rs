// SPDX-License-Identifier: BSD-2-Clause
//! Code of modules: the artifacts of the archive stay where the root task mapped it, those that guests
//! load where they were copied to ([`crate::image`]). Their text becomes executable page by page. No page is ever
//! writable and executable; those of the archive are never even writable.

use core::{
    arch::asm,
    ptr::{self, NonNull},
};

use alloc::{collections::BTreeMap, string::ToString, sync::Arc, vec::Vec};
use lock_api::Mutex;
use sel4::{CapRights, VmAttributes, cap};
use wasm_archive::Verified;
use wasm_handoff::{Handoff, Range, slot};
use wasmtime::{CustomCodeMemory, Engine, Module};

use crate::{
    image::Image,
    lock::WordLock,
    place::Place,
    vspace::{self, ALIASES},
};

const PAGE: usize = 4096;

/// The archive's pages, and the images that modules are made of.
pub struct Code {
    archive: Range,
    frames: u64,
    /// What page tables are made of.
    pool: cap::Untyped,
    /// Where artifacts of the archive are, as far as modules were made of them.
    sites: Mutex<WordLock, Vec<Site>>,
    /// By their first addresses. An image is here from before its module is made until wasmtime has let go of the
    /// code: so its pages stay, whoever else has forgotten it.
    images: Mutex<WordLock, BTreeMap<usize, Arc<Image>>>,
}

/// An artifact of the archive: where the root task mapped it, or mapped once more. Code at one address
/// belongs to one engine.
struct Site {
    /// Where the root task mapped it.
    artifact: usize,
    /// Where this is.
    start: usize,
    len: usize,
    /// The capability of its first page.
    frames: u64,
    /// A module is made of it.
    taken: bool,
}

impl Site {
    fn has(&self, start: usize, len: usize) -> bool {
        let offset = start.wrapping_sub(self.start);
        offset <= self.len && len <= self.len - offset
    }
}

impl Code {
    /// Of the archive in the handoff.
    pub fn new(handoff: &Handoff, pool: cap::Untyped) -> Self {
        Self {
            archive: handoff.archive,
            frames: handoff.archive_frames,
            pool,
            sites: Mutex::new(Vec::new()),
            images: Mutex::new(BTreeMap::new()),
        }
    }

    /// Whether an address is where modules are, and so may be wasm code.
    pub fn contains(&self, address: usize) -> bool {
        self.is_archive(address) || ALIASES.contains(&address) || Place::is_code(address)
    }

    fn is_archive(&self, address: usize) -> bool {
        (address as u64).wrapping_sub(self.archive.vaddr) < self.archive.len
    }

    /// Makes a module of its artifact, in place: where the root task mapped it, or elsewhere if it is
    /// another engine's there.
    pub fn load(&self, engine: &Engine, module: &Verified<'_>) -> wasmtime::Result<Module> {
        let bytes = module.bytes();
        if !self.is_archive(bytes.as_ptr() as usize) {
            return Err(wasmtime::Error::msg("the artifact is not in the archive"));
        }
        let start = self.take_site(bytes.as_ptr() as usize, bytes.len())?;
        let there =
            ptr::slice_from_raw_parts_mut(ptr::with_exposed_provenance_mut(start), bytes.len());
        let there = NonNull::new(there).ok_or_else(|| wasmtime::Error::msg("no artifact"))?;
        // SAFETY: the bytes are what `atoll build` wrote: their hash is under the archive's signature.
        // They lie in the archive's pages, which nobody can write and which stay mapped for good, here or once more.
        let module = unsafe { Module::deserialize_raw(engine, there) };
        if module.is_err() {
            self.leave_site(start);
        }
        module
    }

    /// A place where this artifact is and no module is made of it.
    fn take_site(&self, artifact: usize, len: usize) -> wasmtime::Result<usize> {
        let mut sites = self.sites.lock();
        let mut known = sites.iter_mut().filter(|site| site.artifact == artifact);
        if let Some(free) = known.find(|site| !site.taken) {
            free.taken = true;
            return Ok(free.start);
        }
        let frames = self.frames + (artifact as u64 - self.archive.vaddr) / PAGE as u64;
        let is_first = sites.iter().all(|site| site.artifact != artifact);
        let (start, frames) = if is_first {
            (artifact, frames)
        } else {
            vspace::alias(self.pool, frames, len.div_ceil(PAGE))
                .map_err(|failure| wasmtime::Error::msg(failure.to_string()))?
        };
        sites.push(Site {
            artifact,
            start,
            len: len.next_multiple_of(PAGE),
            frames,
            taken: true,
        });
        Ok(start)
    }

    /// No module is made of what is at this address any more.
    fn leave_site(&self, address: usize) {
        let mut sites = self.sites.lock();
        if let Some(site) = sites.iter_mut().find(|site| site.has(address, 1)) {
            site.taken = false;
        }
    }

    /// Makes a module of an image, in place. Only one is made of each.
    pub fn load_image(
        &self,
        engine: &Engine,
        image: &Arc<Image>,
        module: &Verified<'_>,
    ) -> wasmtime::Result<Module> {
        let bytes = module.bytes();
        if !image.has(bytes.as_ptr() as usize, bytes.len()) {
            return Err(wasmtime::Error::msg("the artifact is not in the image"));
        }
        let taken = self.images.lock().insert(image.start(), image.clone());
        if taken.is_some() {
            return Err(wasmtime::Error::msg(
                "a module is made of the image already",
            ));
        }
        // SAFETY: the bytes are what `atoll module` wrote: their hash is under a signature. They lie in the image,
        // which nobody can write, and which `images` keeps until the module's code is unpublished, the last
        // thing that wasmtime does with it.
        let module = unsafe { Module::deserialize_raw(engine, NonNull::from(bytes)) };
        if module.is_err() {
            // wasmtime has told us already if it came as far as to publish.
            self.forget(image.start());
        }
        module
    }

    /// The image that an address is in.
    fn image_at(&self, address: usize) -> Option<Arc<Image>> {
        let images = self.images.lock();
        let (_, image) = images.range(..=address).next_back()?;
        image.has(address, 0).then(|| image.clone())
    }

    /// Lets go of an image.
    fn forget(&self, start: usize) {
        let image = self.images.lock().remove(&start);
        // Without the lock, since its memory may go.
        drop(image);
    }

    fn remap(
        &self,
        start: *const u8,
        len: usize,
        attributes: VmAttributes,
    ) -> wasmtime::Result<()> {
        let start = start as usize;
        let sites = self.sites.lock();
        let site = sites.iter().find(|site| site.taken && site.has(start, len));
        let site = site.ok_or_else(|| wasmtime::Error::msg("code outside the archive"))?;
        let vspace = cap::VSpace::from_bits(slot::VSPACE);
        for page in (start..start + len).step_by(PAGE) {
            let index = ((page - site.start) / PAGE) as u64;
            cap::SmallPage::from_bits(site.frames + index)
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
        match self.image_at(start as usize) {
            Some(image) if image.has(start as usize, len) => image
                .make_executable(start as usize, len)
                .map_err(|error| wasmtime::Error::msg(error.to_string()))?,
            _ => self.remap(start, len, VmAttributes::DEFAULT)?,
        }
        synchronize(start as usize, len);
        Ok(())
    }

    fn unpublish_executable(&self, start: *const u8, len: usize) -> wasmtime::Result<()> {
        if let Some(image) = self.image_at(start as usize) {
            // Nothing is mapped there when the last has let go of it, and until then nobody can write it.
            self.forget(image.start());
            return Ok(());
        }
        if len > 0 {
            let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
            self.remap(start, len, attributes)?;
        }
        self.leave_site(start as usize);
        Ok(())
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
