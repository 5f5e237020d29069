// SPDX-License-Identifier: BSD-2-Clause
//! The server's side of a wake mailbox (layout: `atoll_abi::mailbox`).
//!
//! Those who put ids take turns under a lock. The guest's own thread takes none to look, to park and to
//! wake up: how far the ring is written and whether the guest sleeps are one word, so that parking fails
//! if an id has come since the guest looked.

use atoll_abi::mailbox::{
    MAX_CAPACITY, OFFSET_CAPACITY, OFFSET_HEAD, OFFSET_OVERFLOW, OFFSET_RING, OFFSET_TAIL,
    OFFSET_VERSION, VERSION, bytes,
};

use crate::{
    Lock,
    atomic::{AtomicU64, Ordering},
};

/// Words of a guest's linear memory that nobody else writes.
pub trait Words {
    /// Atomic load with acquire ordering of the word at this offset in bytes; 0 if there is none.
    fn load(&self, offset: u32) -> u32;
    /// Atomic store with release ordering; nothing if there is no such word.
    fn store(&self, offset: u32, value: u32);

    /// Atomic loads of the four words from a multiple of 16 on, each behind what was loaded with acquire
    /// ordering before; 0 for one that is not there, and possibly for the others then.
    #[inline]
    fn load_four(&self, offset: u32) -> [u32; 4] {
        [0, 4, 8, 12].map(|i| self.load(offset.wrapping_add(i)))
    }
}

/// What a guest registered is no mailbox.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMailbox;

/// Where the ids are.
#[derive(Clone, Copy, Debug)]
pub struct Ring<W> {
    words: W,
    capacity: u32,
}

/// A guest's mailbox: where it is, and what the server does not let the guest decide.
///
/// [`Mailbox::put`] and [`Mailbox::wait`] share the rule that no wake is lost and none is sent that
/// nobody waits for: the guest counts as asleep from when it found no id, which is before it sleeps; the
/// first put afterwards takes that back and owes it a wake; and a wake that comes before the sleep
/// ends it at once.
#[derive(Debug)]
pub struct Mailbox<L> {
    mail: L,
    /// How far the ring is written, in the upper half, and [`PARKED`] and [`DROPPED`]. Written under the
    /// lock, but for what the guest's own thread says of itself.
    state: AtomicU64,
}

/// What a mailbox's lock protects.
#[derive(Debug)]
pub struct Mail<W> {
    ring: Option<Ring<W>>,
    puts: u64,
}

/// The guest sleeps, or is about to, and nobody has undertaken to wake it.
const PARKED: u64 = 1;
/// An id was dropped, and the guest has not come back from a wait since.
const DROPPED: u64 = 2;
/// Bits below the ring's tail.
const TAIL_SHIFT: u32 = 32;

const fn tail_of(state: u64) -> u32 {
    (state >> TAIL_SHIFT) as u32
}

impl<W> Default for Mail<W> {
    fn default() -> Self {
        Self {
            ring: None,
            puts: 0,
        }
    }
}

impl<W: Words, L: Lock<Data = Mail<W>>> Mailbox<L> {
    /// No mailbox yet, in mail that is new.
    pub fn new(mail: L) -> Self {
        Self {
            mail,
            state: AtomicU64::new(0),
        }
    }

    /// Takes the mailbox in these words, emptied, in place of the one before, on the guest's own thread.
    /// Ids that the guest has not taken stay in the one before, unless it is the same.
    pub fn register(&self, ring: Ring<W>) {
        let mut mail = self.mail.lock();
        // Under the lock: no put stores into the ring meanwhile.
        ring.clear();
        self.state.store(0, Ordering::Relaxed);
        mail.ring = Some(ring);
    }

