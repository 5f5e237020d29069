// SPDX-License-Identifier: BSD-2-Clause
//! Time. Needs the grant `time` for [`Instant::now`] and timers.
//!
//! A task waits with [`sleep`], and for something else no longer than that with [`timeout`]. All of a guest's
//! tasks together use no timer of the server: it is told when the guest is to be woken at the latest.
//!
//! ```no_run
//! use core::time::Duration;
//! use userland::{info, task::{Event, block_on}, time::{Instant, sleep, timeout}};
//!
//! block_on(async {
//!     let before = Instant::now();
//!     sleep(Duration::from_millis(20)).await;
//!     info!("slept for {:?}", before.elapsed());
//!
//!     let event = Event::new();
//!     if timeout(Duration::from_secs(1), event.wait()).await.is_err() {
//!         info!("nothing has happened");
//!     }
//! });
//! ```

mod interval;
mod sleep;
mod timeout;

use core::{
    ops::{Add, AddAssign, Sub},
    time::Duration,
};

use crate::{Error, wake::Task};

pub use interval::{Interval, interval};
pub use sleep::{Sleep, sleep, sleep_until};
pub use timeout::{Deadline, Elapsed, Timeout, timeout};

/// A time of the monotonic clock, which starts when the machine is switched on.
///
/// ```
/// use core::time::Duration;
/// use userland::time::Instant;
///
/// let start = Instant::from_nanoseconds(1_000);
/// let later = start + Duration::from_micros(2);
/// assert_eq!(later - start, Duration::from_micros(2));
/// assert_eq!(start - later, Duration::ZERO);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    nanoseconds: u64,
}

impl Instant {
    /// The time that never comes; adding to it does not change it.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use userland::time::Instant;
    /// assert_eq!(Instant::NEVER + Duration::from_secs(1), Instant::NEVER);
    /// ```
    pub const NEVER: Self = Self {
        nanoseconds: u64::MAX,
    };

    /// The time now; 0 if the grant was taken away.
    ///
    /// ```
    /// # use userland::time::Instant;
    /// let now = Instant::now();
    /// assert!(now <= Instant::now());
    /// ```
    pub fn now() -> Self {
        // Refused only when the grant was taken away.
        Self::from_nanoseconds(crate::sys::calls::time::now().unwrap_or_default())
    }

    /// A time so many nanoseconds after the machine was switched on.
    ///
    /// ```
    /// # use userland::time::Instant;
    /// assert!(Instant::from_nanoseconds(1) < Instant::from_nanoseconds(2));
    /// ```
    pub const fn from_nanoseconds(nanoseconds: u64) -> Self {
        Self { nanoseconds }
    }

    /// Nanoseconds since the machine was switched on.
    ///
    /// ```
    /// # use userland::time::Instant;
    /// assert_eq!(Instant::from_nanoseconds(5).nanoseconds(), 5);
    /// ```
    pub const fn nanoseconds(self) -> u64 {
        self.nanoseconds
    }

    /// How long ago it was; zero if it is still to come.
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use userland::time::Instant;
    /// assert_eq!(Instant::NEVER.elapsed(), Duration::ZERO);
    /// ```
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

/// A timer of the server that is set. To drop it lets it fire. A task has no need of one, see [`sleep`].
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{Error, time::{Instant, Timer}, wake::{Mailbox, Task}};
///
/// fn pause() -> Result<(), Error> {
///     let mut mailbox = Mailbox::open()?;
///     Timer::at(Instant::now() + Duration::from_secs(1), Task(7))?;
///     mailbox.wait_for(Task(7))
/// }
/// ```
#[derive(Debug)]
pub struct Timer {
    id: atoll_abi::TimerId,
}

impl Timer {
    /// Has `task` put into the mailbox, which is to be open, when the time comes, or at once if it is past.
    /// See the example of [`Timer`].
    ///
    /// # Errors
    /// [`Error::TooManyTimers`].
    pub fn at(deadline: Instant, task: Task) -> Result<Self, Error> {
        let id = crate::sys::calls::time::at(deadline.nanoseconds, task.0)?;
        Ok(Self { id })
    }

    /// Takes it back.
    ///
    /// ```no_run
    /// use userland::{Error, time::{Instant, Timer}, wake::Task};
    ///
    /// fn never_mind(deadline: Instant) -> Result<(), Error> {
    ///     let timer = Timer::at(deadline, Task(7))?;
    ///     match timer.cancel() {
    ///         Err(Error::NotFound) => Ok(()), // it has fired
    ///         other => other,
    ///     }
    /// }
    /// ```
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
