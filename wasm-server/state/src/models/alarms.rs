// SPDX-License-Identifier: BSD-2-Clause
//! Threads that set and cancel alarms, the service thread that fires them, and the timer that interrupts
//! it.
//!
//! Every model checks: no alarm is forgotten, or the service thread sleeps for ever; each is taken once,
//! whether by firing or by cancelling it, or is still set; none fires early.

use core::cell::Cell;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize as ExactCount, Ordering::Relaxed},
    },
    vec::Vec,
};

use loom::{sync::Mutex, thread};

use super::{Notification, check};
use crate::alarm::{Alarm, Alarms, Queue};

/// The most alarms that a model sets.
const ALARMS: usize = 3;

/// A server, as far as its alarms go.
struct Server {
    alarms: Alarms<Mutex<Queue<What>>>,
    timer: Mutex<Timer>,
    notification: Notification,
    // How often each was. Not loom's: counting orders nothing.
    set: [ExactCount; ALARMS],
    taken: [ExactCount; ALARMS],
}

/// What an alarm does.
#[derive(Clone, Copy)]
struct What {
    number: usize,
    at: u64,
}

/// Like the generic timer: its line is high from a time on.
#[derive(Clone, Copy)]
struct Timer {
    now: u64,
    armed: Option<u64>,
}

impl Server {
    fn new(now: u64) -> Arc<Self> {
        let server = Self {
            alarms: Alarms::new(Mutex::new(Queue::new())),
            timer: Mutex::new(Timer { now, armed: None }),
            notification: Notification::default(),
            set: Default::default(),
            taken: Default::default(),
        };
        server.alarms.reserve(ALARMS).unwrap();
        Arc::new(server)
    }

    /// Has the timer be this, and interrupt.
    fn change(&self, change: impl FnOnce(&mut Timer)) {
        let timer = {
            let mut timer = self.timer.lock().unwrap();
            change(&mut timer);
            *timer
        };
        if timer.armed.is_some_and(|at| at <= timer.now) {
            self.notification.signal();
        }
    }

    fn arm(&self, at: Option<u64>) {
        self.change(|timer| timer.armed = at);
    }

    fn pass_time(&self, now: u64) {
        self.change(|timer| timer.now = now);
    }

    fn now(&self) -> u64 {
        self.timer.lock().unwrap().now
    }

    fn set(&self, number: usize, at: u64) -> Alarm {
        self.set[number].fetch_add(1, Relaxed);
        let arm = |at| self.arm(Some(at));
        self.alarms.set(at, What { number, at }, arm).unwrap()
    }

    fn take(&self, what: &What) {
        self.taken[what.number].fetch_add(1, Relaxed);
    }

    fn cancel(&self, alarm: Alarm) {
        if let Some(what) = self.alarms.cancel(alarm) {
            self.take(&what);
        }
    }

    fn cancel_all(&self, number: usize) {
        self.alarms.cancel_all(|what| {
            let is_it = what.number == number;
            if is_it {
                self.take(what);
            }
            is_it
        });
    }

    /// The service thread, until these have fired.
    fn serve(&self, mut awaited: Vec<usize>) {
        loop {
            let now = Cell::new(0);
            let clock = || {
                now.set(self.now());
                now.get()
            };
            while let Some(what) = self.alarms.fire(clock, |next| self.arm(next)) {
                assert!(what.at <= now.get(), "an alarm fires early");
                self.take(&what);
                awaited.retain(|number| *number != what.number);
            }
            if awaited.is_empty() {
                return;
            }
            self.notification.wait();
            // The line is level triggered. Without the lock: what another thread has armed since is
            // lost, and found by firing.
            self.arm(None);
        }
    }
}

/// What a thread other than the service thread does.
type Act = fn(&Server);

const SET_FIRST: Act = |server| {
    server.set(0, 1);
};
const SET_SECOND: Act = |server| {
    server.set(1, 2);
};
const PASS_TIME: Act = |server| {
    server.pass_time(1);
    server.pass_time(2);
};

/// Runs these beside the service thread, which serves until these alarms have fired.
fn check_alarms<const N: usize>(
    preemptions: usize,
    now: u64,
    acts: [Act; N],
    awaited: &'static [usize],
) {
    check(preemptions, move || {
        let server = Server::new(now);
        let threads = acts.map(|act| {
            let server = server.clone();
            thread::spawn(move || act(&server))
        });
        server.serve(awaited.to_vec());
        for thread in threads {
            thread.join().unwrap();
        }
        // Those that are still set.
        (0..ALARMS).for_each(|number| server.cancel_all(number));
        assert!(server.alarms.is_empty());
        for (set, taken) in server.set.iter().zip(&server.taken) {
            assert_eq!(taken.load(Relaxed), set.load(Relaxed), "not taken once");
        }
    });
}

#[test]
fn the_second_does_not_hide_the_first() {
    // The time of the second never comes.
    let clock: Act = |server| server.pass_time(1);
    check_alarms(3, 0, [SET_FIRST, SET_SECOND, clock], &[0]);
}

#[test]
fn two_of_one_time_fire() {
    let set: Act = |server| {
        server.set(1, 1);
        server.set(2, 1);
    };
    check_alarms(4, 1, [SET_FIRST, set], &[0, 1, 2]);
}

#[test]
fn each_fires_when_its_time_comes() {
    check_alarms(3, 0, [SET_FIRST, SET_SECOND, PASS_TIME], &[0, 1]);
}

#[test]
fn firing_one_arms_for_the_next() {
    let set: Act = |server| {
        server.set(1, 2);
        server.set(0, 1);
    };
    check_alarms(4, 0, [set, PASS_TIME], &[0, 1]);
}

#[test]
fn an_alarm_fires_or_is_cancelled() {
    let cancel: Act = |server| {
        let alarm = server.set(1, 1);
        server.cancel(alarm);
        // Whoever took it: not a second time.
        server.cancel(alarm);
    };
    check_alarms(4, 1, [SET_FIRST, cancel], &[0]);
}

#[test]
fn an_alarm_outlives_the_one_before_it() {
    let cancel: Act = |server| {
        let alarm = server.set(0, 1);
        server.set(1, 2);
        server.cancel(alarm);
    };
    check_alarms(4, 0, [cancel, PASS_TIME], &[1]);
}

#[test]
fn whoever_ends_takes_only_its_own_along() {
    let end: Act = |server| {
        server.set(1, 1);
        server.set(1, 2);
        server.cancel_all(1);
    };
    check_alarms(4, 1, [SET_FIRST, end], &[0]);
}
