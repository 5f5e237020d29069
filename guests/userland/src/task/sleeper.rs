// SPDX-License-Identifier: BSD-2-Clause
//! Who is to be woken.

use core::{mem::replace, task::Waker};

use crate::sys::waker;

/// Who waits for something, if anybody does.
#[derive(Debug, Default)]
pub(crate) enum Sleeper {
    /// Nobody.
    #[default]
    Nobody,
    /// The task with this key. The executor wakes it itself.
    Task(u32),
    /// Somebody with a waker of another make: a future that polls others in its own way.
    Other(Waker),
}

impl Sleeper {
    /// Who is behind this waker.
    #[inline]
    pub(crate) fn new(waker: &Waker) -> Self {
        match waker::key_of(waker) {
            Some(key) => Self::Task(key),
            None => Self::Other(waker.clone()),
        }
    }

    /// Has whoever is behind this waker wait here; answers who did, for the caller to drop where nothing is
    /// borrowed, since a waker of another make may do anything then.
    #[inline]
    #[must_use = "to be dropped where nothing is borrowed"]
    pub(crate) fn put(&mut self, waker: &Waker) -> Self {
        match self {
            Self::Other(present) if present.will_wake(waker) => Self::Nobody,
            _ => replace(self, Self::new(waker)),
        }
    }
}

impl Sleeper {
    /// Whether it is who is behind this waker.
    #[inline]
    pub(crate) fn is(&self, waker: &Waker) -> bool {
        match self {
            Self::Nobody => false,
            Self::Task(key) => waker::key_of(waker) == Some(*key),
            Self::Other(other) => other.will_wake(waker),
        }
    }

    /// Wakes whoever it is.
    #[inline]
    pub(crate) fn wake(self) {
        match self {
            Self::Nobody => {}
            Self::Task(key) => super::wake(key),
            Self::Other(waker) => waker.wake(),
        }
    }
}

#[cfg(test)]
impl PartialEq for Sleeper {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Nobody, Self::Nobody) => true,
            (Self::Task(one), Self::Task(other)) => one == other,
            (Self::Other(one), Self::Other(other)) => one.will_wake(other),
            _ => false,
        }
    }
}
