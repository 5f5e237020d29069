// SPDX-License-Identifier: BSD-2-Clause
//! A guest's rings (virtio 1.2, 2.7), in its own private memory. Its numbers are allegations.

use wasm_state::mailbox::Words;

use crate::{access::GuestMemory, chain::DESCRIPTOR};

/// In an available ring's flags: the driver wants no interrupts.
pub const NO_INTERRUPT: u16 = 1;

/// Words of a ring before its entries: flags and index, in one word here.
const HEAD: u32 = 4;
/// Bytes of an entry of the used ring: id and length.
const USED: u32 = 8;

/// The rings of one queue.
#[derive(Debug)]
pub struct Rings<W> {
    /// The descriptor table.
    pub table: W,
    available: W,
    used: W,
    /// A power of two.
    size: u16,
    /// How far the available ring was taken.
    pub taken: u16,
    /// How far the used ring is written; what is beyond the guest does not see.
    pub used_index: u16,
}

impl<W: Words> Rings<W> {
    /// The rings at these addresses, of a size that is a power of two and not more than
    /// [`MAX_SIZE`](crate::MAX_SIZE). Table, available and used ring are aligned to 16, 4 and 4 bytes
    /// (virtio asks for 16, 2 and 4; nobody aligns an available ring to less).
    pub fn new<M: GuestMemory<Words = W>>(
        memory: &M,
        size: u16,
        [table, available, used]: [u64; 3],
    ) -> Option<Self> {
        let words = |address: u64, len: u32, align: u32| {
            let address = u32::try_from(address).ok()?;
            let is_aligned = address.is_multiple_of(align);
            is_aligned.then(|| memory.private_words(address, len))?
        };
        let entries = u32::from(size);
        Some(Self {
            table: words(table, DESCRIPTOR * entries, 16)?,
            // A ring of one entry has half a word behind, for an event index that is not used.
            available: words(available, (HEAD + 2 * entries).next_multiple_of(4), 4)?,
            used: words(used, HEAD + USED * entries, 4)?,
            size,
            taken: 0,
            used_index: 0,
        })
    }

    /// Descriptors.
    #[inline]
    pub fn size(&self) -> u16 {
        self.size
    }

    /// Flags and index of the available ring.
    #[inline]
    pub fn available(&self) -> (u16, u16) {
        let word = self.available.load(0);
        (word as u16, (word >> 16) as u16)
    }

    /// The head that was made available next.
    #[inline]
    pub fn head(&self) -> u32 {
        let entry = u32::from(self.taken & (self.size - 1));
        let word = self.available.load(HEAD + 2 * (entry & !1));
        word >> (16 * (entry & 1)) & 0xffff
    }

    /// Puts an entry into the used ring, which the guest does not see yet.
    #[inline]
    pub fn put_used(&mut self, head: u8, len: u32) {
        let at = HEAD + USED * u32::from(self.used_index & (self.size - 1));
        self.used.store(at, head.into());
        self.used.store(at + 4, len);
        self.used_index = self.used_index.wrapping_add(1);
    }

    /// Shows the guest the used entries. No flags: a kick costs the guest one call, and is never in vain.
    #[inline]
    pub fn publish_used(&self) {
        self.used.store(0, u32::from(self.used_index) << 16);
    }
}
