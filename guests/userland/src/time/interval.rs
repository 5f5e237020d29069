// SPDX-License-Identifier: BSD-2-Clause
//! Again and again.

use core::time::Duration;

use super::{Instant, sleep_until, whole_nanoseconds};

/// Ticks once in each such period, for the first time one period from now.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{info, time::interval};
///
/// async fn report() {
///     let mut ticks = interval(Duration::from_secs(10));
///     loop {
///         ticks.tick().await;
///         info!("still here");
///     }
/// }
/// ```
pub fn interval(period: Duration) -> Interval {
    Interval {
        next: Instant::now() + period,
        period,
    }
}

/// What [`interval`] answers. It does not drift: the ticks are whole periods apart, however long it takes
/// until the task runs.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::time::{Interval, interval};
///
/// struct Pump {
///     strokes: Interval,
/// }
///
/// let pump = Pump { strokes: interval(Duration::from_millis(20)) };
/// ```
#[derive(Debug)]
pub struct Interval {
    next: Instant,
    period: Duration,
}

impl Interval {
    /// Waits for the next tick; answers when it was due. Ticks that are past by then are skipped. To drop
    /// what this answers, in a [`select`](crate::future::select()) say, loses no tick.
    ///
    /// ```no_run
    /// use core::time::Duration;
    /// use userland::time::interval;
    ///
    /// async fn two_ticks() {
    ///     let mut ticks = interval(Duration::from_secs(1));
    ///     let first = ticks.tick().await;
    ///     assert_eq!(ticks.tick().await - first, Duration::from_secs(1));
    /// }
    /// ```
    pub async fn tick(&mut self) -> Instant {
        sleep_until(self.next).await;
        let tick = self.next;
        let late = whole_nanoseconds(Instant::now() - tick);
        let period = whole_nanoseconds(self.period).max(1);
        let periods = (late / period).saturating_add(1);
        self.next = tick + Duration::from_nanos(periods.saturating_mul(period));
        tick
    }
}
