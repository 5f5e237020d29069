// SPDX-License-Identifier: BSD-2-Clause
//! Not waiting longer than that.

use core::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use pin_project_lite::pin_project;

use super::{Instant, Sleep, sleep_until};
use crate::Error;

/// Runs a future, but not for longer than that. The time begins when the future is polled first and is not
/// ready: one that is needs no clock.
///
/// ```
/// use core::time::Duration;
/// use userland::{task::block_on, time::timeout};
///
/// let answer = block_on(timeout(Duration::from_secs(1), async { 42 }));
/// assert_eq!(answer, Ok(42));
/// ```
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    Timeout {
        future,
        limit: Limit::After(duration),
    }
}

/// The future did not come to its end in time, and was given up.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{Error, task::Event, time::timeout};
///
/// async fn happens_soon(event: &Event) -> Result<(), Error> {
///     timeout(Duration::from_millis(10), event.wait()).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Elapsed;

impl fmt::Display for Elapsed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Error::TimedOut.fmt(f)
    }
}

impl core::error::Error for Elapsed {}

impl From<Elapsed> for Error {
    /// [`Error::TimedOut`].
    fn from(_: Elapsed) -> Self {
        Self::TimedOut
    }
}

/// A time by which several steps are to be done.
///
/// ```no_run
/// use core::time::Duration;
/// use userland::{Error, task::Event, time::Deadline};
///
/// /// Both within a second.
/// async fn both(one: &Event, other: &Event) -> Result<(), Error> {
///     let deadline = Deadline::after(Duration::from_secs(1));
///     deadline.limit(one.wait()).await?;
///     deadline.limit(other.wait()).await?;
///     Ok(())
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Deadline(Instant);

impl Deadline {
    /// The one that never comes.
    ///
    /// ```
    /// use userland::{task::block_on, time::Deadline};
    ///
    /// assert_eq!(block_on(Deadline::NEVER.limit(async { 1 })), Ok(1));
    /// ```
    pub const NEVER: Self = Self(Instant::NEVER);

    /// So long from now. See the example of [`Deadline`].
    pub fn after(duration: Duration) -> Self {
        Self(Instant::now() + duration)
    }

    /// At this time.
    ///
    /// ```
    /// use userland::time::{Deadline, Instant};
    ///
    /// assert_eq!(Deadline::at(Instant::NEVER), Deadline::NEVER);
    /// ```
    pub const fn at(instant: Instant) -> Self {
        Self(instant)
    }

    /// When that is.
    ///
    /// ```
    /// use userland::time::{Deadline, Instant};
    ///
    /// assert_eq!(Deadline::NEVER.instant(), Instant::NEVER);
    /// ```
    pub const fn instant(self) -> Instant {
        self.0
    }

    /// How long there is until then; zero if it is past.
    ///
    /// ```no_run
    /// use core::time::Duration;
    /// use userland::time::Deadline;
    ///
    /// let deadline = Deadline::after(Duration::from_secs(1));
    /// assert!(deadline.remaining() <= Duration::from_secs(1));
    /// ```
    pub fn remaining(self) -> Duration {
        if self == Self::NEVER {
            return Duration::MAX;
        }
        self.0 - Instant::now()
    }

    /// Runs a future, but not for longer than until then. See the example of [`Deadline`].
    pub fn limit<F: Future>(self, future: F) -> Timeout<F> {
        Timeout {
            future,
            limit: Limit::Running(sleep_until(self.0)),
        }
    }
}

pin_project! {
    /// What [`timeout`] and [`Deadline::limit`] answer.
    #[derive(Debug)]
    pub struct Timeout<F> {
        #[pin]
        future: F,
        limit: Limit,
    }
}

#[derive(Debug)]
enum Limit {
    /// So long from when it is needed first.
    After(Duration),
    Running(Sleep),
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, Elapsed>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        if let Poll::Ready(output) = this.future.poll(cx) {
            return Poll::Ready(Ok(output));
        }
        if let Limit::After(duration) = this.limit {
            *this.limit = Limit::Running(super::sleep(*duration));
        }
        match this.limit {
            Limit::Running(sleep) => Pin::new(sleep).poll(cx).map(|()| Err(Elapsed)),
            Limit::After(_) => Poll::Pending,
        }
    }
}
