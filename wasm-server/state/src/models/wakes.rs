// SPDX-License-Identifier: BSD-2-Clause
//! A guest that empties its mailbox and waits, and others that ring.
//!
//! Who rings first does something that the guest is to see, and the guest ends when it has seen all of
//! it. Every model checks besides: what came before a ring happens before the guest looks; whoever is
//! told to wake the guest finds it waiting; the guest has counted as asleep at least as often as it was
//! woken.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool as ExactBool, AtomicUsize as ExactCount},
    },
    vec::Vec,
};

use atoll_abi::mailbox::{
    OFFSET_CAPACITY, OFFSET_HEAD, OFFSET_OVERFLOW, OFFSET_RING, OFFSET_TAIL, OFFSET_VERSION,
    VERSION, bytes,
};
use loom::{
    cell::UnsafeCell,
    sync::{
        Mutex,
        atomic::{
            AtomicBool, AtomicU32,
            Ordering::{AcqRel, Acquire, Relaxed, Release},
        },
    },
    thread,
};

use super::{Notification, check};
use crate::mailbox::{Mail, Mailbox, Ring, Words};

/// Each rings for the task of its number.
const RINGERS: usize = 2;

/// What a guest is, as far as its wakes go.
struct Guest {
    mailbox: Mailbox<Mutex<Mail<View>>>,
    memory: Arc<Memory>,
    notification: Notification,
    /// For each task, how often something was done that the guest is to see.
    done: [AtomicU32; RINGERS],
    // Not loom's: looking at these is no step and orders nothing.
    waits: ExactBool,
    sleeps: ExactCount,
    wakes: ExactCount,
}

/// Two mailboxes, one behind the other.
struct Memory {
    words: Vec<AtomicU32>,
    /// Written when the memory is freed, read when it is accessed.
    freed: UnsafeCell<()>,
}

/// The memory from an address on.
#[derive(Clone)]
struct View {
    memory: Arc<Memory>,
    address: u32,
}

impl Memory {
    fn word(&self, address: u32) -> &AtomicU32 {
        self.freed.with(|_| ());
        &self.words[address as usize / 4]
    }
}

impl Words for View {
    fn load(&self, offset: u32) -> u32 {
        self.memory.word(self.address + offset).load(Acquire)
    }

    fn store(&self, offset: u32, value: u32) {
        // A swap orders itself among the guest's. With stores, loom lets the guest see its own swap
        // though a store came after the one that was swapped out, which no memory model allows.
        let word = self.memory.word(self.address + offset);
        word.swap(value, Release);
    }
}

impl Guest {
    /// What a thread does that rings so often for its task.
    fn ring(&self, task: usize, rings: u32) {
        for nth in 1..=rings {
            self.done[task].store(nth, Relaxed);
            if self.mailbox.put(task as u32) {
                // Exact: loom switches threads before it locks, not after it has unlocked.
                assert!(self.waits.load(Relaxed), "a wake that nobody waits for");
                self.wakes.fetch_add(1, Relaxed);
                self.notification.signal();
            }
        }
    }
}

/// The guest's thread: empties the mailbox as userland does.
struct Executor {
    guest: Arc<Guest>,
    capacity: u32,
    /// Where the mailbox is.
    address: u32,
    ring: Ring<View>,
    /// For each task, how much of what was done it has seen.
    seen: [u32; RINGERS],
}

impl Executor {
    fn new(capacity: u32) -> Self {
        let memory = Memory {
            words: (0..2 * bytes(capacity) / 4)
                .map(|_| AtomicU32::new(0))
                .collect(),
            freed: UnsafeCell::new(()),
        };
        // Loom runs its threads one at a time on one of the host's.
        #[expect(clippy::arc_with_non_send_sync)]
        let memory = Arc::new(memory);
        for address in [0, bytes(capacity)] {
            memory
                .word(address + OFFSET_VERSION)
                .store(VERSION, Relaxed);
            memory
                .word(address + OFFSET_CAPACITY)
                .store(capacity, Relaxed);
        }
        let guest = Guest {
            mailbox: Mailbox::new(Mutex::default()),
            memory,
            notification: Notification::default(),
            done: Default::default(),
            waits: ExactBool::new(false),
            sleeps: ExactCount::new(0),
            wakes: ExactCount::new(0),
        };
        #[expect(clippy::arc_with_non_send_sync, reason = "as above")]
        let guest = Arc::new(guest);
        let executor = Self {
            ring: ring(&guest, 0),
            guest,
            capacity,
            address: 0,
            seen: [0; RINGERS],
        };
        executor.guest.mailbox.register(executor.ring.clone());
        executor
    }

    /// Starts threads, each of which rings so often.
    fn start(&self, rings: [u32; RINGERS]) -> Vec<thread::JoinHandle<()>> {
        let ringers = (0..RINGERS).filter(|task| rings[*task] > 0);
        ringers
            .map(|task| {
                let guest = self.guest.clone();
                thread::spawn(move || guest.ring(task, rings[task]))
            })
            .collect()
    }

    fn register(&mut self) {
        self.ring = ring(&self.guest, self.address);
        self.guest.mailbox.register(self.ring.clone());
    }

    fn word(&self, offset: u32) -> &AtomicU32 {
        self.guest.memory.word(self.address + offset)
    }

    fn take(&self) -> Option<u32> {
        let head = self.word(OFFSET_HEAD).load(Relaxed);
        if head == self.word(OFFSET_TAIL).load(Acquire) {
            return None;
        }
        let place = OFFSET_RING + 4 * (head % self.capacity);
        let id = self.word(place).load(Relaxed);
        self.word(OFFSET_HEAD).store(head.wrapping_add(1), Release);
        Some(id)
    }

