// SPDX-License-Identifier: BSD-2-Clause
//! Time. Needs the grant `time` for [`Instant::now`] and timers.

use core::{
    ops::{Add, AddAssign, Sub},
    time::Duration,
};

#[cfg(target_family = "wasm")]
use crate::{Error, wake::Task};

/// A time of the monotonic clock, which starts when the machine is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    nanoseconds: u64,
}

impl Instant {
    /// The time that never comes; adding to it does not change it.
    pub const NEVER: Self = Self {
        nanoseconds: u64::MAX,
    };

    /// The time now; 0 if the grant was taken away.
    #[cfg(target_family = "wasm")]
    pub fn now() -> Self {
        // Refused only when the grant was taken away.
        Self::from_nanoseconds(crate::sys::calls::time::now().unwrap_or_default())
    }

    /// A time so many nanoseconds after the machine was switched on.
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self { nanoseconds }
    }

    /// Nanoseconds since the machine was switched on.
    pub const fn nanoseconds(self) -> u64 {
        self.nanoseconds
    }

    /// How long ago it was; zero if it is still to come.
    #[cfg(target_family = "wasm")]
    pub fn elapsed(self) -> Duration {
        Self::now() - self
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    /// The time so much later, [`Instant::NEVER`] if no number can name it.
    fn add(self, later: Duration) -> Self {
        Self::from_nanoseconds(self.nanoseconds.saturating_add(whole_nanoseconds(later)))
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, later: Duration) {
        *self = *self + later;
    }
}

impl Sub for Instant {
    type Output = Duration;

    /// The time between them; zero if `earlier` is the later one.
    fn sub(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.nanoseconds.saturating_sub(earlier.nanoseconds))
    }
}

/// As a number; the highest if none can name it.
pub(crate) fn whole_nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A timer that is set. To drop it lets it fire.
#[cfg(target_family = "wasm")]
#[derive(Debug)]
pub struct Timer {
    id: atoll_abi::TimerId,
}

#[cfg(target_family = "wasm")]
impl Timer {
    /// Has `task` put into the mailbox, which is to be open, when the time comes, or at once if it is past.
    ///
    /// # Errors
    /// [`Error::TooManyTimers`].
    pub fn at(deadline: Instant, task: Task) -> Result<Self, Error> {
        let id = crate::sys::calls::time::at(deadline.nanoseconds, task.0)?;
        Ok(Self { id })
    }

    /// Takes it back.
    ///
    /// # Errors
    /// [`Error::NotFound`] if it has fired: its task was put into the mailbox.
    pub fn cancel(self) -> Result<(), Error> {
        crate::sys::calls::time::cancel(self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates() {
        let second = Instant::from_nanoseconds(1_000_000_000);
        let later = second + Duration::from_millis(1500);
        assert_eq!(later.nanoseconds(), 2_500_000_000);
        assert_eq!(later - second, Duration::from_millis(1500));
        assert_eq!(second - later, Duration::ZERO);
        assert_eq!(second + Duration::MAX, Instant::NEVER);
        assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
    }
}
