// SPDX-License-Identifier: BSD-2-Clause
//! Interleavings of a few threads, in loom. A model whose threads all sleep has failed: that is how a
//! lost wake and a forgotten alarm show.

mod alarms;
mod grants;
mod ledgers;
mod wakes;

use core::{mem::take, ops::DerefMut};

use loom::{
    model::Builder,
    sync::{Condvar, Mutex},
};

use crate::Lock;

impl<T> Lock for Mutex<T> {
    type Data = T;

    fn lock(&self) -> impl DerefMut<Target = T> {
        self.lock().unwrap()
    }
}

/// Like seL4's: a signal wakes one sleeper, or the next to come.
#[derive(Default)]
struct Notification {
    signalled: Mutex<bool>,
    changed: Condvar,
}

impl Notification {
    fn wait(&self) {
        let mut signalled = self.signalled.lock().unwrap();
        while !take(&mut *signalled) {
            signalled = self.changed.wait(signalled).unwrap();
        }
    }

    fn signal(&self) {
        *self.signalled.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Checks the executions with this many preemptions or less, or with as many as `LOOM_MAX_PREEMPTIONS` in
/// the environment says.
fn check(preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(model);
}
