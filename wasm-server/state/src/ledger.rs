// SPDX-License-Identifier: BSD-2-Clause
//! What a program says to others of a region that they share: who of its processes holds it, which bells they
//! listen to, and which it has rung.
//!
//! For each shared region a program has one page, which it writes and the others only read (layout:
//! `wasm_handoff::ledger`).
//!
//! A ring is a change of the page's first word and then a signal to the other program, and the signal says no more than that
//! there was one. Who finds the count one up knows the bells; who finds that it has missed some takes it that all
//! have been rung. So no ring is lost, whatever becomes one signal.
//!
//! What is in another's page is an allegation: it is only ever copied word by word, and every loop over it is
//! bounded by the page. A program that writes nonsense has others wake for nothing, sleep on, or take its own
//! processes for dead or alive, and no more.

pub use atoll_abi::Pid;
pub use wasm_handoff::Words;
use wasm_handoff::ledger::{LISTENING, PIDS, RUNG, USED, WORDS, rung};

use crate::{
    Lock,
    atomic::{Ordering::SeqCst, fence},
};

/// Most processes of one program that hold one shared region.
pub const MAX_PIDS: usize = WORDS - PIDS;

/// The list of processes is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full;

/// The program's own page.
#[derive(Debug)]
pub struct Own<W, L> {
    page: W,
    /// How often it has rung; locked while the page is written.
    rings: L,
}

impl<W: Words, L: Lock<Data = u32>> Own<W, L> {
    /// A page that nobody else writes any more, which goes on where whoever had it before has ended. `new` makes
    /// the lock.
    pub fn new(page: W, new: impl FnOnce(u32) -> L) -> Self {
        let rings = (page.load(RUNG) >> 32) as u32;
        Self {
            page,
            rings: new(rings),
        }
    }

    /// Lists a process, if it is not listed.
    ///
    /// # Errors
    /// [`Full`]
    pub fn add(&self, pid: Pid) -> Result<(), Full> {
        let _rings = self.rings.lock();
        let used = self.used();
        let mut free = used;
        for place in 0..used {
            match self.page.load(PIDS + place) {
                listed if listed == u64::from(pid.0) => return Ok(()),
                0 => free = free.min(place),
                _ => {}
            }
        }
        if free == MAX_PIDS {
            return Err(Full);
        }
        self.page.store(PIDS + free, pid.0.into());
        if free == used {
            self.page.store(USED, used as u64 + 1);
        }
        Ok(())
    }

    /// Lists only those any more for which `holds`.
    pub fn retain(&self, holds: impl Fn(Pid) -> bool) {
        let _rings = self.rings.lock();
        let used = self.used();
        let mut left = 0;
        for place in 0..used {
            let pid = self.page.load(PIDS + place) as u32;
            if pid == 0 {
                continue;
            }
            if holds(Pid(pid)) {
                left = place + 1;
            } else {
                self.page.store(PIDS + place, 0);
            }
        }
        if left < used {
            self.page.store(USED, left as u64);
        }
    }

    /// Says what is listened to; `bells` is asked again each time, so that the last to call says what is true.
    /// Who looks for what it waits for after this has returned, loses no ring.
    pub fn listen(&self, bells: impl FnOnce() -> u32) {
        let _rings = self.rings.lock();
        self.page.store(LISTENING, bells().into());
        // Before whoever listens looks, as there is one between a change and the look at who listens.
        fence(SeqCst);
    }

    /// Notes a ring. Afterwards those are to be signalled whose [`Other::listens_to`] these bells.
    pub fn ring(&self, bells: u32) {
        let mut rings = self.rings.lock();
        *rings = rings.wrapping_add(1);
        self.page.store(RUNG, rung(*rings, bells));
        fence(SeqCst);
    }

    fn used(&self) -> usize {
        (self.page.load(USED) as usize).min(MAX_PIDS)
    }
}

/// Another program's page.
#[derive(Debug)]
pub struct Other<W>(W);

impl<W: Words> Other<W> {
    /// The page.
    pub const fn new(page: W) -> Self {
        Self(page)
    }

    /// Whether the program says that this process of it holds the region.
    pub fn holds(&self, pid: Pid) -> bool {
        let used = (self.0.load(USED) as usize).min(MAX_PIDS);
        pid.0 != 0 && (0..used).any(|place| self.0.load(PIDS + place) == u64::from(pid.0))
    }

    /// Whether the program says that somebody there listens to one of these bells.
    pub fn listens_to(&self, bells: u32) -> bool {
        self.0.load(LISTENING) as u32 & bells != 0
    }

