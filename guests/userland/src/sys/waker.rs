// SPDX-License-Identifier: BSD-2-Clause
//! Wakers that are numbers: to make, copy or drop one costs nothing.

use core::{
    ptr::without_provenance,
    task::{RawWaker, RawWakerVTable, Waker},
};

use crate::task;

static VTABLE: RawWakerVTable = RawWakerVTable::new(clone, wake, wake, drop);

fn clone(key: *const ()) -> RawWaker {
    RawWaker::new(key, &VTABLE)
}

fn wake(key: *const ()) {
    task::wake(key.addr() as u32);
}

fn drop(_: *const ()) {}

/// The waker of the task with this key.
#[inline]
pub(crate) fn of(key: u32) -> Waker {
    // SAFETY: the data is a number that nobody follows, so that nothing is to be kept or freed. What the
    // functions reach, each thread has for itself.
    unsafe { Waker::new(without_provenance(key as usize), &VTABLE) }
}

/// The key behind one of these wakers; none for another's.
#[inline]
pub(crate) fn key_of(waker: &Waker) -> Option<u32> {
    core::ptr::eq(waker.vtable(), &VTABLE).then(|| waker.data().addr() as u32)
}