    /// Puts an id, from any thread. If this answers true, the guest sleeps or is about to, and the caller
    /// has to wake it. A full ring drops the id and says so in the overflow word, which has the guest look
    /// at every task.
    #[must_use = "the guest is to be woken"]
    #[inline]
    pub fn put(&self, id: u32) -> bool {
        let mut mail = self.mail.lock();
        let Mail { ring, puts } = &mut *mail;
        let Some(ring) = ring else {
            return false;
        };
        *puts += 1;
        let mut state = self.state.load(Ordering::Relaxed);
        let tail = tail_of(state);
        let dropped = ring.left(tail).is_none_or(|left| left == ring.capacity);
        if dropped {
            ring.words.store(OFFSET_OVERFLOW, 1);
        } else {
            ring.push(tail, id);
        }
        loop {
            // The guest may have emptied the ring since it was full, and looked at the overflow word
            // before that was set: it must not sleep on that.
            let said = if dropped {
                state | DROPPED
            } else {
                state.wrapping_add(1 << TAIL_SHIFT)
            };
            // Release: who sees this sees what was done before the put.
            match self.state.compare_exchange_weak(
                state,
                said & !PARKED,
                Ordering::Release,
                Ordering::Relaxed,
            ) {
                Ok(_) => return state & PARKED != 0,
                // The guest has parked or woken up.
                Err(now) => state = now,
            }
        }
    }

    /// Waits for ids, on the guest's own thread, in the ring that was registered last, and answers how many
    /// there are; if ids were dropped since the last wait, at least 1, so that the guest looks.
    ///
    /// `sleep` sleeps until woken, or without cause; `Ok(false)` says that the guest waits no longer.
    ///
    /// # Errors
    /// What `sleep` answered.
    #[inline]
    pub fn wait<E>(
        &self,
        ring: &Ring<W>,
        mut sleep: impl FnMut() -> Result<bool, E>,
    ) -> Result<u32, E> {
        let mut state = self.state.load(Ordering::Acquire);
        loop {
            // An id can be taken before `put` has said here that it is there: then none is left.
            let pending = ring.left(tail_of(state)).unwrap_or(0);
            if state & DROPPED != 0 {
                // Acquire: an id that was dropped since the look above is forgotten here, too.
                self.state.fetch_and(!DROPPED, Ordering::Acquire);
                return Ok(pending.max(1));
            }
            // Who put one has taken back that the guest is parked.
            if pending > 0 {
                return Ok(pending);
            }
            let parked = self.state.compare_exchange(
                state,
                state | PARKED,
                Ordering::Relaxed,
                Ordering::Acquire,
            );
            if let Err(now) = parked {
                state = now;
                continue;
            }
            let slept = sleep();
            if !matches!(slept, Ok(true)) {
                // It is awake, for whatever reason.
                let state = self.state.fetch_and(!PARKED, Ordering::Acquire);
                return slept.map(|_| ring.left(tail_of(state)).unwrap_or(0));
            }
            state = self.state.load(Ordering::Acquire);
        }
    }

    /// Whether the guest sleeps in a wait, or is about to; for show.
    pub fn is_parked(&self) -> bool {
        self.state.load(Ordering::Relaxed) & PARKED != 0
    }

    /// Ids that were put, or dropped because the ring was full.
    pub fn puts(&self) -> u64 {
        self.mail.lock().puts
    }

    /// Forgets the guest's memory, on the guest's own thread: nothing is put any more, and nobody is to be
    /// woken.
    pub fn close(&self) {
        let mut mail = self.mail.lock();
        mail.ring = None;
        self.state.store(0, Ordering::Relaxed);
    }
}

impl<W: Words> Ring<W> {
    /// The mailbox at an address: `words` answers those of a range of the guest's memory, if nobody else
    /// writes there for as long as the guest lives.
    ///
    /// # Errors
    /// What is there is no mailbox.
    pub fn new(address: u32, words: impl Fn(u32, u32) -> Option<W>) -> Result<Self, NoMailbox> {
        let head = words(address, OFFSET_RING).ok_or(NoMailbox)?;
        let capacity = head.load(OFFSET_CAPACITY);
        let good = head.load(OFFSET_VERSION) == VERSION
            && capacity.is_power_of_two()
            && capacity <= MAX_CAPACITY;
        let words = good.then(|| words(address, bytes(capacity))).flatten();
        Ok(Self {
            words: words.ok_or(NoMailbox)?,
            capacity,
        })
    }

    fn clear(&self) {
        for offset in [OFFSET_HEAD, OFFSET_TAIL, OFFSET_OVERFLOW] {
            self.words.store(offset, 0);
        }
    }

