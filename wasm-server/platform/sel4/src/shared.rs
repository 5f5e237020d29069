// SPDX-License-Identifier: BSD-2-Clause
//! Pages that other programs see, too, and the channels that they are for.

use core::{
    ptr,
    sync::atomic::{AtomicU64, Ordering::SeqCst},
};

use sel4::cap;
use wasm_handoff::{Holder, SharedChannel, Words, ledger};
use wasm_server_core::platform::{OtherProgram, SharedRegion};

use crate::platform::Sel4;

/// A page that others write, or read, at the same time.
#[derive(Clone, Copy, Debug)]
pub struct Page {
    address: usize,
    is_own: bool,
}

impl Page {
    /// One that this program writes.
    ///
    /// # Safety
    /// A page of memory is mapped there, readable and writable, for good, of which nobody forms references.
    pub unsafe fn own(address: usize) -> Self {
        let is_own = true;
        Self { address, is_own }
    }

    /// One that it reads.
    ///
    /// # Safety
    /// As for [`Page::own`], but readable.
    pub unsafe fn of_another(address: usize) -> Self {
        let is_own = false;
        Self { address, is_own }
    }

    fn word(&self, index: usize) -> Option<&AtomicU64> {
        // SAFETY: aligned and inside the page, which is mapped for good, as whoever made this has promised;
        // all programs access its words atomically. A load needs no right to write, and `store` asks for it.
        (index < ledger::WORDS).then(|| unsafe {
            AtomicU64::from_ptr(ptr::with_exposed_provenance_mut(self.address + index * 8))
        })
    }
}

impl Words for Page {
    fn load(&self, index: usize) -> u64 {
        self.word(index).map_or(0, |word| word.load(SeqCst))
    }

    fn store(&self, index: usize, value: u64) {
        if let Some(word) = self.word(index).filter(|_| self.is_own) {
            word.store(value, SeqCst);
        }
    }
}

/// What there is of a shared channel beside its frames.
pub fn region(channel: &SharedChannel, holders: &[Holder]) -> SharedRegion<Sel4> {
    let others = holders
        .iter()
        .filter(|other| other.object == channel.object);
    let others = others.map(|other| OtherProgram {
        program: other.program,
        // SAFETY: the root task has mapped another program's ledger there, for good.
        page: unsafe { Page::of_another(other.ledger as usize) },
        waker: cap::Notification::from_bits(other.notification),
    });
    SharedRegion {
        // SAFETY: the root task has mapped this program's ledger of the channel there, for good.
        own: unsafe { Page::own(channel.ledger as usize) },
        // Below 28, as every bit of a badge.
        signal: 1 << (channel.signal % 32),
        others: others.collect(),
    }
}