    fn take_overflow(&self) -> bool {
        let overflow = self.word(OFFSET_OVERFLOW);
        overflow.load(Relaxed) != 0 && overflow.swap(0, AcqRel) != 0
    }

    fn look(&mut self, task: usize) {
        self.seen[task] = self.guest.done[task].load(Relaxed);
    }

    fn look_at_all(&mut self) {
        (0..RINGERS).for_each(|task| self.look(task));
    }

    /// Looks at the tasks that the mailbox names.
    fn drain(&mut self) {
        while let Some(task) = self.take() {
            self.look(task as usize);
        }
        if self.take_overflow() {
            self.look_at_all();
        }
    }

    fn wait<E>(&self, mut sleep: impl FnMut(&Notification) -> Result<bool, E>) -> Result<u32, E> {
        let guest = &*self.guest;
        guest.waits.store(true, Relaxed);
        let pending = guest.mailbox.wait(&self.ring, || {
            guest.sleeps.fetch_add(1, Relaxed);
            sleep(&guest.notification)
        });
        guest.waits.store(false, Relaxed);
        pending
    }

    /// Drains and waits until it has seen all this.
    fn run(&mut self, rings: [u32; RINGERS]) {
        loop {
            self.drain();
            if self.seen == rings {
                return;
            }
            let pending = self.wait(until_woken);
            assert_ne!(pending, Ok(0), "a wait that ends for nothing");
        }
    }

    /// When all others have ended.
    fn finish(&self, others: Vec<thread::JoinHandle<()>>) {
        for other in others {
            other.join().unwrap();
        }
        let [sleeps, wakes] = [&self.guest.sleeps, &self.guest.wakes].map(|n| n.load(Relaxed));
        assert!(wakes <= sleeps, "{wakes} wakes for {sleeps} sleeps");
    }
}

/// The mailbox at an address of the guest's.
fn ring(guest: &Guest, address: u32) -> Ring<View> {
    let words = |address, _| {
        let memory = guest.memory.clone();
        Some(View { memory, address })
    };
    Ring::new(address, words).unwrap()
}

fn until_woken(notification: &Notification) -> Result<bool, ()> {
    notification.wait();
    Ok(true)
}

fn check_rings(preemptions: usize, capacity: u32, rings: [u32; RINGERS]) {
    check(preemptions, move || {
        let mut executor = Executor::new(capacity);
        let ringers = executor.start(rings);
        executor.run(rings);
        executor.finish(ringers);
    });
}

#[test]
fn no_wake_is_lost() {
    check_rings(3, 4, [1, 1]);
}

#[test]
fn no_wake_is_lost_of_many() {
    check_rings(3, 4, [3, 0]);
}

#[test]
fn no_wake_is_lost_in_a_full_ring() {
    check_rings(3, 1, [1, 1]);
}

#[test]
fn no_wake_is_lost_in_a_ring_that_is_full_again() {
    check_rings(3, 1, [3, 0]);
}

#[test]
fn no_wake_is_lost_at_a_deadline() {
    const RINGS: [u32; RINGERS] = [2, 0];
    check(3, || {
        let mut executor = Executor::new(1);
        let mut others = executor.start(RINGS);
        let guest = executor.guest.clone();
        let expired = Arc::new(AtomicBool::new(false));
        let clock = expired.clone();
        others.push(thread::spawn(move || {
            clock.store(true, Release);
            guest.notification.signal();
        }));
        executor.drain();
        // Whether an id or the deadline ended it makes no difference to the guest.
        let pending = executor.wait(|notification| {
            if expired.load(Acquire) {
                return Ok(false);
            }
            until_woken(notification)
        });
        assert!(pending.is_ok());
        executor.run(RINGS);
        executor.finish(others);
    });
}

#[test]
fn no_wake_is_lost_in_the_mailbox_before() {
    const RINGS: [u32; RINGERS] = [1, 1];
    check(3, || {
        let mut executor = Executor::new(1);
        let ringers = executor.start(RINGS);
        let before = executor.address;
        executor.address = bytes(executor.capacity);
        executor.register();
        // Nothing comes into the one before any more.
        let now = core::mem::replace(&mut executor.address, before);
        executor.drain();
        executor.address = now;
        executor.run(RINGS);
        executor.finish(ringers);
    });
}

#[test]
fn no_wake_is_lost_when_registered_again() {
    const RINGS: [u32; RINGERS] = [1, 1];
    check(3, || {
        let mut executor = Executor::new(1);
        let ringers = executor.start(RINGS);
        executor.drain();
        executor.register();
        executor.look_at_all();
        executor.run(RINGS);
        executor.finish(ringers);
    });
}

#[test]
fn nobody_touches_the_memory_of_a_guest_that_ended() {
    check(3, || {
        let mut executor = Executor::new(1);
        let mut others = executor.start([2, 0]);
        let guest = executor.guest.clone();
        let ends = Arc::new(AtomicBool::new(false));
        let killer = ends.clone();
        others.push(thread::spawn(move || {
            killer.store(true, Release);
            guest.notification.signal();
        }));
        let sleep = |notification: &Notification| {
            if ends.load(Acquire) {
                return Err(());
            }
            until_woken(notification)
        };
        while executor.wait(sleep).is_ok() {
            executor.drain();
        }
        executor.guest.mailbox.close();
        // Fails the execution if any access is beside this one, or after it.
        executor.guest.memory.freed.with_mut(|_| ());
        executor.finish(others);
    });
}
