// SPDX-License-Identifier: BSD-2-Clause
//! Bytes there and back between two guests.

mod input;
mod output;

use core::{fmt, sync::atomic::Ordering::SeqCst};

use super::{
    channel::{Channel, Place, Taken},
    config::Config,
    open::OpenError,
};
use crate::{Rights, shm::Region};

pub use input::{Chunk, Input};
pub use output::Output;

/// Two pipes in one region, up and down: what two guests need that send each other bytes. One of them, which has
/// the region made, begins; the other joins. When both have dropped their ends, the region serves again.
///
/// ```no_run
/// use userland::{channel::{Duplex, Lost}, shm::Region};
///
/// /// The side that begins. When it has, it tells the other one to join.
/// async fn greet(region: &Region) -> Result<(), Box<dyn core::error::Error>> {
///     let duplex = Duplex::new(region)?;
///     let (mut input, mut output) = duplex.begin("host")?;
///     output.write_all(b"good morning").await?;
///     output.finish();
///     while let Some(chunk) = input.chunk().await? {
///         let len = chunk.len();
///         chunk.consume(len);
///     }
///     Ok(())
/// }
///
/// /// The other side.
/// async fn answer(region: &Region) -> Result<(), Box<dyn core::error::Error>> {
///     let duplex = Duplex::new(region)?;
///     let (mut input, mut output) = duplex.join("visitor")?;
///     let mut bytes = [0; 64];
///     loop {
///         match input.read(&mut bytes).await? {
///             0 => break,
///             len => output.write_all(&bytes[..len]).await?,
///         }
///     }
///     output.finish();
///     Ok(())
/// }
/// ```
pub struct Duplex {
    place: Place,
    /// Bytes of each pipe, and its make.
    half: u32,
    config: Config,
}

/// Why there are no ends to be had.
///
/// See the example of [`Duplex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplexError {
    /// There are no such pipes.
    Open(OpenError),
    /// Somebody has these ends.
    Taken,
}

impl fmt::Display for DuplexError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => error.fmt(f),
            Self::Taken => f.write_str("somebody has these ends of the pipes"),
        }
    }
}

impl core::error::Error for DuplexError {}

impl From<OpenError> for DuplexError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl From<Taken> for DuplexError {
    fn from(_: Taken) -> Self {
        Self::Taken
    }
}

/// Why no more bytes come, or can be sent, though their writer has not ended them.
///
/// See the example of [`Duplex`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    /// One side has terminated the pipe.
    Terminated,
    /// The other side is gone.
    Gone,
    /// There was to be a frame that cannot be: the other side described one, or this one asked for one that is longer
    /// than [`Duplex::max_frame`].
    Corrupt,
}

impl fmt::Display for Lost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Terminated => "it was terminated",
            Self::Gone => "the other side is gone",
            Self::Corrupt => "there was to be a frame that cannot be",
        })
    }
}

impl core::error::Error for Lost {}

impl Duplex {
    /// Attaches a region for this. See the example of [`Duplex`].
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn new(region: &Region) -> Result<Self, OpenError> {
        Ok(Self::over(Place::new(region, Rights::READ_WRITE)?))
    }

    /// In this place.
    pub(crate) fn over(place: Place) -> Self {
        let (half, config) = Config::half_of(place.len());
        Self {
            place,
            half,
            config,
        }
    }

    /// Bytes of the longest frame.
    ///
    /// ```no_run
    /// # use userland::channel::Duplex;
    /// fn takes(duplex: &Duplex, datagram: &[u8]) -> bool {
    ///     datagram.len() as u32 <= duplex.max_frame()
    /// }
    /// ```
    pub const fn max_frame(&self) -> u32 {
        self.config.max_frame()
    }

    /// Makes both pipes anew, and takes the ends of the side that begins: the end of the other side's bytes, and
    /// that of its own. Whoever has ends of what was there before is cut off. See the example of [`Duplex`].
    ///
    /// # Errors
    /// See [`DuplexError`].
    pub fn begin(&self, name: &str) -> Result<(Input, Output), DuplexError> {
        self.place.clear(0, self.config.head())?;
        self.place.clear(self.half, self.config.head())?;
        let (up, down) = self.pipes(Some(&self.config))?;
        Ok((Input::new(down, name)?, Output::new(up, name)?))
    }

    /// Takes the ends of the other side: the pipes are there. See the example of [`Duplex`].
    ///
    /// # Errors
    /// See [`DuplexError`].
    pub fn join(&self, name: &str) -> Result<(Input, Output), DuplexError> {
        let (up, down) = self.pipes(None)?;
        Ok((Input::new(up, name)?, Output::new(down, name)?))
    }

    fn pipes(&self, make: Option<&Config>) -> Result<(Channel, Channel), OpenError> {
        let pipe = |offset| {
            let pipe = self.place.channel(offset, self.half, make)?;
            // What the other side has made is taken only as it is to be.
            pipe.is_as(&self.config)
                .then_some(pipe)
                .ok_or(OpenError::Differs)
        };
        Ok((pipe(0)?, pipe(self.half)?))
    }
}

impl Place {
    /// Writes zeros. Not a copy: others may look.
    fn clear(&self, offset: u32, len: u32) -> Result<(), OpenError> {
        for at in (offset..offset.saturating_add(len)).step_by(4) {
            let word = self.memory().word(at).ok_or(OpenError::TooSmall)?;
            word.store(0, SeqCst);
        }
        Ok(())
    }
}

/// Chunks, or reservations, until the guest's other tasks have their turn, though there are more.
const TURN: u32 = 64;
