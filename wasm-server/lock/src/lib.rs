// SPDX-License-Identifier: BSD-2-Clause
//! The lock of every table in the server, wasmtime's included: one word, free when zero, that makes
//! no system call unless somebody has to sleep.
//!
//! The low half of the word counts the thread that holds the lock and those that want it. The high
//! half names the place they sleep on (see [`Sleep`]), plus one; it is there only while somebody
//! waits. Releasing a lock that others want hands it to one of them: one signal, one sleeper that
//! wakes owning it. So a lock has at most one signal in flight, and its place is idle again when the
//! last waiter becomes the holder.
//!
//! With `--cfg loom` the atomics are loom's, and `models` checks all of this.
#![no_std]

#[cfg(all(test, loom))]
extern crate std;

#[cfg(all(test, loom))]
mod models;
mod places;

use core::marker::PhantomData;
#[cfg(not(loom))]
use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

#[cfg(not(loom))]
use lock_api::{GuardNoSend, RawMutex};
#[cfg(loom)]
use loom::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

pub use places::Places;

const _: () = assert!(usize::BITS == 64);
const COUNT: usize = 0xffff_ffff;
const NAME_SHIFT: u32 = 32;

/// What contended locks sleep on: places, each a binary semaphore that is not signalled when taken.
///
/// # Safety
/// A place that was taken is nobody else's until it is put back, and below `2^32 - 1`. Each return
/// of [`Sleep::wait`] consumes one [`Sleep::signal`] of the same place, and what came before the
/// signal happens before the return.
pub unsafe trait Sleep {
    /// Takes a place.
    fn take() -> usize;
    /// Gives a place back; nobody sleeps on it, and no signal is on its way.
    fn put_back(place: usize);
    /// Sleeps until signalled, or consumes the signal that is there.
    fn wait(place: usize);
    /// Wakes one sleeper, or the next to come.
    fn signal(place: usize);
}

/// See the crate.
#[repr(transparent)]
pub struct WordLock<S>(AtomicUsize, PhantomData<S>);

impl<S: Sleep> WordLock<S> {
    /// The lock in a word of somebody else's, zero at first.
    ///
    /// # Safety
    /// The word is valid for as long as the reference, aligned, and nobody touches it except through
    /// this type.
    #[cfg(not(loom))]
    pub unsafe fn at<'a>(word: *mut usize) -> &'a Self {
        // SAFETY: the caller's promise; the type is a transparent wrapper of an atomic word.
        unsafe { &*word.cast::<Self>() }
    }

    fn acquire(&self) {
        if !self.try_acquire() {
            self.acquire_contended();
        }
    }

    fn try_acquire(&self) -> bool {
        self.0.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    /// Only for the thread that holds the lock.
    fn release(&self) {
        if self.0.compare_exchange(1, 0, Release, Relaxed).is_err() {
            self.release_contended();
        }
    }

    // A name that is read with Acquire was stored with Release by the thread that took the place:
    // nobody uses a place before it is taken.

    #[cold]
    fn acquire_contended(&self) {
        // Counted once: from here on every release passes the lock to some waiter.
        let mut word = self.0.fetch_add(1, Acquire) + 1;
        if word & COUNT == 1 {
            return; // It was released in between.
        }
        let place = loop {
            if word >> NAME_SHIFT != 0 {
                break (word >> NAME_SHIFT) - 1;
            }
            let mine = S::take();
            let named = word | (mine + 1) << NAME_SHIFT;
            match self.0.compare_exchange_weak(word, named, Release, Acquire) {
                Ok(_) => break mine,
                Err(now) => {
                    S::put_back(mine);
                    word = now;
                }
            }
        };
        // The signal orders this after the section of the thread that hands the lock over.
        S::wait(place);
    }

    #[cold]
    fn release_contended(&self) {
        let mut word = self.0.load(Acquire);
        let mut spare = None;
        let (name, others) = loop {
            let others = (word & COUNT) - 1;
            let name = match word >> NAME_SHIFT {
                // No waiter has got as far as naming a place; it finds the signal in this one.
                0 if others != 0 => *spare.get_or_insert_with(|| S::take() + 1),
                name => name,
            };
            let next = if others == 0 {
                0
            } else {
                name << NAME_SHIFT | others
            };
            match self.0.compare_exchange_weak(word, next, Release, Acquire) {
                Ok(_) => break (name, others),
                Err(now) => word = now,
            }
        };
        if let Some(unused) = spare.filter(|spare| *spare != name) {
            S::put_back(unused - 1);
        }
        match (name, others) {
            (0, 0) => {}
            (_, 0) => S::put_back(name - 1),
            _ => S::signal(name - 1),
        }
    }
}

// SAFETY: at most one thread is between `lock` and `unlock`: a thread enters by turning 0 into 1, or
// by consuming the one signal that the holder sends when it leaves while others are counted.
#[cfg(not(loom))]
unsafe impl<S: Sleep> RawMutex for WordLock<S> {
    const INIT: Self = Self(AtomicUsize::new(0), PhantomData);
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        self.acquire();
    }

    fn try_lock(&self) -> bool {
        self.try_acquire()
    }

    unsafe fn unlock(&self) {
        self.release();
    }
}
