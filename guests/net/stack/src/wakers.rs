// SPDX-License-Identifier: BSD-2-Clause
//! Those who wait for the same thing, woken in the order in which they came.

use alloc::vec::Vec;
use core::{mem::take, task::Waker};

#[derive(Debug, Default)]
pub struct Wakers(Vec<Waker>);

impl Wakers {
    pub fn register(&mut self, waker: &Waker) {
        if !self.0.iter().any(|other| other.will_wake(waker)) {
            self.0.push(waker.clone());
        }
    }

    pub fn wake(&mut self) {
        for waker in take(&mut self.0) {
            waker.wake();
        }
    }
}