    /// The bells that it has rung since the last call; `seen` is this reader's, and at first 0.
    pub fn heard(&self, seen: &mut u32) -> u32 {
        let rung = self.0.load(RUNG);
        let (rings, bells) = ((rung >> 32) as u32, rung as u32);
        let before = core::mem::replace(seen, rings);
        match rings.wrapping_sub(before) {
            0 => 0,
            1 => bells,
            _ => u32::MAX,
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use core::sync::atomic::{AtomicU64, Ordering::SeqCst};
    use std::sync::{Arc, Mutex};
    use std::vec::Vec;

    use proptest::{collection::vec, prelude::*};
    use wasm_handoff::ledger::cleared;

    use super::*;

    /// A page that both see.
    #[derive(Clone)]
    struct Memory(Arc<Vec<AtomicU64>>);

    impl Memory {
        fn new() -> Self {
            Self(Arc::new((0..WORDS).map(|_| AtomicU64::new(0)).collect()))
        }

        fn own(&self) -> Own<Self, Mutex<u32>> {
            Own::new(self.clone(), Mutex::new)
        }

        fn other(&self) -> Other<Self> {
            Other::new(self.clone())
        }

        fn clear(&self) {
            let cleared = cleared(self.load(RUNG));
            for index in 0..WORDS {
                self.store(index, cleared.get(index).copied().unwrap_or(0));
            }
        }
    }

    impl Words for Memory {
        fn load(&self, index: usize) -> u64 {
            self.0.get(index).map_or(0, |word| word.load(SeqCst))
        }

        fn store(&self, index: usize, value: u64) {
            if let Some(word) = self.0.get(index) {
                word.store(value, SeqCst);
            }
        }
    }

    #[test]
    fn the_last_ring_says_its_bells_and_missed_ones_are_all() {
        let memory = Memory::new();
        let (own, other, mut seen) = (memory.own(), memory.other(), 0);
        assert_eq!(other.heard(&mut seen), 0);
        own.ring(4);
        assert_eq!(other.heard(&mut seen), 4);
        assert_eq!(other.heard(&mut seen), 0);
        own.ring(1);
        own.ring(2);
        assert_eq!(other.heard(&mut seen), u32::MAX);
        assert_eq!(other.heard(&mut seen), 0);
    }

    #[test]
    fn whoever_comes_after_goes_on_where_it_ended() {
        let memory = Memory::new();
        let (own, other, mut seen) = (memory.own(), memory.other(), 0);
        own.ring(1);
        own.add(Pid(7)).unwrap();
        own.listen(|| 3);
        assert_eq!(other.heard(&mut seen), 1);
        assert!(other.holds(Pid(7)) && other.listens_to(2) && !other.listens_to(4));
        drop(own);
        memory.clear();
        assert!(!other.holds(Pid(7)) && !other.listens_to(u32::MAX));
        assert_eq!(other.heard(&mut seen), u32::MAX);
        let own = memory.own();
        own.ring(8);
        assert_eq!(other.heard(&mut seen), 8);
    }

    #[test]
    fn rings_are_counted_past_the_end() {
        let memory = Memory::new();
        memory.store(RUNG, rung(u32::MAX, 1));
        let (own, other, mut seen) = (memory.own(), memory.other(), u32::MAX);
        own.ring(2);
        assert_eq!((other.heard(&mut seen), seen), (2, 0));
    }

    #[test]
    fn a_full_page_takes_no_more_until_somebody_leaves() {
        let memory = Memory::new();
        let (own, other) = (memory.own(), memory.other());
        for pid in 1..=MAX_PIDS as u32 {
            own.add(Pid(pid)).unwrap();
        }
        assert_eq!(own.add(Pid(5000)), Err(Full));
        assert_eq!(own.add(Pid(1)), Ok(()));
        own.retain(|pid| pid != Pid(20));
        assert!(!other.holds(Pid(20)) && other.holds(Pid(MAX_PIDS as u32)));
        assert_eq!(own.add(Pid(5000)), Ok(()));
        assert!(other.holds(Pid(5000)));
    }

    proptest! {
        #[test]
        fn others_see_who_holds(
            steps in vec((any::<bool>(), 1..40u32), 0..200),
        ) {
            let memory = Memory::new();
            let (own, other) = (memory.own(), memory.other());
            let mut held = std::collections::BTreeSet::new();
            for (comes, pid) in steps {
                if comes {
                    held.insert(pid);
                    own.add(Pid(pid)).unwrap();
                } else {
                    held.remove(&pid);
                    own.retain(|pid| held.contains(&pid.0));
                }
                for pid in 0..41 {
                    prop_assert_eq!(other.holds(Pid(pid)), held.contains(&pid));
                }
            }
        }

        /// Whatever is there, and whatever it becomes meanwhile, nothing panics or goes on for ever.
        #[test]
        fn nonsense_is_read_word_by_word(words in vec(any::<u64>(), WORDS), pid: u32, seen: u32) {
            let memory = Memory::new();
            for (index, word) in words.iter().enumerate() {
                memory.store(index, *word);
            }
            let (other, mut seen) = (memory.other(), seen);
            other.heard(&mut seen);
            other.holds(Pid(pid));
            other.listens_to(pid);
            let own = memory.own();
            let _ = own.add(Pid(pid));
            own.retain(|pid| pid.0 % 2 == 0);
            own.ring(1);
        }
    }
}
