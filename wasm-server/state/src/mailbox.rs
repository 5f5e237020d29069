// SPDX-License-Identifier: BSD-2-Clause
//! The server's side of a wake mailbox (layout: `atoll_abi::mailbox`).

use core::mem::take;

use atoll_abi::mailbox::{
    MAX_CAPACITY, OFFSET_CAPACITY, OFFSET_HEAD, OFFSET_OVERFLOW, OFFSET_RING, OFFSET_TAIL,
    OFFSET_VERSION, VERSION, bytes,
};

use crate::Lock;

/// A guest's linear memory.
pub trait Memory {
    /// Whether a range is inside, nobody else writes it, and all of that stays so for as long as the
    /// guest lives.
    fn is_private(&self, address: u32, len: u32) -> bool;
    /// Atomic load with acquire ordering; none if the address is outside or misaligned.
    fn load(&self, address: u32) -> Option<u32>;
    /// Atomic store with release ordering; none if the address is outside or misaligned.
    fn store(&self, address: u32, value: u32) -> Option<()>;
}

/// What a guest registered is no mailbox, or it has registered none.
#[derive(Debug, PartialEq, Eq)]
pub struct NoMailbox;

/// A guest's mailbox: where it is, and what the server does not let the guest decide.
///
/// [`Mailbox::put`] and [`Mailbox::wait`] share the rule that no wake is lost and none is sent that
/// nobody waits for: the guest counts as asleep from when it found no id, which is before it sleeps; the
/// first put afterwards takes that back and owes it a wake; and a wake that comes before the sleep
/// ends it at once.
#[derive(Debug)]
pub struct Mailbox<L>(L);

/// What a mailbox's lock protects.
#[derive(Debug, Default)]
pub struct Mail {
    ring: Option<Ring>,
    /// The guest sleeps, or is about to, and nobody has undertaken to wake it.
    parked: bool,
    /// An id was dropped, and the guest has not come back from a wait since.
    dropped: bool,
    puts: u64,
}

#[derive(Clone, Copy, Debug)]
struct Ring {
    address: u32,
    capacity: u32,
    tail: u32,
}

impl<L: Lock<Data = Mail>> Mailbox<L> {
    /// No mailbox yet, in mail that is new.
    pub const fn new(mail: L) -> Self {
        Self(mail)
    }

    /// Takes the mailbox at this address, emptied, in place of the one before, on the guest's own thread.
    /// Ids that the guest has not taken stay in the one before, unless it is the same.
    ///
    /// # Errors
    /// What is there is no mailbox. The one before stays.
    pub fn register(&self, memory: &impl Memory, address: u32) -> Result<(), NoMailbox> {
        let ring = Ring::new(memory, address).ok_or(NoMailbox)?;
        let mut mail = self.0.lock();
        // Under the lock: no put stores into the ring meanwhile.
        ring.clear(memory).ok_or(NoMailbox)?;
        mail.ring = Some(ring);
        Ok(())
    }

    /// Puts an id, from any thread. If this answers true, the guest sleeps or is about to, and the caller
    /// has to wake it. A full ring drops the id and says so in the overflow word, which has the guest look
    /// at every task.
    #[must_use = "the guest is to be woken"]
    pub fn put(&self, memory: &impl Memory, id: u32) -> bool {
        self.0.lock().put(memory, id)
    }

    /// Waits for ids, on the guest's own thread, and answers how many there are; if ids were dropped
    /// since the last wait, at least 1, so that the guest looks.
    ///
    /// `sleep` sleeps until woken, or without cause; `Ok(false)` says that the guest waits no longer.
    ///
    /// # Errors
    /// There is no mailbox; or, inside, what `sleep` answered.
    pub fn wait<E>(
        &self,
        memory: &impl Memory,
        mut sleep: impl FnMut() -> Result<bool, E>,
    ) -> Result<Result<u32, E>, NoMailbox> {
        loop {
            let pending = self.0.lock().pending_or_park(memory)?;
            if pending > 0 {
                return Ok(Ok(pending));
            }
            let slept = sleep();
            if let Ok(true) = slept {
                continue;
            }
            let pending = self.0.lock().unpark(memory);
            return Ok(slept.map(|_| pending));
        }
    }

    /// Ids that were put, or dropped because the ring was full.
    pub fn puts(&self) -> u64 {
        self.0.lock().puts
    }

    /// Forgets the guest's memory, which nobody touches here afterwards: nothing is put any more, and
    /// nobody is to be woken.
    pub fn close(&self) {
        let mut mail = self.0.lock();
        mail.ring = None;
        mail.parked = false;
    }
}

