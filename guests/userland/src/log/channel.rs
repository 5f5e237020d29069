// SPDX-License-Identifier: BSD-2-Clause
//! Lines that go to another guest.

use alloc::string::String;
use core::{cell::Cell, time::Duration};

use atoll_abi::{Error, Level};
use serde::{Deserialize, Serialize};

use super::sink::set_sink;
use crate::{
    channel::{Channel, Config, OpenError, Strength, WriteError, Writer},
    port::codec::Encoder,
    shm::Region,
    start::{self, Start},
    sys::local::local,
    time::Instant,
};

/// The channel, if nobody has made one of another kind: it fits into a region of one page, has room for eight
/// guests, and those wait when it is full.
pub(super) const CONFIG: Config = Config::new();

/// How long a line waits for room.
const PATIENCE: Duration = Duration::from_secs(1);

/// The slot of the start parameters.
const SLOT: &str = "log";

/// A line, as it goes through the channel.
#[derive(Serialize, Deserialize)]
pub(super) struct Line<S> {
    pub level: u32,
    /// Nanoseconds since the machine was switched on.
    pub time: u64,
    /// Lines of this guest before that found no room.
    pub lost: u32,
    pub pid: u32,
    pub name: S,
    pub text: S,
}

local! {
    /// Lines that nobody took.
    static LOST: Cell<u32> = Cell::new(0);
}

/// Counts a line that nobody took.
pub(super) fn count_lost() {
    LOST.with(|lost| lost.set(lost.get().saturating_add(1)));
}

/// Has the lines of this guest go to the channel in its slot `log` instead of to the server; says whether it has
/// that slot. Needs the grants `shared_memory`, `wake` and `time`.
///
/// Whether lines wait when the channel is full, or are dropped and counted, is up to whoever made the channel.
/// If they wait, the whole guest does, for a second at most; then it waits for no further line until there is
/// room again. Lines that find no room go to the server. The last line of a guest that panics goes to the
/// channel, and to the server.
///
/// A guest that is not granted `log` has nowhere else to write: it takes its macros from
/// [`captured`](super::captured).
///
/// ```no_run
/// #![no_main]
///
/// use userland::{channel::OpenError, info, log, start::Start};
///
/// #[userland::entrypoint]
/// fn main(start: Start) -> Result<(), OpenError> {
///     if !log::to_channel(&start)? {
///         info!("this goes to the server");
///     }
///     Ok(())
/// }
/// ```
///
/// # Errors
/// See [`OpenError`]; [`Error::Busy`] if the channel has as many writers as it can have.
pub fn to_channel(start: &Start) -> Result<bool, OpenError> {
    match start.region(SLOT) {
        Some(region) => to_region(&region, start.name()).map(|()| true),
        None => Ok(false),
    }
}

/// As [`to_channel`], to the channel in this region, under this name.
///
/// ```no_run
/// use userland::{channel::OpenError, log, shm::Region};
///
/// fn tell(region: &Region) -> Result<(), OpenError> {
///     log::to_region(region, "worker 3")
/// }
/// ```
///
/// # Errors
/// As [`to_channel`].
pub fn to_region(region: &Region, name: &str) -> Result<(), OpenError> {
    let channel = open(region)?;
    // A weak one: that the guest ends is no end of the channel.
    let writer = channel
        .writer(Strength::Weak, name)
        .map_err(|_| OpenError::Region(Error::Busy))?;
    let mut sink = Sink {
        writer,
        encoder: Encoder::default(),
        name: name.into(),
        pid: start::pid()?.0,
        stalled: false,
    };
    set_sink(move |level, text| sink.put(level, text));
    Ok(())
}

/// The channel that is there, or one that is made.
pub(super) fn open(region: &Region) -> Result<Channel, OpenError> {
    match Channel::open(region) {
        Err(OpenError::NotYet) => Channel::create(region, &CONFIG),
        other => other,
    }
}

/// Where lines go.
pub(super) struct Sink {
    writer: Writer,
    encoder: Encoder,
    name: String,
    pid: u32,
    /// The last line has waited in vain.
    stalled: bool,
}

impl Sink {
    fn put(&mut self, level: Level, text: &str) -> Result<(), Error> {
        let lost = LOST.with(Cell::get).wrapping_add(self.writer.dropped());
        let line = Line {
            level: level.number(),
            time: Instant::now().nanoseconds(),
            lost,
            pid: self.pid,
            name: self.name.as_str(),
            text,
        };
        let most = self.writer.max_frame() as usize;
        let frame = self
            .encoder
            .encode(&[], &line, most)
            .map_err(|_| Error::InvalidArgument)?;
        let mut written = self.writer.try_send(frame);
        if written == Err(WriteError::Full) && !self.stalled {
            written = self.writer.send_by(frame, Instant::now() + PATIENCE);
        }
        self.stalled = written == Err(WriteError::Full);
        match written {
            // As the channel is to do; it is counted.
            Ok(()) | Err(WriteError::Dropped) => Ok(()),
            Err(WriteError::Full | WriteError::Contended) => Err(Error::TimedOut),
            Err(WriteError::TooLong) => Err(Error::InvalidArgument),
            Err(WriteError::Closed) => Err(Error::Revoked),
        }
    }
}

#[cfg(test)]
pub(super) fn test_sink(
    channel: &Channel,
    name: &str,
    pid: u32,
) -> impl FnMut(Level, &str) -> Result<(), Error> + use<> {
    let mut sink = Sink {
        writer: channel.writer(Strength::Weak, name).unwrap(),
        encoder: Encoder::default(),
        name: name.into(),
        pid,
        stalled: false,
    };
    move |level, text| sink.put(level, text)
}
