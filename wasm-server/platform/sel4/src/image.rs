// SPDX-License-Identifier: BSD-2-Clause
//! Memory of the modules that guests load.
//!
//! The frames come out of the loader's budget and are mapped in the loader's place, where no guest's memory is:
//! writable while the module is copied, then read-only, and its text read-execute once it is
//! checked ([`crate::code`]).

use alloc::{sync::Arc, vec::Vec};
use core::{ops::Range, ptr, slice};

use sel4::{CapRights, VmAttributes, cap};
use wasm_handoff::slot;
use wasm_server_core::platform::{self, Failure};

use crate::{
    access,
    account::{Account, PAGE, UNIT},
    arena,
    pages::Pages,
    place::{CODE, SPAN},
    region::Chunk,
    space::{Space, WASM_PAGE},
};

/// Where the modules of one guest are.
pub struct CodeArea {
    start: usize,
    /// Page tables reach to here.
    tables_to: usize,
    /// In order.
    taken: Vec<Range<usize>>,
}

impl CodeArea {
    /// There is nothing from this address on.
    pub const fn new(start: usize) -> Self {
        Self {
            start,
            tables_to: start,
            taken: Vec::new(),
        }
    }

    /// Everything is gone.
    pub fn close(&mut self) {
        self.taken.clear();
    }

    /// Takes addresses: between others, or behind them.
    pub fn take(&mut self, bytes: usize) -> Result<usize, Failure> {
        let mut start = self.start;
        let mut at = 0;
        for taken in &self.taken {
            if taken.start - start >= bytes {
                break;
            }
            start = taken.end;
            at += 1;
        }
        if start + bytes > self.start + (SPAN - CODE) {
            return Err(Failure::Exhausted("addresses for modules"));
        }
        self.taken.insert(at, start..start + bytes);
        Ok(start)
    }

    /// Gives them up.
    pub fn give_up(&mut self, start: usize) {
        self.taken.retain(|taken| taken.start != start);
    }

    /// Has page tables there up to `end`.
    pub fn ensure_tables(&mut self, account: &mut Account, end: usize) -> Result<(), Failure> {
        Pages::ensure(account, &mut self.tables_to, end)
    }
}

/// Memory that is written.
pub struct Blank {
    space: Arc<Space>,
    start: usize,
    len: usize,
    chunks: Vec<Chunk>,
}

impl Blank {
    /// So many bytes of a guest's budget.
    pub fn new(space: &Arc<Space>, len: usize) -> Result<Self, Failure> {
        let (start, chunks) = space.take_code(len.div_ceil(WASM_PAGE))?;
        Ok(Self {
            space: space.clone(),
            start,
            len,
            chunks,
        })
    }

    /// Maps pages of it, from an offset on, anew.
    fn remap(
        &self,
        pages: Range<usize>,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> sel4::Result<()> {
        let vspace = cap::VSpace::from_bits(slot::VSPACE);
        let per_chunk = UNIT as usize;
        for page in pages {
            let Some(chunk) = self.chunks.get(page / per_chunk) else {
                return Err(sel4::Error::RangeError);
            };
            let cptr = chunk.slots() + (page % per_chunk) as u64;
            let address = self.start + page * PAGE;
            cap::SmallPage::from_bits(cptr).frame_map(vspace, address, rights, attributes)?;
        }
        Ok(())
    }
}

/// Nobody uses what is there: the image is dropped when no module is made of it.
impl Drop for Blank {
    fn drop(&mut self) {
        // What is noted of the loader outlives the guest that runs on this thread.
        arena::charge(false, || {
            let chunks = core::mem::take(&mut self.chunks);
            self.space.keep_code(self.start, chunks);
        });
    }
}

impl platform::Blank for Blank {
    type Image = Image;

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Failure> {
        let offset = offset as usize;
        if offset + bytes.len() > self.len {
            return Err(Failure::Refused("an offset outside the module"));
        }
        // SAFETY: inside what is mapped there read-write, and nobody else's. The loader's memory is not taken back
        // meanwhile: it is the loader's own thread that writes, or that of one who has entered (`Loader::enter`).
        unsafe { access::copy_in(self.start + offset, bytes) };
        Ok(())
    }

    fn seal(self) -> Result<Image, Failure> {
        let pages = self.chunks.len() * UNIT as usize;
        let attributes = VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER;
        self.remap(0..pages, CapRights::read_only(), attributes)
            .map_err(|_| Failure::Refused("its pages"))?;
        Ok(Image(self))
    }
}

/// Memory that nobody can write.
pub struct Image(Blank);

impl Image {
    /// First address.
    pub fn start(&self) -> usize {
        self.0.start
    }

    /// Whether a range is inside what was written.
    pub fn has(&self, start: usize, len: usize) -> bool {
        let offset = start.wrapping_sub(self.0.start);
        offset <= self.0.len && len <= self.0.len - offset
    }

    /// Maps the pages of this range so that they can be executed, and not written.
    pub fn make_executable(&self, start: usize, len: usize) -> sel4::Result<()> {
        let offset = start.wrapping_sub(self.0.start);
        let pages = offset / PAGE..(offset + len).div_ceil(PAGE);
        self.0
            .remap(pages, CapRights::read_only(), VmAttributes::DEFAULT)
    }
}

impl platform::Image for Image {
    fn bytes(&self) -> &[u8] {
        // SAFETY: mapped, written as far as this and zero behind, and read-only since `seal`: no capability is mapped
        // elsewhere. The pages stay for as long as the image, or until the loader is evicted, before
        // which whoever has one lets go of it (`Loader::close`).
        unsafe { slice::from_raw_parts(ptr::with_exposed_provenance(self.0.start), self.0.len) }
    }

    fn memory(&self) -> u64 {
        (self.0.chunks.len() * WASM_PAGE) as u64
    }
}