impl Mail {
    fn put(&mut self, memory: &impl Memory, id: u32) -> bool {
        let Some(ring) = &mut self.ring else {
            return false;
        };
        self.puts += 1;
        // `register` has seen to it that no access fails.
        let dropped = ring.pending(memory) >= ring.capacity;
        if dropped {
            memory.store(ring.address + OFFSET_OVERFLOW, 1);
        } else {
            ring.push(memory, id);
        }
        // The guest may have emptied the ring since it was full, and looked at the overflow word before
        // that was set: it must not sleep on that.
        self.dropped |= dropped;
        take(&mut self.parked)
    }

    /// Ids that wait, or 0 and the guest counts as asleep.
    fn pending_or_park(&mut self, memory: &impl Memory) -> Result<u32, NoMailbox> {
        let ring = self.ring.as_ref().ok_or(NoMailbox)?;
        let pending = ring.pending(memory).max(take(&mut self.dropped).into());
        self.parked = pending == 0;
        Ok(pending)
    }

    /// The guest is awake, for whatever reason; answers the ids that wait.
    fn unpark(&mut self, memory: &impl Memory) -> u32 {
        self.parked = false;
        self.ring.as_ref().map_or(0, |ring| ring.pending(memory))
    }
}

impl Ring {
    fn new(memory: &impl Memory, address: u32) -> Option<Self> {
        let word = |offset| memory.load(address.checked_add(offset)?);
        let capacity = word(OFFSET_CAPACITY)?;
        let good = word(OFFSET_VERSION)? == VERSION
            && capacity.is_power_of_two()
            && capacity <= MAX_CAPACITY
            // Others' threads store into it, under locks: it must not fault, now or later.
            && memory.is_private(address, bytes(capacity));
        good.then_some(Self {
            address,
            capacity,
            tail: 0,
        })
    }

    fn clear(&self, memory: &impl Memory) -> Option<()> {
        [OFFSET_HEAD, OFFSET_TAIL, OFFSET_OVERFLOW]
            .into_iter()
            .try_for_each(|offset| memory.store(self.address + offset, 0))
    }

    /// Ids that the guest has not taken. The head is the guest's word: whatever it says, the answer
    /// is at most the capacity, and only this guest's wakes depend on it.
    fn pending(&self, memory: &impl Memory) -> u32 {
        let head = memory.load(self.address + OFFSET_HEAD).unwrap_or(self.tail);
        self.tail.wrapping_sub(head).min(self.capacity)
    }

    fn push(&mut self, memory: &impl Memory, id: u32) {
        let place = OFFSET_RING + 4 * (self.tail & (self.capacity - 1));
        self.tail = self.tail.wrapping_add(1);
        memory.store(self.address + place, id);
        // After the id: who sees the tail finds it.
        memory.store(self.address + OFFSET_TAIL, self.tail);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{cell::RefCell, sync::Mutex, vec, vec::Vec};

    use super::*;

    /// Words, of which those from `shared` on are a window.
    struct Words {
        words: RefCell<Vec<u32>>,
        shared: u32,
    }

    impl Memory for Words {
        fn is_private(&self, address: u32, len: u32) -> bool {
            address
                .checked_add(len)
                .is_some_and(|end| end <= self.shared)
        }

        fn load(&self, address: u32) -> Option<u32> {
            let word = address.is_multiple_of(4).then_some(address / 4)?;
            self.words.borrow().get(word as usize).copied()
        }

        fn store(&self, address: u32, value: u32) -> Option<()> {
            let word = address.is_multiple_of(4).then_some(address / 4)?;
            *self.words.borrow_mut().get_mut(word as usize)? = value;
            Some(())
        }
    }

    type TestBox = Mailbox<Mutex<Mail>>;

    fn mailbox(capacity: u32) -> (TestBox, Words) {
        let words = Words {
            words: RefCell::new(vec![0xdead; 64]),
            shared: 128,
        };
        words.store(OFFSET_VERSION, VERSION);
        words.store(OFFSET_CAPACITY, capacity);
        (Mailbox::new(Mutex::default()), words)
    }

    /// Sleeps, and is woken by these puts.
    fn wait(mailbox: &TestBox, words: &Words, puts: &[(u32, bool)]) -> Result<u32, &'static str> {
        let mut slept = false;
        mailbox
            .wait(words, || {
                if core::mem::replace(&mut slept, true) {
                    return Ok(false);
                }
                for &(id, wakes) in puts {
                    assert_eq!(mailbox.put(words, id), wakes);
                }
                Ok(true)
            })
            .unwrap()
    }

