// SPDX-License-Identifier: BSD-2-Clause
//! Regions: frames that several guests can have windows onto.
//!
//! A window maps copies of the frames' capabilities. What the server itself reads and writes it does
//! through the capabilities themselves, which are mapped at addresses of the owner's, or of the
//! server's, when they are used first: the region's view.

use alloc::{sync::Arc, vec::Vec};
use core::sync::atomic::{AtomicUsize, Ordering};

use sel4::{CapRights, cap};
use wasm_handoff::SharedChannel;
use wasm_server_core::platform::Failure;

use crate::{
    access,
    account::{PAGE, UNIT, frame},
    cspace,
    space::{Space, WASM_PAGE},
    vspace,
};

/// See the module.
pub struct Region {
    chunks: Vec<Chunk>,
    owner: Owner,
    /// Whether the capabilities allow to write.
    write: bool,
}

/// Whose memory a region is made of.
enum Owner {
    Guest(Arc<Space>),
    /// The spec; page tables come from the server's pool.
    Spec(cap::Untyped),
}

/// The frames of one page of wasm.
pub struct Chunk {
    slots: u64,
    /// Where they are mapped; 0: nowhere.
    view: AtomicUsize,
}

impl Chunk {
    /// Frames in these slots, mapped nowhere.
    pub const fn new(slots: u64) -> Self {
        Self {
            slots,
            view: AtomicUsize::new(0),
        }
    }

    /// The frames, to be used for something else.
    fn take(&self) -> Self {
        Self {
            slots: self.slots,
            view: AtomicUsize::new(self.view.load(Ordering::Acquire)),
        }
    }

    /// The first of their slots.
    pub fn slots(&self) -> u64 {
        self.slots
    }

    /// Where they are mapped.
    pub fn view(&self) -> Option<usize> {
        let view = self.view.load(Ordering::Acquire);
        (view != 0).then_some(view)
    }

    /// Maps them; page tables are there, and the lock of whose the addresses are is held.
    pub fn map(&self, address: usize) -> Result<(), Failure> {
        for (i, cptr) in (self.slots..self.slots + UNIT).enumerate() {
            vspace::map(cptr, address + i * PAGE, CapRights::read_write())
                .map_err(|_| Failure::Refused("a page"))?;
        }
        self.seen_at(address);
        Ok(())
    }

    /// Notes that they are mapped at an address.
    pub fn seen_at(&self, address: usize) {
        self.view.store(address, Ordering::Release);
    }

    /// Takes all copies of their capabilities away, wherever they are mapped.
    pub fn revoke(&self) {
        for cptr in self.slots..self.slots + UNIT {
            // Cannot fail: it is a frame.
            let _ = cspace::path(cptr).revoke();
        }
    }

    /// Has them mapped nowhere.
    pub fn unmap(&self) {
        if self.view.swap(0, Ordering::AcqRel) != 0 {
            for cptr in self.slots..self.slots + UNIT {
                // Cannot fail: it is a frame.
                let _ = cap::Granule::from_bits(cptr).frame_unmap();
            }
        }
    }
}

impl Region {
    /// Makes one of a guest's budget.
    pub fn of_guest(space: &Arc<Space>, bytes: usize) -> Result<Self, Failure> {
        Ok(Self {
            chunks: space.take_chunks(bytes / WASM_PAGE)?,
            owner: Owner::Guest(space.clone()),
            write: true,
        })
    }

    /// Makes one of an untyped of the spec, with slots of the server's own.
    pub fn of_untyped(
        pool: cap::Untyped,
        untyped: cap::Untyped,
        bytes: usize,
    ) -> Result<Self, Failure> {
        let mut chunks = Vec::new();
        for _ in 0..bytes / WASM_PAGE {
            let slots = cspace::take_own(UNIT)?;
            cspace::retype(untyped, frame(), slots, UNIT as usize)
                .map_err(|_| Failure::NoMemory("its frames"))?;
            chunks.push(Chunk::new(slots));
        }
        Ok(Self {
            chunks,
            owner: Owner::Spec(pool),
            write: true,
        })
    }

    /// One of frames that other programs have, too.
    pub fn of_frames(pool: cap::Untyped, channel: &SharedChannel, bytes: usize) -> Self {
        let slots = (0..(bytes / WASM_PAGE) as u64).map(|i| channel.frames + i * UNIT);
        Self {
            chunks: slots.map(Chunk::new).collect(),
            owner: Owner::Spec(pool),
            write: channel.write,
        }
    }

    /// Its size.
    pub fn bytes(&self) -> usize {
        self.chunks.len() * WASM_PAGE
    }

    /// Its frames.
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks
    }

    /// Copies out.
    pub fn read(&self, offset: usize, out: &mut [u8]) -> Result<(), Failure> {
        let mut done = 0;
        self.parts(offset, out.len(), |address, len| {
            // SAFETY: in the view, which is mapped for as long as the region is neither freed nor
            // taken back with its owner: the caller sees to that.
            unsafe { access::copy_out(address, &mut out[done..done + len]) };
            done += len;
        })
    }

    /// Copies in.
    pub fn write(&self, offset: usize, bytes: &[u8]) -> Result<(), Failure> {
        if !self.write {
            return Err(Failure::Refused("to write a region that is to be read"));
        }
        let mut done = 0;
        self.parts(offset, bytes.len(), |address, len| {
            // SAFETY: as in `read`.
            unsafe { access::copy_in(address, &bytes[done..done + len]) };
            done += len;
        })
    }

    /// Gives the frames back to the guest that made it. Nobody has a window onto it.
    pub fn free(&self) {
        if let Owner::Guest(space) = &self.owner {
            space.keep(self.chunks.iter().map(Chunk::take));
        }
    }

    fn parts(
        &self,
        offset: usize,
        len: usize,
        mut copy: impl FnMut(usize, usize),
    ) -> Result<(), Failure> {
        let mut at = offset;
        while at < offset + len {
            let chunk = self.chunks.get(at / WASM_PAGE);
            let chunk = chunk.ok_or(Failure::Refused("an offset outside the region"))?;
            let inside = at % WASM_PAGE;
            let len = (WASM_PAGE - inside).min(offset + len - at);
            copy(view(&self.owner, chunk)? + inside, len);
            at += len;
        }
        Ok(())
    }
}

/// The address at which the server sees a chunk.
fn view(owner: &Owner, chunk: &Chunk) -> Result<usize, Failure> {
    match (chunk.view(), owner) {
        (Some(view), _) => Ok(view),
        (None, Owner::Guest(space)) => space.view(chunk),
        (None, Owner::Spec(pool)) => vspace::view(*pool, chunk),
    }
}
