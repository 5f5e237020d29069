// SPDX-License-Identifier: BSD-2-Clause
//! The lock of every table in the server, wasmtime's included: one word, free when zero, that makes
//! no system call unless somebody has to sleep.
//!
//! The low half of the word counts the thread that holds the lock and those that want it. The high
//! half names the notification they sleep on (its place in the [`pool`], plus one); it is there
//! only while somebody waits. Releasing a lock that others want hands it to one of them: one signal,
//! one sleeper that wakes owning it. So a lock has at most one signal in flight, and its
//! notification is idle again when the last waiter becomes the holder.

use core::sync::atomic::{
    AtomicUsize,
    Ordering::{Acquire, Relaxed, Release},
};

use lock_api::{GuardNoSend, RawMutex};

use crate::pool;

const COUNT: usize = 0xffff_ffff;
const NAME_SHIFT: u32 = 32;

/// See the module.
#[repr(transparent)]
pub struct WordLock(AtomicUsize);

impl WordLock {
    /// The lock in a word of somebody else's, zero at first.
    ///
    /// # Safety
    /// The word is valid for as long as the reference, aligned, and nobody touches it except through
    /// this type.
    pub unsafe fn at<'a>(word: *mut usize) -> &'a Self {
        // SAFETY: the caller's promise; the type is a transparent wrapper of an atomic word.
        unsafe { &*word.cast::<Self>() }
    }

    #[cold]
    fn lock_contended(&self) {
        // Counted once: from here on every release passes the lock to some waiter.
        let mut word = self.0.fetch_add(1, Acquire) + 1;
        if word & COUNT == 1 {
            return; // It was released in between.
        }
        let sleep_on = loop {
            if word >> NAME_SHIFT != 0 {
                break (word >> NAME_SHIFT) - 1;
            }
            let mine = pool::take();
            match self.0.compare_exchange_weak(
                word,
                word | (mine + 1) << NAME_SHIFT,
                Acquire,
                Acquire,
            ) {
                Ok(_) => break mine,
                Err(now) => {
                    pool::put_back(mine);
                    word = now;
                }
            }
        };
        pool::wait(sleep_on);
    }

    #[cold]
    fn unlock_contended(&self) {
        let mut word = self.0.load(Relaxed);
        let mut spare = None;
        loop {
            let named = word >> NAME_SHIFT;
            if word & COUNT == 1 {
                // Nobody else: the name, if any, goes with the lock.
                match self.0.compare_exchange_weak(word, 0, Release, Relaxed) {
                    Ok(_) => {
                        if named != 0 {
                            pool::put_back(named - 1);
                        }
                        break;
                    }
                    Err(now) => word = now,
                }
                continue;
            }
            let name = if named != 0 {
                named
            } else {
                *spare.get_or_insert_with(|| pool::take() + 1)
            };
            let next = name << NAME_SHIFT | ((word & COUNT) - 1);
            match self.0.compare_exchange_weak(word, next, Release, Relaxed) {
                Ok(_) => {
                    if spare == Some(name) && named == 0 {
                        spare = None;
                    }
                    pool::signal(name - 1);
                    break;
                }
                Err(now) => word = now,
            }
        }
        if let Some(name) = spare {
            pool::put_back(name - 1);
        }
    }
}

// SAFETY: at most one thread is between `lock` and `unlock`: a thread enters by turning 0 into 1, or
// by consuming the one signal that the holder sends when it leaves while others are counted.
unsafe impl RawMutex for WordLock {
    const INIT: Self = Self(AtomicUsize::new(0));
    type GuardMarker = GuardNoSend;

    fn lock(&self) {
        if self.0.compare_exchange(0, 1, Acquire, Relaxed).is_err() {
            self.lock_contended();
        }
    }

    fn try_lock(&self) -> bool {
        self.0.compare_exchange(0, 1, Acquire, Relaxed).is_ok()
    }

    unsafe fn unlock(&self) {
        if self.0.compare_exchange(1, 0, Release, Relaxed).is_err() {
            self.unlock_contended();
        }
    }
}
