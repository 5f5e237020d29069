// SPDX-License-Identifier: BSD-2-Clause
//! Every interleaving of a few threads, and every value that the memory model lets a load see.
//!
//! Each model checks: there is one section at a time, and what it did happens before the next one
//! (each writes a cell of loom's); nobody sleeps for ever (an execution whose threads all sleep
//! has failed); a place is idle when it is put back, and used only between its taking and that;
//! nothing is left taken.

use core::mem::take;
use std::{
    collections::VecDeque,
    sync::{Mutex as Exact, MutexGuard as Held, PoisonError},
    vec::Vec,
};

use loom::{
    cell::UnsafeCell,
    model::Builder,
    sync::{Arc, atomic::AtomicU64},
    thread::{self, Thread},
};

use super::*;

/// One for each thread always suffices.
const PLACES: usize = 3;

/// The places, made anew for each execution.
struct Kernel {
    places: Places<1>,
    semaphores: [Semaphore; PLACES],
}

/// Like seL4's notifications: a system call is one step, sleepers wake in the order they came.
#[derive(Default)]
struct Semaphore {
    /// The step, and the order that the contract promises.
    step: AtomicUsize,
    /// Not loom's: looking at it is no step and orders nothing.
    state: Exact<State>,
    /// Written when the place changes hands, read when it is used.
    owned: UnsafeCell<()>,
}

#[derive(Default)]
struct State {
    signalled: bool,
    sleepers: VecDeque<Thread>,
}

loom::lazy_static! {
    static ref KERNEL: Kernel = Kernel {
        places: Places([AtomicU64::new(0)]),
        semaphores: Default::default(),
    };
}

impl Semaphore {
    fn state(&self) -> Held<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_hands(&self) {
        self.owned.with_mut(|_| ());
        let state = self.state();
        assert!(
            !state.signalled,
            "a place changes hands with a signal pending"
        );
        assert!(
            state.sleepers.is_empty(),
            "a place changes hands under a sleeper"
        );
    }

    fn wait(&self) {
        self.owned.with(|_| ());
        self.step.fetch_add(1, Acquire);
        let me = thread::current();
        let mut state = self.state();
        if take(&mut state.signalled) {
            return;
        }
        state.sleepers.push_back(me.clone());
        drop(state);
        while self
            .state()
            .sleepers
            .iter()
            .any(|sleeper| sleeper.id() == me.id())
        {
            thread::park();
        }
    }

    fn signal(&self) {
        self.owned.with(|_| ());
        self.step.fetch_add(1, Release);
        let mut state = self.state();
        assert!(!state.signalled, "a signal is lost in the one before");
        match state.sleepers.pop_front() {
            Some(sleeper) => sleeper.unpark(),
            None => state.signalled = true,
        }
    }
}

struct Model;

// SAFETY: `Places` and the semaphores are what the trait asks for.
unsafe impl Sleep for Model {
    fn take() -> usize {
        let place = KERNEL.places.take().unwrap();
        KERNEL.semaphores[place].change_hands();
        place
    }

    fn put_back(place: usize) {
        KERNEL.semaphores[place].change_hands();
        KERNEL.places.put_back(place);
    }

    fn wait(place: usize) {
        KERNEL.semaphores[place].wait();
    }

    fn signal(place: usize) {
        KERNEL.semaphores[place].signal();
    }
}

/// What a lock protects.
struct Table {
    lock: WordLock<Model>,
    entries: UnsafeCell<()>,
}

impl Table {
    fn new() -> Self {
        Self {
            lock: WordLock(AtomicUsize::new(0), PhantomData),
            entries: UnsafeCell::new(()),
        }
    }

    fn enter(&self) {
        self.lock.acquire();
        self.section();
    }

    fn try_to_enter(&self) {
        if self.lock.try_acquire() {
            self.section();
        }
    }

    fn section(&self) {
        // Fails the execution if any other section is beside this one.
        self.entries.with_mut(|_| ());
        self.lock.release();
    }
}

/// What a thread does with two tables.
type Step = fn(&[Table; 2]);
const A: Step = |[a, _]| a.enter();
const B: Step = |[_, b]| b.enter();
const TRY_A: Step = |[a, _]| a.try_to_enter();

/// Runs each program on a thread of its own. Answers nothing about executions of more preemptions than
/// these, or than `LOOM_MAX_PREEMPTIONS` in the environment.
fn check(preemptions: usize, programs: &'static [&[Step]]) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(move || {
        // Made while there is one thread, so that making it orders nothing.
        let taken = &KERNEL.places.0[0];
        let tables = Arc::new([Table::new(), Table::new()]);
        let run = |program: &'static [Step]| {
            let tables = tables.clone();
            move || program.iter().for_each(|step| step(&tables))
        };
        let others: Vec<_> = programs[1..]
            .iter()
            .map(|program| thread::spawn(run(program)))
            .collect();
        run(programs[0])();
        for other in others {
            other.join().unwrap();
        }
        assert_eq!(taken.load(Relaxed), 0, "a place is lost");
        for table in &*tables {
            assert_eq!(table.lock.0.load(Relaxed), 0, "a lock is not free");
        }
    });
}

#[test]
fn two_threads() {
    check(6, &[&[A, A], &[A, A]]);
}

#[test]
fn three_threads() {
    check(4, &[&[A], &[A], &[A]]);
}

#[test]
fn three_threads_come_back() {
    check(3, &[&[A, A], &[A, A], &[A, A]]);
}

#[test]
fn a_place_goes_from_lock_to_lock() {
    check(4, &[&[A], &[A, B], &[B]]);
}

#[test]
fn one_only_tries() {
    check(4, &[&[A], &[A], &[TRY_A, TRY_A]]);
}
