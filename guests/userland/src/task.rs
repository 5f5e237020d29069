// SPDX-License-Identifier: BSD-2-Clause
//! Tasks: futures that run in turns on the guest's one thread. Needs the grant `wake`.
//!
//! [`block_on`] runs them, which is what an `async fn main` comes to. A task runs until it awaits something
//! that is not ready; then another runs that is; and when none is, the guest sleeps until an id comes into
//! the wake mailbox or a timer is due. So a task that computes for long keeps the others waiting, unless it
//! awaits [`yield_now`] in between.
//!
//! What comes from outside comes as an [`Event`]. The executor holds the guest's [`Mailbox`]; a guest that
//! runs tasks does not open it by itself.
//!
//! ```no_run
//! use core::time::Duration;
//! use userland::{info, task::{block_on, spawn, stopping}, time::sleep};
//!
//! block_on(async {
//!     spawn(async {
//!         loop {
//!             info!("still here");
//!             sleep(Duration::from_secs(10)).await;
//!         }
//!     });
//!     stopping().await;
//!     info!("asked to stop");
//! });
//! ```
//!
//! A panic in any task ends the guest.
//!
//! [`Mailbox`]: crate::wake::Mailbox

mod door;
mod event;
mod executor;
mod join;
mod queue;
mod signal;
mod sleeper;
mod slots;
#[cfg(test)]
mod tests;
mod timer;
mod timers;

use core::future::Future;

use crate::{handle::Capability as _, shm::Region, wake::Bells};

pub use event::{Event, Stopping};
pub use executor::block_on;
pub use join::{Cancelled, JoinHandle, spawn};

pub(crate) use door::flush;
pub(crate) use executor::{cancel_all, doze, happen, wake};
pub(crate) use sleeper::Sleeper;
pub(crate) use timer::Timer;

/// Lets every other task that is ready run before this one goes on.
///
/// ```
/// use userland::task::{block_on, yield_now};
///
/// /// The sum of many numbers, with pauses for others.
/// async fn sum(numbers: &[u64]) -> u64 {
///     let mut sum = 0;
///     for some in numbers.chunks(1000) {
///         sum += some.iter().sum::<u64>();
///         yield_now().await;
///     }
///     sum
/// }
///
/// assert_eq!(block_on(sum(&[1; 2500])), 2500);
/// ```
pub fn yield_now() -> impl Future<Output = ()> {
    embassy_futures::yield_now()
}

/// Waits until the guest is asked to stop: then it has some time to end by itself. Ready at once if it was
/// asked before.
///
/// ```no_run
/// use core::future::pending;
/// use userland::{future::select, task::{block_on, stopping}};
///
/// # async fn serve() { pending().await }
/// block_on(select(serve(), stopping()));
/// // Here the guest says goodbye to its peers.
/// ```
pub fn stopping() -> Stopping {
    Stopping::new()
}

/// Whether the guest was asked to stop. For a task that computes and does not await.
///
/// ```
/// use userland::task::stop_requested;
///
/// let mut steps = 0;
/// while !stop_requested() && steps < 1000 {
///     steps += 1;
/// }
/// ```
pub fn stop_requested() -> bool {
    executor::with(|state| state.look_for_stop())
}

/// Rings these bells of the region at the end of the present poll: in one hostcall with the guest's own
/// sleep if nothing else is ready then, which saves as much as a hostcall costs where two guests answer each
/// other. Outside of a task it rings at once. That the ring is refused shows at the next use of the region.
///
/// What blocks the whole guest before the poll ends, as
/// [`Process::wait_until`](crate::process::Process::wait_until) does, keeps the ring back as long.
///
/// ```no_run
/// use userland::{Error, shm::Region, task::{Event, ring_before_sleep}, wake::Bells};
///
/// async fn call(region: &Region, answered: &Event) -> Result<(), Error> {
///     region.write_at(0, b"question")?;
///     ring_before_sleep(region, Bells(1));
///     answered.wait().await;
///     Ok(())
/// }
/// ```
pub fn ring_before_sleep(region: &Region, bells: Bells) {
    door::ring_later(region.handle(), bells);
}