    /// Ids that the guest has not taken of those up to `tail`; none if it has taken more, or says so. The
    /// head is the guest's word: only this guest's wakes depend on it.
    fn left(&self, tail: u32) -> Option<u32> {
        let left = tail.wrapping_sub(self.words.load(OFFSET_HEAD));
        (left <= self.capacity).then_some(left)
    }

    fn push(&self, tail: u32, id: u32) {
        let place = OFFSET_RING + 4 * (tail & (self.capacity - 1));
        self.words.store(place, id);
        // After the id: who sees the tail finds it.
        self.words.store(OFFSET_TAIL, tail.wrapping_add(1));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{cell::RefCell, sync::Mutex, vec, vec::Vec};

    use super::*;

    /// Words, of which those from `shared` on are a window.
    struct Memory {
        words: RefCell<Vec<u32>>,
        shared: u32,
    }

    /// Those from an address on.
    #[derive(Clone, Copy)]
    struct View<'a> {
        memory: &'a Memory,
        address: u32,
        len: u32,
    }

    impl Memory {
        fn words(&self, address: u32, len: u32) -> Option<View<'_>> {
            let end = address.checked_add(len)?;
            (address.is_multiple_of(4) && end <= self.shared).then_some(View {
                memory: self,
                address,
                len,
            })
        }

        fn load(&self, address: u32) -> u32 {
            self.words.borrow()[address as usize / 4]
        }

        fn store(&self, address: u32, value: u32) {
            self.words.borrow_mut()[address as usize / 4] = value;
        }

