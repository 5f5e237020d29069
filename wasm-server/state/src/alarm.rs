// SPDX-License-Identifier: BSD-2-Clause
//! Alarms, and when the hardware has to interrupt for them.

use crate::Lock;
pub use crate::queue::{Alarm, Full, Queue};

/// The alarms of a server, with a lock around their queue.
///
/// Whenever the lock is free, the hardware is armed for the first alarm's time or earlier, or the service
/// thread is awake and will call [`Alarms::fire`] until that has nothing more. So arming for nothing is
/// no harm but one turn of that thread, and no alarm is forgotten.
#[derive(Debug)]
pub struct Alarms<L>(L);

impl<T, L: Lock<Data = Queue<T>>> Alarms<L> {
    /// Alarms in this queue.
    pub const fn new(queue: L) -> Self {
        Self(queue)
    }

    /// Makes room for so many more alarms. Who sets more than it reserved takes somebody else's room.
    ///
    /// # Errors
    /// There are too many, or the heap has no memory for them.
    pub fn reserve(&self, more: usize) -> Result<(), Full> {
        self.0.lock().reserve(more)
    }

    /// Gives up the room for so many alarms, which are not set any more.
    pub fn release(&self, less: usize) {
        self.0.lock().release(less);
    }

    /// Sets an alarm, from any thread. `arm` has the hardware interrupt at a time.
    ///
    /// # Errors
    /// As many are set as there is room for.
    pub fn set(&self, at: u64, what: T, arm: impl FnOnce(u64)) -> Result<Alarm, Full> {
        let mut queue = self.0.lock();
        let alarm = queue.set(at, what)?;
        // An alarm that is not the next has no need of the hardware.
        if queue.next() == Some(at) {
            arm(at);
        }
        Ok(alarm)
    }

    /// Takes an alarm back, unless it has fired.
    pub fn cancel(&self, alarm: Alarm) -> Option<T> {
        self.cancel_if(alarm, |_| true)
    }

    /// Takes an alarm back if it does this, unless it has fired.
    pub fn cancel_if(&self, alarm: Alarm, is_it: impl FnOnce(&T) -> bool) -> Option<T> {
        // If it was the next, the hardware interrupts once for nothing.
        let mut queue = self.0.lock();
        queue.get(alarm).is_some_and(is_it).then_some(())?;
        queue.cancel(alarm)
    }

    /// Takes every alarm back that does this.
    pub fn cancel_all(&self, is_it: impl FnMut(&T) -> bool) {
        self.0.lock().cancel_all(is_it);
    }

    /// Takes an alarm whose time has come, on the service thread; if there is none, arms the hardware for
    /// the next, or for none.
    pub fn fire(&self, now: impl FnOnce() -> u64, arm: impl FnOnce(Option<u64>)) -> Option<T> {
        let mut queue = self.0.lock();
        let due = queue.expired(now());
        if due.is_none() {
            arm(queue.next());
        }
        due
    }

    /// Alarms that are set.
    pub fn len(&self) -> usize {
        self.0.lock().len()
    }

    /// Whether none is set.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
