// SPDX-License-Identifier: BSD-2-Clause
//! Waiting for a time, in a task.

use core::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::Instant;
use crate::task::Timer;

/// Waits for so long, from now.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{task::block_on, time::sleep};
///
/// block_on(sleep(Duration::from_millis(100)));
/// ```
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(Instant::now() + duration)
}

/// Waits until then. Ready at once if that is past; never, for [`Instant::NEVER`].
///
/// ```no_run
/// use core::time::Duration;
/// use userland::time::{Instant, sleep_until};
///
/// /// Does something every second, without drifting.
/// async fn every_second(mut something: impl FnMut()) {
///     let mut next = Instant::now();
///     loop {
///         something();
///         next += Duration::from_secs(1);
///         sleep_until(next).await;
///     }
/// }
/// ```
pub fn sleep_until(deadline: Instant) -> Sleep {
    Sleep {
        deadline,
        timer: None,
    }
}

/// What [`sleep`] and [`sleep_until`] answer. To drop it takes the timer back.
///
/// It uses no timer of the server: the earliest of all a guest's sleeps is the deadline of the guest's own.
/// It is ready once its time has come, and after all those with earlier times; while other tasks are
/// always ready, up to eight rounds of their polls later.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::time::{Sleep, sleep};
///
/// struct Session {
///     idle: Sleep,
/// }
///
/// let session = Session { idle: sleep(Duration::from_secs(60)) };
/// ```
#[derive(Debug)]
pub struct Sleep {
    deadline: Instant,
    timer: Option<Timer>,
}

impl Sleep {
    /// When it ends.
    ///
    /// ```
    /// use userland::time::{Instant, sleep_until};
    ///
    /// assert_eq!(sleep_until(Instant::NEVER).deadline(), Instant::NEVER);
    /// ```
    pub const fn deadline(&self) -> Instant {
        self.deadline
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.deadline == Instant::NEVER {
            return Poll::Pending;
        }
        match &self.timer {
            Some(timer) => timer.poll(cx),
            None => {
                // Without a look at the clock: if the time is past, the guest's sleep ends at once.
                self.timer = Some(Timer::set(self.deadline, Instant::now, cx));
                Poll::Pending
            }
        }
    }
}