        fn ring(&self, address: u32) -> Result<Ring<View<'_>>, NoMailbox> {
            Ring::new(address, |address, len| self.words(address, len))
        }
    }

    impl Words for View<'_> {
        fn load(&self, offset: u32) -> u32 {
            assert!(offset + 4 <= self.len);
            self.memory.load(self.address + offset)
        }

        fn store(&self, offset: u32, value: u32) {
            assert!(offset + 4 <= self.len);
            self.memory.store(self.address + offset, value);
        }
    }

    type TestBox<'a> = Mailbox<Mutex<Mail<View<'a>>>>;

    fn memory(capacity: u32) -> Memory {
        let memory = Memory {
            words: RefCell::new(vec![0xdead; 64]),
            shared: 128,
        };
        memory.store(OFFSET_VERSION, VERSION);
        memory.store(OFFSET_CAPACITY, capacity);
        memory
    }

    /// A mailbox at the start of the memory.
    fn mailbox(memory: &Memory) -> (TestBox<'_>, Ring<View<'_>>) {
        let mailbox = Mailbox::new(Mutex::default());
        let ring = memory.ring(0).ok().unwrap();
        mailbox.register(ring);
        (mailbox, ring)
    }

    /// Sleeps, and is woken by these puts.
    fn wait<'a>(
        (mailbox, ring): &(TestBox<'a>, Ring<View<'a>>),
        puts: &[(u32, bool)],
    ) -> Result<u32, &'static str> {
        let mut slept = false;
        mailbox.wait(ring, || {
            assert!(mailbox.is_parked());
            if core::mem::replace(&mut slept, true) {
                return Ok(false);
            }
            for &(id, wakes) in puts {
                assert_eq!(mailbox.put(id), wakes);
            }
            Ok(true)
        })
    }

    #[test]
    fn what_is_no_mailbox() {
        let memory = memory(4);
        let is_none = |address| memory.ring(address).is_err();
        // Misaligned, outside, around the end, no mailbox at all, in a window.
        assert!([1, 256, u32::MAX - 3, 64].into_iter().all(is_none));
        memory.store(108 + OFFSET_VERSION, VERSION);
        memory.store(108 + OFFSET_CAPACITY, 4);
        assert!(is_none(108));
        for capacity in [0, 3, MAX_CAPACITY * 2, u32::MAX] {
            memory.store(OFFSET_CAPACITY, capacity);
            assert!(is_none(0));
        }
        memory.store(OFFSET_CAPACITY, 4);
        memory.store(OFFSET_VERSION, VERSION + 1);
        assert!(is_none(0));
        memory.store(OFFSET_VERSION, VERSION);
        let mailbox: TestBox<'_> = Mailbox::new(Mutex::default());
        assert!(!mailbox.put(1));
        mailbox.register(memory.ring(0).ok().unwrap());
        assert_eq!((mailbox.puts(), memory.load(OFFSET_TAIL)), (0, 0));
    }

    #[test]
    fn only_the_first_put_wakes() {
        let memory = memory(4);
        let both = mailbox(&memory);
        assert!(!both.0.put(7));
        assert_eq!(wait(&both, &[]), Ok(1));
        memory.store(OFFSET_HEAD, 1);
        assert_eq!(wait(&both, &[(8, true), (9, false)]), Ok(2));
        let ids = [0, 1, 2].map(|i| memory.load(OFFSET_RING + 4 * i));
        assert_eq!((ids, memory.load(OFFSET_TAIL)), ([7, 8, 9], 3));
        assert_eq!(both.0.puts(), 3);
        assert!(!both.0.is_parked());
    }

    #[test]
    fn who_waits_no_longer_is_awake() {
        let memory = memory(4);
        let (mailbox, ring) = mailbox(&memory);
        assert_eq!(mailbox.wait(&ring, || Ok::<_, ()>(false)), Ok(0));
        assert!(!mailbox.put(1));
        memory.store(OFFSET_HEAD, 1);
        assert_eq!(mailbox.wait(&ring, || Err::<bool, _>("ends")), Err("ends"));
        assert!(!mailbox.put(2));
        memory.store(OFFSET_HEAD, 2);
        // What came before the deadline counts, though it was not what ended the sleep.
        let put_late = || Ok::<_, ()>(!mailbox.put(3));
        assert_eq!(mailbox.wait(&ring, put_late), Ok(1));
    }

    #[test]
    fn who_is_woken_for_nothing_sleeps_again() {
        let memory = memory(4);
        let (mailbox, ring) = mailbox(&memory);
        let mut wakes = 0;
        let woken = mailbox.wait(&ring, || {
            wakes += 1;
            assert_eq!(wakes == 3, wakes == 3 && mailbox.put(1));
            Ok::<_, ()>(true)
        });
        assert_eq!((woken, wakes), (Ok(1), 3));
    }

    #[test]
    fn a_dropped_id_ends_one_wait() {
        let memory = memory(1);
        let both = mailbox(&memory);
        assert!(!both.0.put(1) && !both.0.put(2));
        assert_eq!(memory.load(OFFSET_OVERFLOW), 1);
        memory.store(OFFSET_HEAD, 1);
        assert_eq!(wait(&both, &[]), Ok(1));
        assert_eq!(wait(&both, &[(3, true)]), Ok(1));
    }

    #[test]
    fn a_head_out_of_range_drops_ids_and_ends_waits() {
        let memory = memory(2);
        let both = mailbox(&memory);
        for head in [1, 0x8000_0000, u32::MAX - 1] {
            memory.store(OFFSET_HEAD, head);
            assert!(!both.0.put(1));
            assert_eq!(memory.load(OFFSET_TAIL), 0);
            assert!(matches!(wait(&both, &[]), Ok(1 | 2)));
        }
    }

    #[test]
    fn the_tail_wraps_and_says_nothing_else() {
        let memory = memory(2);
        let both = mailbox(&memory);
        let before = u64::from(u32::MAX) << TAIL_SHIFT;
        both.0.state.store(before, Ordering::Relaxed);
        memory.store(OFFSET_HEAD, u32::MAX);
        assert_eq!(wait(&both, &[(1, true), (2, false)]), Ok(2));
        assert_eq!(memory.load(OFFSET_TAIL), 1);
        assert_eq!(both.0.state.load(Ordering::Relaxed), 1 << TAIL_SHIFT);
    }

    #[test]
    fn a_closed_mailbox_takes_nothing() {
        let memory = memory(2);
        let (mailbox, _) = mailbox(&memory);
        mailbox.close();
        assert!(!mailbox.put(1));
        assert_eq!(memory.load(OFFSET_TAIL), 0);
    }
}
