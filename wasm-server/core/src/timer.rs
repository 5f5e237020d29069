// SPDX-License-Identifier: BSD-2-Clause
//! A guest's alarms: those it sets itself, and those of the server on its behalf.

use core::sync::atomic::Ordering;

use atoll_abi::Error;

use crate::{
    Guest,
    guest::{count, uncount},
    platform::Platform,
    server::Due,
};

/// Alarms of a guest besides its timers: the end of a wait, of its time, and of a grace.
pub(crate) const OWN_ALARMS: usize = 3;

impl<P: Platform> Guest<P> {
    /// Sets a timer, which counts as one of the guest's until it fires or is cancelled.
    ///
    /// # Errors
    /// `TooManyTimers`.
    pub(crate) fn set_timer(&self, at: u64, due: Due<P>) -> Result<u64, Error> {
        let limit = self.process.limits.timers;
        count(&self.counters.timers, limit, Error::TooManyTimers)?;
        match self.server.set_alarm(at, due) {
            Ok(alarm) => Ok(alarm.to_wire()),
            Err(_) => {
                uncount(&self.counters.timers);
                Err(Error::TooManyTimers)
            }
        }
    }

    /// Takes those of the guest's timers back for which `is_it`.
    pub(crate) fn cancel_timers(&self, is_it: impl Fn(&Due<P>) -> bool) {
        if self.counters.timers.load(Ordering::Acquire) == 0 {
            return;
        }
        let pid = Some(self.pid());
        self.server.alarms.cancel_all(|due| {
            let found = due.timer_of() == pid && is_it(due);
            if found {
                uncount(&self.counters.timers);
            }
            found
        });
    }
}
