// SPDX-License-Identifier: BSD-2-Clause
//! What the ends of a channel share: its memory, and the way to each other.

use alloc::boxed::Box;
// Counts what only this guest sees.
use core::sync::atomic::AtomicU32 as Count;

use atoll_abi::channel::{
    ALIGN, ALWAYS, BELL_READERS, BELL_WRITERS, DRAINS, FLAG_DROP, FLAG_PIPE, MAX_NAME, ROLE_STRONG,
    SLEEPS, TERMINATED,
};

use super::{
    layout::{Slot, View},
    memory::Cells,
    sync::{
        AtomicU32,
        Ordering::{Acquire, Relaxed, SeqCst},
        announce,
    },
};

/// The others that hold the region, as far as the server tells of them.
pub(super) trait Peers: Send + Sync {
    /// The process id of this guest.
    fn me(&self) -> u32;
    /// Whether a process lives and holds the region.
    fn holds(&self, pid: u32) -> bool;
    /// Wakes the others that listen to one of these bells.
    fn ring(&self, bells: u32);
    /// Wakes the ends in this guest, which a ring of its own does not reach.
    fn ring_here(&self) {}
}

/// A channel that was opened.
pub(super) struct Link {
    pub view: View,
    pub flags: u32,
    /// Frames that one writer may have out.
    pub credits: u32,
    pub peers: Box<dyn Peers>,
    /// How many writers and readers this guest has.
    pub ends: [Count; 2],
}

/// One of the two sides.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Writers,
    Readers,
}

impl Link {
    pub const fn is_pipe(&self) -> bool {
        self.flags & FLAG_PIPE != 0
    }

    pub const fn drops(&self) -> bool {
        self.flags & FLAG_DROP != 0
    }

    /// Whether it was made with this configuration.
    #[cfg(not(loom))]
    pub fn is_as(&self, config: &super::config::Config) -> bool {
        (self.view.geometry, self.flags, self.credits)
            == (config.geometry, config.flags, config.credits)
    }

    /// The word that says whether a side sleeps.
    pub fn word(&self, side: Side) -> &AtomicU32 {
        match side {
            Side::Writers => self.view.writers_word.get(),
            Side::Readers => self.view.readers_word.get(),
        }
    }

    pub fn slots(&self, side: Side) -> (&Cells<Slot>, u32) {
        match side {
            Side::Writers => (&self.view.writers, self.view.geometry.writers),
            Side::Readers => (&self.view.readers, self.view.geometry.readers),
        }
    }

    /// The slots of a side that somebody has, with who it is.
    pub fn taken(&self, side: Side) -> impl Iterator<Item = (u32, &Slot, u32)> {
        let (slots, count) = self.slots(side);
        (0..count).filter_map(move |index| {
            let slot = slots.at(index);
            match slot.owner.load(SeqCst) {
                0 => None,
                owner => Some((index, slot, owner)),
            }
        })
    }

    /// Says that one of this side is about to sleep. It looks once more afterwards, and sleeps then.
    pub fn arm(&self, side: Side) {
        self.word(side).fetch_or(SLEEPS, SeqCst);
        announce();
    }

    /// Rings for a side if one of it sleeps.
    pub fn wake(&self, side: Side) {
        announce();
        if self.word(side).load(SeqCst) & (SLEEPS | ALWAYS) != 0 {
            self.wake_sleepers(side);
        }
    }

    /// As [`Self::wake`], without a look.
    pub fn wake_sleepers(&self, side: Side) {
        let bell = match side {
            Side::Writers => BELL_WRITERS,
            Side::Readers => BELL_READERS,
        };
        if self.word(side).fetch_and(!SLEEPS, SeqCst) & (SLEEPS | ALWAYS) != 0 {
            self.peers.ring(bell);
            if self.ends(side).load(Relaxed) != 0 {
                self.peers.ring_here();
            }
        }
    }

    /// How many of this side are in this guest.
    pub const fn ends(&self, side: Side) -> &Count {
        let [writers, readers] = &self.ends;
        match side {
            Side::Writers => writers,
            Side::Readers => readers,
        }
    }

    /// Has everybody look.
    pub fn wake_all(&self) {
        for side in [Side::Writers, Side::Readers] {
            self.word(side).fetch_and(!SLEEPS, SeqCst);
        }
        self.peers.ring(BELL_WRITERS | BELL_READERS);
        self.peers.ring_here();
    }

    pub fn is_terminated(&self) -> bool {
        self.word(Side::Readers).load(Acquire) & TERMINATED != 0
    }

