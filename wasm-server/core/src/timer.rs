// SPDX-License-Identifier: BSD-2-Clause
//! A guest's alarms: those it sets itself, and those of the server on its behalf.

use core::{mem, sync::atomic::Ordering};

use atoll_abi::Error;
use wasm_state::alarm::Alarm;

use crate::{
    Guest,
    guest::{count, uncount},
    platform::Platform,
    server::Due,
};

/// Alarms of a guest besides its timers: the end of a wait, of its time, and of a grace.
const OWN_ALARMS: usize = 3;

/// The alarms that the server sets on a guest's behalf, from any thread.
#[derive(Default)]
pub(crate) struct OwnAlarms {
    /// Whether room for them, and for the guest's timers, is reserved.
    has_room: bool,
    deadline: Option<Alarm>,
    stop: Option<Alarm>,
}

impl<P: Platform> Guest<P> {
    /// Makes room for all its alarms.
    ///
    /// # Errors
    /// `TooMany`.
    pub(crate) fn reserve_alarms(&self) -> Result<(), Error> {
        let reserved = self.server.alarms.reserve(self.most_alarms());
        reserved.map_err(|_| Error::TooMany)?;
        self.alarms.lock().has_room = true;
        Ok(())
    }

    /// Takes all its alarms back, and gives their room up. Its thread sets none any more.
    pub(crate) fn release_alarms(&self) {
        // First, so that none is set behind the others' end.
        let own = mem::take(&mut *self.alarms.lock());
        for alarm in [own.deadline, own.stop].into_iter().flatten() {
            self.server.alarms.cancel(alarm);
        }
        self.cancel_timers(|_| true);
        if own.has_room {
            self.server.alarms.release(self.most_alarms());
        }
    }

    fn most_alarms(&self) -> usize {
        self.process.limits.timers as usize + OWN_ALARMS
    }

    /// Has the server end the guest at this time, in place of the time before.
    pub(crate) fn set_deadline(&self, at: u64) {
        let mut own = self.alarms.lock();
        let due = Due::Deadline(self.pid());
        own.deadline = self.replace_alarm(own.has_room, own.deadline, at, due);
    }

    /// Has the server stop the guest by force at this time, in place of the time before.
    pub(crate) fn set_stop(&self, at: u64) {
        let mut own = self.alarms.lock();
        own.stop = self.replace_alarm(own.has_room, own.stop, at, Due::Stop(self.pid()));
    }

    /// Under the lock of [`OwnAlarms`]: what is set after its room was given up would take somebody else's.
    fn replace_alarm(
        &self,
        has_room: bool,
        old: Option<Alarm>,
        at: u64,
        due: Due<P>,
    ) -> Option<Alarm> {
        if let Some(old) = old {
            self.server.alarms.cancel(old);
        }
        has_room.then(|| self.server.set_alarm(at, due).ok())?
    }

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
