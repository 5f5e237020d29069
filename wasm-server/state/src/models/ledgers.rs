// SPDX-License-Identifier: BSD-2-Clause
//! Rings that go from one program to another: through a page, and a notification whose signals merge.

use loom::{
    sync::{
        Arc, Mutex,
        atomic::{
            AtomicU32, AtomicU64,
            Ordering::{Relaxed, SeqCst},
        },
    },
    thread,
};

use wasm_handoff::Words;

use super::{Notification, check};
use crate::ledger::{Other, Own};

/// As many words as the models use.
#[derive(Clone)]
struct Memory(Arc<[AtomicU64; 3]>);

impl Memory {
    fn new() -> Self {
        Self(Arc::new([0, 0, 0].map(AtomicU64::new)))
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

/// Two threads of one program ring different bells; the other program hears both, however its one notification
/// merges them.
#[test]
fn no_bell_is_lost_when_signals_merge() {
    check(2, || {
        let memory = Memory::new();
        let own = Arc::new(Own::new(memory.clone(), Mutex::new));
        let signal = Arc::new(Notification::default());
        let ringers = [1, 2].map(|bells| {
            let (own, signal) = (own.clone(), signal.clone());
            thread::spawn(move || {
                own.ring(bells);
                signal.signal();
            })
        });
        let (other, mut seen, mut heard) = (Other::new(memory), 0, 0);
        while heard & 3 != 3 {
            signal.wait();
            heard |= other.heard(&mut seen);
        }
        for ringer in ringers {
            ringer.join().unwrap();
        }
    });
}

/// A guest listens, looks, and sleeps if there is nothing; one of another program makes something, and signals
/// only those who say that they listen.
#[test]
fn who_has_begun_to_listen_is_signalled() {
    check(3, || {
        let (ringer, listener) = (Memory::new(), Memory::new());
        let things = Arc::new(AtomicU32::new(0));
        let signal = Arc::new(Notification::default());
        let other = {
            let own = Own::new(ringer.clone(), Mutex::new);
            let (listens, things) = (Other::new(listener.clone()), things.clone());
            let signal = signal.clone();
            thread::spawn(move || {
                things.store(1, Relaxed);
                own.ring(1);
                if listens.listens_to(1) {
                    signal.signal();
                }
            })
        };
        Own::new(listener, Mutex::new).listen(|| 1);
        let mut seen = 0;
        while things.load(Relaxed) == 0 {
            signal.wait();
            Other::new(ringer.clone()).heard(&mut seen);
        }
        other.join().unwrap();
    });
}