    /// Whether nothing more is to be written.
    pub fn drains(&self) -> bool {
        self.word(Side::Writers).load(Acquire) & (DRAINS | TERMINATED) != 0
    }

    /// Says it to both sides, and has everybody look.
    pub fn end(&self, how: u32) {
        for side in [Side::Writers, Side::Readers] {
            self.word(side).fetch_or(how, SeqCst);
        }
        self.wake_all();
    }

    /// Whether there were strong writers, and none is left.
    pub fn is_abandoned(&self) -> bool {
        self.view.header().strong_writers.load(SeqCst) != 0
            && !self
                .taken(Side::Writers)
                .any(|(_, slot, _)| slot.role.load(SeqCst) == ROLE_STRONG)
    }

    /// As [`Self::is_abandoned`], for one that cannot free the slots of those that are gone.
    pub fn is_deserted(&self) -> bool {
        let lives = |(_, slot, owner): (u32, &Slot, u32)| {
            slot.role.load(SeqCst) == ROLE_STRONG && self.peers.holds(owner)
        };
        self.view.header().strong_writers.load(SeqCst) != 0 && !self.taken(Side::Writers).any(lives)
    }

    /// Frees the slots of those that are gone.
    pub fn bury(&self, side: Side) {
        for (_, slot, owner) in self.taken(side) {
            if !self.peers.holds(owner) {
                let _ = slot.owner.compare_exchange(owner, 0, SeqCst, Relaxed);
            }
        }
    }

    /// Takes a slot that is free, or whose owner is gone.
    pub fn claim(&self, side: Side, name: &str) -> Option<u32> {
        self.claim_free(side, name).or_else(|| {
            self.bury(side);
            self.claim_free(side, name)
        })
    }

    fn claim_free(&self, side: Side, name: &str) -> Option<u32> {
        let (slots, count) = self.slots(side);
        let index = (0..count).find(|index| {
            let owner = &slots.at(*index).owner;
            owner
                .compare_exchange(0, self.peers.me(), SeqCst, Relaxed)
                .is_ok()
        })?;
        self.ends(side).fetch_add(1, Relaxed);
        let slot = slots.at(index);
        if side == Side::Readers {
            // That of one that died: this one has yet to find its place.
            slot.role.store(0, SeqCst);
        }
        let generation = slot.generation.load(Relaxed);
        slot.generation.store(generation.wrapping_add(1), SeqCst);
        slot.lost.store(0, Relaxed);
        for (word, bytes) in slot.name.iter().zip(name_words(name)) {
            word.store(bytes, Relaxed);
        }
        Some(index)
    }

    /// Gives a slot back.
    pub fn leave(&self, side: Side, index: u32) {
        let slot = self.slots(side).0.at(index);
        slot.role.store(0, SeqCst);
        let _ = slot
            .owner
            .compare_exchange(self.peers.me(), 0, SeqCst, Relaxed);
        self.ends(side).fetch_sub(1, Relaxed);
        // The others may have waited for this one, or look who there is.
        self.wake_all();
    }
}

impl Slot {
    /// The name of whoever has it, as far as it is text.
    #[cfg(not(loom))]
    pub(super) fn name(&self) -> alloc::string::String {
        let mut bytes = [0; MAX_NAME as usize];
        let (words, _) = bytes.as_chunks_mut();
        for (bytes, word) in words.iter_mut().zip(&self.name) {
            *bytes = word.load(Relaxed).to_le_bytes();
        }
        let text = bytes.utf8_chunks().next().map_or("", |chunk| chunk.valid());
        text.trim_end_matches('\0').into()
    }
}

/// A name as the words of a slot, cut between characters.
fn name_words(name: &str) -> [u32; MAX_NAME as usize / 4] {
    let mut bytes = [0; MAX_NAME as usize];
    let cut = name.get(..name.floor_char_boundary(bytes.len()));
    let name = cut.unwrap_or_default().as_bytes();
    if let Some(room) = bytes.get_mut(..name.len()) {
        room.copy_from_slice(name);
    }
    let (words, _) = bytes.as_chunks();
    let mut result = [0; MAX_NAME as usize / 4];
    for (word, bytes) in result.iter_mut().zip(words) {
        *word = u32::from_le_bytes(*bytes);
    }
    result
}

/// Bytes of the data ring that a frame of this length takes; a length that no frame has may give any.
#[inline(always)]
pub(super) const fn span(len: u32) -> u32 {
    len.wrapping_add(ALIGN - 1) & !(ALIGN - 1)
}
