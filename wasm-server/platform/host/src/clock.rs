// SPDX-License-Identifier: BSD-2-Clause
//! The clock, and the service thread's alarm.

use std::time::{Duration, Instant};

use parking_lot::{Condvar, Mutex};

/// A clock that starts at 0, and the one sleeper that it can wake.
pub struct Clock {
    start: Instant,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    nudged: bool,
    deadline: Option<u64>,
}

impl Clock {
    /// A clock.
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
            state: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// Nanoseconds since it started.
    pub fn now(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_nanos()).unwrap_or(u64::MAX)
    }

    /// Has [`Self::wait`] return at this time, or at no time.
    pub fn arm(&self, deadline: Option<u64>) {
        self.state.lock().deadline = deadline;
        self.changed.notify_one();
    }

    /// Has [`Self::wait`] return soon.
    pub fn nudge(&self) {
        self.state.lock().nudged = true;
        self.changed.notify_one();
    }

    /// Sleeps until the armed time or a nudge.
    pub fn wait(&self) {
        let mut state = self.state.lock();
        while !std::mem::take(&mut state.nudged) {
            match state.deadline {
                None => self.changed.wait(&mut state),
                Some(at) => {
                    let left = Duration::from_nanos(at.saturating_sub(self.now()));
                    if left.is_zero() {
                        state.deadline = None;
                        return;
                    }
                    self.changed.wait_for(&mut state, left);
                }
            }
        }
    }
}
