// SPDX-License-Identifier: BSD-2-Clause
//! Time. Needs the grant `time` for [`Instant::now`].

use core::{
    ops::{Add, AddAssign, Sub},
    time::Duration,
};

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

    /// The time now.
    #[cfg(target_family = "wasm")]
    pub fn now() -> Self {
        Self::from_nanoseconds(crate::sys::calls::now())
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
        let nanoseconds = u64::try_from(later.as_nanos()).unwrap_or(u64::MAX);
        Self::from_nanoseconds(self.nanoseconds.saturating_add(nanoseconds))
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
