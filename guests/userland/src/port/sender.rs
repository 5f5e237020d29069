// SPDX-License-Identifier: BSD-2-Clause
//! The sending end.

use core::{fmt, marker::PhantomData};

use serde::Serialize;

use super::codec::{EncodeError, Encoder};
use crate::channel::{Channel, Strength, Taken, WriteError, Writer, WriterId};

/// Writes values. See the example of [`port`](crate::port).
pub struct Sender<T> {
    writer: Writer,
    encoder: Encoder,
    of: PhantomData<fn(&T)>,
}

/// Why a value cannot be sent.
///
/// ```
/// use userland::{channel::WriteError, port::SendError};
///
/// /// Whether it is worth another try.
/// fn is_passing(error: SendError) -> bool {
///     matches!(error, SendError::Channel(WriteError::Full | WriteError::Contended))
/// }
/// # assert!(!is_passing(SendError::Unsupported));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The channel does not take it.
    Channel(WriteError),
    /// Its type cannot be serialized: a sequence of unknown length, say.
    Unsupported,
}

impl fmt::Display for SendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Channel(error) => error.fmt(f),
            Self::Unsupported => f.write_str("values of this type cannot be serialized"),
        }
    }
}

impl core::error::Error for SendError {}

impl From<WriteError> for SendError {
    fn from(error: WriteError) -> Self {
        Self::Channel(error)
    }
}

impl From<EncodeError> for SendError {
    fn from(error: EncodeError) -> Self {
        match error {
            EncodeError::TooLong => Self::Channel(WriteError::TooLong),
            EncodeError::Unsupported => Self::Unsupported,
        }
    }
}

impl<T: Serialize> Sender<T> {
    /// Becomes a writer of the channel. See the example of [`port`](crate::port).
    ///
    /// # Errors
    /// [`Taken`].
    pub fn new(channel: &Channel, strength: Strength, name: &str) -> Result<Self, Taken> {
        channel.writer(strength, name).map(Self::over)
    }

    /// Sends through a writer that is there.
    ///
    /// ```no_run
    /// use userland::{channel::Writer, port::Sender};
    ///
    /// fn numbers(writer: Writer) -> Sender<u32> {
    ///     Sender::over(writer)
    /// }
    /// ```
    pub fn over(writer: Writer) -> Self {
        Self {
            writer,
            encoder: Encoder::default(),
            of: PhantomData,
        }
    }

    /// Sends a value, and waits for room. To drop the future before it is ready sends nothing.
    ///
    /// ```no_run
    /// use userland::port::{SendError, Sender};
    ///
    /// async fn count(numbers: &mut Sender<u32>) -> Result<(), SendError> {
    ///     for number in 1..=1000 {
    ///         numbers.send(&number).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`SendError`]; never [`WriteError::Full`].
    pub async fn send(&mut self, value: &T) -> Result<(), SendError> {
        let most = self.writer.max_frame() as usize;
        let message = self.encoder.encode(&[], value, most)?;
        Ok(self.writer.send(message).await?)
    }

    /// Sends a value if there is room.
    ///
    /// ```no_run
    /// use userland::{channel::WriteError, port::{SendError, Sender}};
    ///
    /// /// Whether there was room.
    /// fn offer(numbers: &mut Sender<u32>, number: u32) -> Result<bool, SendError> {
    ///     match numbers.try_send(&number) {
    ///         Ok(()) => Ok(true),
    ///         Err(SendError::Channel(WriteError::Full)) => Ok(false),
    ///         Err(other) => Err(other),
    ///     }
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn try_send(&mut self, value: &T) -> Result<(), SendError> {
        let most = self.writer.max_frame() as usize;
        let message = self.encoder.encode(&[], value, most)?;
        Ok(self.writer.try_send(message)?)
    }
}

impl<T> Sender<T> {
    /// What receivers know this one by.
    ///
    /// ```no_run
    /// # use userland::port::{Message, Sender};
    /// fn is_mine(numbers: &Sender<u32>, message: &Message<u32>) -> bool {
    ///     message.from == numbers.id()
    /// }
    /// ```
    pub fn id(&self) -> WriterId {
        self.writer.id()
    }

    /// Values that found no room in a channel that drops them.
    ///
    /// ```no_run
    /// # use userland::{info, port::Sender};
    /// fn tell(numbers: &Sender<u32>) {
    ///     info!("{} numbers are lost", numbers.dropped());
    /// }
    /// ```
    pub fn dropped(&self) -> u32 {
        self.writer.dropped()
    }

    /// The writer.
    ///
    /// ```no_run
    /// # use userland::port::Sender;
    /// fn keep_open_no_longer(numbers: Sender<u32>) -> Sender<u32>
    /// # where u32: serde::Serialize
    /// {
    ///     let mut writer = numbers.into_writer();
    ///     writer.downgrade();
    ///     Sender::over(writer)
    /// }
    /// ```
    pub fn into_writer(self) -> Writer {
        self.writer
    }
}