    #[test]
    fn what_is_no_mailbox() {
        let (mailbox, words) = mailbox(4);
        assert_eq!(mailbox.wait(&words, || Err(())), Err(NoMailbox));
        // Misaligned, outside, around the end, no mailbox at all, in a window.
        for address in [1, 256, u32::MAX - 3, 64] {
            assert_eq!(mailbox.register(&words, address), Err(NoMailbox));
        }
        words.store(160 + OFFSET_VERSION, VERSION);
        words.store(160 + OFFSET_CAPACITY, 4);
        assert_eq!(mailbox.register(&words, 160), Err(NoMailbox));
        for capacity in [0, 3, MAX_CAPACITY * 2, u32::MAX] {
            words.store(OFFSET_CAPACITY, capacity);
            assert_eq!(mailbox.register(&words, 0), Err(NoMailbox));
        }
        words.store(OFFSET_CAPACITY, 4);
        words.store(OFFSET_VERSION, VERSION + 1);
        assert_eq!(mailbox.register(&words, 0), Err(NoMailbox));
        words.store(OFFSET_VERSION, VERSION);
        assert!(!mailbox.put(&words, 1));
        assert_eq!(mailbox.register(&words, 0), Ok(()));
        assert_eq!(mailbox.puts(), 0);
    }

    #[test]
    fn only_the_first_put_wakes() {
        let (mailbox, words) = mailbox(4);
        mailbox.register(&words, 0).unwrap();
        assert!(!mailbox.put(&words, 7));
        assert_eq!(wait(&mailbox, &words, &[]), Ok(1));
        words.store(OFFSET_HEAD, 1);
        assert_eq!(wait(&mailbox, &words, &[(8, true), (9, false)]), Ok(2));
        let ids = [0, 1, 2].map(|i| words.load(OFFSET_RING + 4 * i).unwrap());
        assert_eq!((ids, words.load(OFFSET_TAIL)), ([7, 8, 9], Some(3)));
        assert_eq!(mailbox.puts(), 3);
    }

    #[test]
    fn who_waits_no_longer_is_awake() {
        let (mailbox, words) = mailbox(4);
        mailbox.register(&words, 0).unwrap();
        assert_eq!(mailbox.wait(&words, || Ok::<_, ()>(false)), Ok(Ok(0)));
        assert!(!mailbox.put(&words, 1));
        words.store(OFFSET_HEAD, 1);
        assert_eq!(
            mailbox.wait(&words, || Err::<bool, _>("ends")),
            Ok(Err("ends"))
        );
        assert!(!mailbox.put(&words, 2));
        words.store(OFFSET_HEAD, 2);
        // What came before the deadline counts, though it was not what ended the sleep.
        let put_late = || Ok::<_, ()>(!mailbox.put(&words, 3));
        assert_eq!(mailbox.wait(&words, put_late), Ok(Ok(1)));
    }

    #[test]
    fn a_dropped_id_ends_one_wait() {
        let (mailbox, words) = mailbox(1);
        mailbox.register(&words, 0).unwrap();
        assert!(!mailbox.put(&words, 1) && !mailbox.put(&words, 2));
        assert_eq!(words.load(OFFSET_OVERFLOW), Some(1));
        words.store(OFFSET_HEAD, 1);
        assert_eq!(wait(&mailbox, &words, &[]), Ok(1));
        assert_eq!(wait(&mailbox, &words, &[(3, true)]), Ok(1));
    }

    #[test]
    fn a_head_out_of_range_is_a_full_ring() {
        let (mailbox, words) = mailbox(2);
        mailbox.register(&words, 0).unwrap();
        for head in [1, 0x8000_0000, u32::MAX - 1] {
            words.store(OFFSET_HEAD, head);
            assert!(!mailbox.put(&words, 1));
            assert_eq!(words.load(OFFSET_TAIL), Some(0));
            assert_eq!(wait(&mailbox, &words, &[]), Ok(2));
        }
    }

    #[test]
    fn a_closed_mailbox_takes_nothing() {
        let (mailbox, words) = mailbox(2);
        mailbox.register(&words, 0).unwrap();
        mailbox.close();
        assert!(!mailbox.put(&words, 1));
        assert_eq!(words.load(OFFSET_TAIL), Some(0));
        assert_eq!(mailbox.wait(&words, || Ok::<_, ()>(true)), Err(NoMailbox));
    }
}
