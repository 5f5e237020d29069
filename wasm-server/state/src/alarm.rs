// SPDX-License-Identifier: BSD-2-Clause
//! Alarms, and when the hardware has to interrupt for them.

use crate::Lock;
pub use crate::queue::{Alarm, Full, Queue};

/// The alarms of a server, with a lock around their queue. Times are nanoseconds of the platform's clock;
/// alarms of one time fire in the order they were set.
///
/// Whenever the lock is free, the hardware is armed for the first alarm's time or earlier, or the service
/// thread is awake and will call [`Alarms::fire`] until that has nothing more. So arming for nothing is
/// no harm but one turn of that thread, and no alarm is forgotten.
///
/// An alarm leaves the queue under the lock, so exactly one gets what it does: the service thread that
/// fires it, or whoever cancels it. What is passed in as a function runs under the lock; it must not
/// come back here.
#[derive(Debug)]
pub struct Alarms<L>(L);

impl<T, L: Lock<Data = Queue<T>>> Alarms<L> {
    /// Alarms in this queue, which is new.
    pub const fn new(queue: L) -> Self {
        Self(queue)
    }

    /// Makes room for so many more alarms, the only time that alarms allocate. Who sets more than it
    /// reserved takes somebody else's room.
    ///
    /// # Errors
    /// There would be more than 2^20, or the heap has no memory for them. Nothing is reserved then.
    pub fn reserve(&self, more: usize) -> Result<(), Full> {
        self.0.lock().reserve(more)
    }

    /// Gives up the room for so many alarms, which are not set any more.
    pub fn release(&self, less: usize) {
        self.0.lock().release(less);
    }

    /// Sets an alarm, from any thread, for a time that may be past. `arm` has the hardware interrupt at
    /// this time, at once if it is past.
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

    /// Takes an alarm back, from any thread, unless it has fired or was cancelled. For names that no
    /// guest has had in its hands.
    pub fn cancel(&self, alarm: Alarm) -> Option<T> {
        self.cancel_if(alarm, |_| true)
    }

    /// Takes an alarm back if it does this, unless it has fired or was cancelled. A name is easily
    /// guessed: before a guest's request has any effect, `is_it` has to say that the alarm is the guest's.
    pub fn cancel_if(&self, alarm: Alarm, is_it: impl FnOnce(&T) -> bool) -> Option<T> {
        // If it was the next, the hardware interrupts once for nothing.
        let mut queue = self.0.lock();
        queue.get(alarm).is_some_and(is_it).then_some(())?;
        queue.cancel(alarm)
    }

    /// Takes every alarm back that does this, and drops it under the lock. Looks at all that there is
    /// room for.
    pub fn cancel_all(&self, is_it: impl FnMut(&T) -> bool) {
        self.0.lock().cancel_all(is_it);
    }

    /// Takes the first alarm if its time has come, on the service thread; else arms the hardware for it, or
    /// for none. To be called after each interrupt, whatever quiets that, until there is none.
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

#[cfg(all(test, not(loom)))]
mod tests {
    use std::{cell::Cell, sync::Mutex};

    use super::*;

    /// Alarms of owners, with room for two.
    fn alarms() -> Alarms<Mutex<Queue<char>>> {
        let alarms = Alarms::new(Mutex::new(Queue::new()));
        alarms.reserve(2).unwrap();
        alarms
    }

    #[test]
    fn the_hardware_is_armed_for_the_first() {
        let alarms = alarms();
        let armed = Cell::new(None);
        let set = |at| alarms.set(at, 'a', |at| armed.set(Some(at))).unwrap();
        let fire = |now| alarms.fire(|| now, |next| armed.set(next));
        set(20);
        assert_eq!(armed.take(), Some(20));
        let first = set(10);
        assert_eq!(armed.take(), Some(10));
        assert_eq!((fire(9), armed.take()), (None, Some(10)));
        assert_eq!((fire(10), armed.take()), (Some('a'), None));
        assert_eq!((fire(10), armed.take()), (None, Some(20)));
        assert_eq!(alarms.cancel(first), None);
        // Not the first: the hardware stays as it is.
        let last = set(30);
        assert_eq!(armed.replace(Some(1)), None);
        assert_eq!(alarms.cancel(last), Some('a'));
        assert_eq!((fire(20), fire(20), armed.take()), (Some('a'), None, None));
    }

    #[test]
    fn nobody_cancels_an_alarm_of_somebody_else() {
        let alarms = alarms();
        let of_a = alarms.set(1, 'a', |_| ()).unwrap();
        let of_b = alarms.set(2, 'b', |_| ()).unwrap();
        assert_eq!(alarms.cancel_if(of_a, |owner| *owner == 'b'), None);
        assert_eq!(alarms.len(), 2);
        assert_eq!(alarms.cancel_if(of_a, |owner| *owner == 'a'), Some('a'));
        alarms.cancel_all(|owner| *owner == 'a');
        assert_eq!(alarms.len(), 1);
        alarms.cancel_all(|owner| *owner == 'b');
        assert!(alarms.is_empty());
        assert_eq!(alarms.cancel(of_b), None);
    }

    #[test]
    fn who_releases_room_cannot_use_it() {
        let alarms = alarms();
        alarms.release(1);
        let set = || alarms.set(1, 'a', |_| ());
        assert!(set().is_ok());
        assert_eq!(set(), Err(Full));
        alarms.reserve(1).unwrap();
        assert!(set().is_ok());
    }
}
