// SPDX-License-Identifier: BSD-2-Clause
//! Lines that come from other guests.

use alloc::{string::String, vec::Vec};
use core::fmt;

use super::channel::{Line, open};
use crate::{
    Error, Level, Pid,
    channel::{Channel, OpenError, Strength, WriterId},
    port::{Message, ReceiveError, Receiver},
    shm::Region,
    time::Instant,
};

/// Reads what other guests write with [`to_channel`](super::to_channel).
///
/// ```no_run
/// use userland::{channel::Strength, console, log::Collector, shm::Region};
///
/// /// Shows the lines of some guests on the console.
/// async fn show(logs: &Region) -> Result<(), Box<dyn core::error::Error>> {
///     let mut collector = Collector::open(logs, Strength::Strong, "logger")?;
///     while let Some(entry) = collector.next().await? {
///         console::write(&entry.to_string())?;
///     }
///     Ok(())
/// }
/// ```
pub struct Collector {
    lines: Receiver<Line<String>>,
    /// By place: who wrote there last, and how many lines that one had lost.
    writers: Vec<(WriterId, u32)>,
}

/// A line of another guest's log.
///
/// As text it is what the server writes of a line of its log: time, name, level and text; with a line more for each
/// line of the text.
///
/// ```
/// use userland::{Level, Pid, log::Entry, time::Instant};
///
/// # fn example(writer: userland::channel::WriterId) {
/// let entry = Entry {
///     name: "worker".into(),
///     pid: Pid(7),
///     writer,
///     level: Level::Warn,
///     time: Instant::from_nanoseconds(1_500_000_000),
///     text: "it is late".into(),
///     lost: 0,
/// };
/// assert_eq!(entry.to_string(), "[    1.500000] worker: warning: it is late\n");
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// What its writer calls itself.
    pub name: String,
    /// Which process it says it is.
    pub pid: Pid,
    /// Which end of the channel it has; the generation of that tells it from those that came before.
    pub writer: WriterId,
    /// How much it matters.
    pub level: Level,
    /// When it was written.
    pub time: Instant,
    /// What is written.
    pub text: String,
    /// How many lines of this writer are missing between its last one and this.
    pub lost: u32,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let micros = self.time.nanoseconds() / 1000;
        let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
        let mut mark = match self.level {
            Level::Error => "error: ",
            Level::Warn => "warning: ",
            Level::Info => "",
            Level::Debug => "debug: ",
        };
        for line in self.text.lines() {
            writeln!(f, "[{seconds:5}.{micros:06}] {}: {mark}{line}", self.name)?;
            mark = "";
        }
        Ok(())
    }
}

impl Collector {
    /// Becomes a reader of the channel in this region, and makes it if there is none: with room for eight guests
    /// that wait when it is full. Another one can be made before, with
    /// [`Channel::create`](crate::channel::Channel::create): one that drops lines, or has more room.
    ///
    /// A strong collector gets every line that is written from now on; a weak one holds nobody back, and may miss
    /// some. See the example of [`Collector`].
    ///
    /// # Errors
    /// See [`OpenError`]; [`Error::Busy`] if the channel has as many readers as it can have.
    pub fn open(region: &Region, strength: Strength, name: &str) -> Result<Self, OpenError> {
        Self::over(&open(region)?, strength, name)
    }

    pub(super) fn over(
        channel: &Channel,
        strength: Strength,
        name: &str,
    ) -> Result<Self, OpenError> {
        let lines = Receiver::new(channel, strength, name);
        Ok(Self {
            lines: lines.map_err(|_| OpenError::Region(Error::Busy))?,
            writers: Vec::new(),
        })
    }

    /// Waits for the next line; none when somebody has closed the channel. See the example of [`Collector`].
    ///
    /// # Errors
    /// [`ReceiveError`] for what is no line; the next may be one.
    pub async fn next(&mut self) -> Result<Option<Entry>, ReceiveError> {
        let message = self.lines.receive().await?;
        Ok(message.map(|message| self.entry(message)))
    }

    /// The next line, if it is there.
    ///
    /// ```no_run
    /// # use userland::log::Collector;
    /// /// The lines that are left.
    /// fn rest(collector: &mut Collector) -> Vec<String> {
    ///     core::iter::from_fn(|| collector.try_next().ok()?.map(|entry| entry.text)).collect()
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Collector::next`].
    pub fn try_next(&mut self) -> Result<Option<Entry>, ReceiveError> {
        let message = self.lines.try_receive()?;
        Ok(message.map(|message| self.entry(message)))
    }

    /// Lines of whomever that passed a weak collector unseen, since this was last asked.
    ///
    /// ```no_run
    /// # use userland::{log::Collector, warn};
    /// fn tell(collector: &mut Collector) {
    ///     match collector.take_missed() {
    ///         0 => {}
    ///         missed => warn!("missed {missed} lines"),
    ///     }
    /// }
    /// ```
    pub fn take_missed(&mut self) -> u32 {
        self.lines.take_lost()
    }

    fn entry(&mut self, message: Message<Line<String>>) -> Entry {
        let (line, writer) = (message.value, message.from);
        let known = self
            .writers
            .iter_mut()
            .find(|(id, _)| id.slot() == writer.slot());
        let before = match known {
            Some((id, lost)) if *id == writer => core::mem::replace(lost, line.lost),
            Some(other) => {
                *other = (writer, line.lost);
                0
            }
            None => {
                self.writers.push((writer, line.lost));
                0
            }
        };
        Entry {
            // A name is not to look like the begin of another line.
            name: line.name.replace(char::is_control, "?"),
            pid: Pid(line.pid),
            writer,
            level: Level::from_number(line.level).unwrap_or(Level::Info),
            time: Instant::from_nanoseconds(line.time),
            text: line.text,
            lost: line.lost.wrapping_sub(before),
        }
    }
}
