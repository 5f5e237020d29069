// SPDX-License-Identifier: BSD-2-Clause
//! The log: the lines of all guests of the server, and its own. Needs the grant `logs`.
//!
//! The server keeps the last lines; any guest with the grant reads them. To write lines no more is needed than
//! [`log`](crate::log).
//!
//! ```no_run
//! use userland::{Error, logs, task::Event};
//!
//! /// Reads each line as it comes. Who is too slow finds numbers missing.
//! async fn follow() -> Result<(), Error> {
//!     let news = Event::new();
//!     logs::watch(news.task())?;
//!     let (mut seen, mut lost) = (0, 0);
//!     loop {
//!         for entry in logs::entries(seen) {
//!             let entry = entry?;
//!             lost += entry.number - seen - 1;
//!             seen = entry.number;
//!         }
//!         news.wait().await;
//!     }
//! }
//! ```

pub use atoll_abi::message::LogEntry;
use atoll_abi::{Error, message::LogEntries};

use crate::{list, sys::calls, wake::Task};

/// The entries behind the one with this number, as far as they are kept; behind 0: all. See the example of
/// [`logs`](crate::logs).
pub fn entries(after: u64) -> impl Iterator<Item = Result<LogEntry, Error>> {
    list::entries(
        after,
        |entry: &LogEntry| entry.number,
        |after| page(after).map(|page| page.entries),
    )
}

/// The first of the entries behind the one with this number, a few at once.
///
/// ```no_run
/// use userland::{Error, logs};
///
/// fn is_up_to_date(seen: u64) -> Result<bool, Error> {
///     Ok(logs::page(seen)?.entries.is_empty())
/// }
/// ```
///
/// # Errors
/// [`Error::NotGranted`] if the grant was taken away.
pub fn page(after: u64) -> Result<LogEntries, Error> {
    calls::logs::read(&after)
}

/// Has `task` put into the mailbox when there are entries, once until the last was read. See the example of
/// [`logs`](crate::logs).
///
/// # Errors
/// [`Error::TooManyListeners`]; [`Error::NotGranted`] if the grant was taken away.
pub fn watch(task: Task) -> Result<(), Error> {
    calls::logs::watch(task.0)
}

/// The guest that prints the log in the server's place.
///
/// It remains so until it ends, loses the grant, or says nothing for 3 seconds while there is something to print. Then
/// the server prints what was not acknowledged.
///
/// ```no_run
/// use userland::{Error, logs::{self, Printer}, task::Event};
///
/// async fn print(mut show: impl FnMut(&[u8])) -> Result<(), Error> {
///     let news = Event::new();
///     logs::watch(news.task())?;
///     let printer = Printer::new()?;
///     let mut printed = printer.begin();
///     loop {
///         for entry in logs::entries(printed) {
///             let entry = entry?;
///             show(&entry.text);
///             printed = entry.number;
///             printer.acknowledge(printed)?;
///         }
///         news.wait().await;
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Printer {
    begin: u64,
}

impl Printer {
    /// Becomes the printer. See the example of [`Printer`].
    ///
    /// # Errors
    /// [`Error::Busy`] if another guest is; [`Error::NotGranted`].
    pub fn new() -> Result<Self, Error> {
        calls::logs::print().map(|begin| Self { begin })
    }

    /// The number of the last entry that was printed before. See the example of [`Printer`].
    pub const fn begin(&self) -> u64 {
        self.begin
    }

    /// Says that the entries up to this one are printed. See the example of [`Printer`].
    ///
    /// # Errors
    /// [`Error::NotFound`]: this guest is the printer no longer.
    pub fn acknowledge(&self, number: u64) -> Result<(), Error> {
        calls::logs::printed(number)
    }
}
