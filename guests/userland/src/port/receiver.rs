// SPDX-License-Identifier: BSD-2-Clause
//! The receiving end.

use core::{fmt, marker::PhantomData};

use serde::de::DeserializeOwned;

use super::codec::{Copy, decode};
use crate::channel::{Channel, EndInfo, Frame, ReadError, Reader, Strength, Taken, WriterId};

/// The longest message that a receiver takes if nobody says otherwise, in bytes.
const MOST: usize = 64 << 10;

/// Reads values. See the example of [`port`](crate::port).
pub struct Receiver<T> {
    reader: Reader,
    channel: Channel,
    copy: Copy,
    most: usize,
    of: PhantomData<fn() -> T>,
}

/// A value, and who sent it.
///
/// ```no_run
/// use userland::port::Receiver;
///
/// async fn sum(numbers: &mut Receiver<u32>) -> u32 {
///     let mut sum = 0;
///     while let Ok(Some(message)) = numbers.receive().await {
///         sum += message.value;
///     }
///     sum
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message<T> {
    /// The value.
    pub value: T,
    /// Who sent it. Whoever comes after that one in the same place has another id.
    pub from: WriterId,
}

/// What is wrong with a message. It was skipped, and the next can be received.
///
/// ```no_run
/// use userland::{port::{ReceiveError, Receiver}, warn};
///
/// /// The next value that can be understood.
/// async fn next(numbers: &mut Receiver<u32>) -> Option<u32> {
///     loop {
///         match numbers.receive().await {
///             Ok(message) => return message.map(|message| message.value),
///             Err(error) => warn!("{error}"),
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReceiveError {
    /// A writer described a frame that cannot be.
    Corrupt,
    /// It is longer than this receiver takes.
    TooLong(WriterId),
    /// It is no value of this type.
    Undecodable(WriterId),
}

impl fmt::Display for ReceiveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt => ReadError::Corrupt.fmt(f),
            Self::TooLong(from) => write!(f, "the message of {from:?} is too long"),
            Self::Undecodable(from) => write!(f, "the message of {from:?} is of another type"),
        }
    }
}

impl core::error::Error for ReceiveError {}

impl<T: DeserializeOwned> Receiver<T> {
    /// Becomes a reader of the channel. See the example of [`port`](crate::port).
    ///
    /// # Errors
    /// [`Taken`].
    pub fn new(channel: &Channel, strength: Strength, name: &str) -> Result<Self, Taken> {
        Ok(Self::over(channel, channel.reader(strength, name)?))
    }

    /// Receives through a reader of this channel that is there.
    ///
    /// ```no_run
    /// use userland::{channel::{Channel, OpenError}, port::Receiver, shm::Region};
    ///
    /// /// Looks on: needs no right to write.
    /// fn tap(region: &Region) -> Result<Receiver<u32>, OpenError> {
    ///     Ok(Receiver::over(&Channel::open(region)?, Channel::tap(region)?))
    /// }
    /// ```
    pub fn over(channel: &Channel, reader: Reader) -> Self {
        Self {
            reader,
            channel: channel.clone(),
            copy: Copy::default(),
            most: MOST,
            of: PhantomData,
        }
    }

    /// Takes messages of so many bytes at most, instead of 64 KiB: that much memory a sender can make this guest
    /// use.
    ///
    /// ```no_run
    /// # use userland::port::Receiver;
    /// fn short(names: Receiver<String>) -> Receiver<String> {
    ///     names.at_most(256)
    /// }
    /// ```
    #[must_use]
    pub fn at_most(mut self, bytes: usize) -> Self {
        self.most = bytes;
        self
    }

    /// Waits for the next value; none when the channel is closed. To drop the future before it is ready leaves
    /// the value there. See the example of [`Message`].
    ///
    /// # Errors
    /// See [`ReceiveError`].
    pub async fn receive(&mut self) -> Result<Option<Message<T>>, ReceiveError> {
        loop {
            let frame = match self.reader.borrow().await {
                Ok(frame) => frame,
                Err(ReadError::Closed) => return Ok(None),
                Err(ReadError::Corrupt) => return Err(ReceiveError::Corrupt),
            };
            if let Some(message) = take(&mut self.copy, self.most, frame) {
                return message.map(Some);
            }
        }
    }

    /// The next value, if it is there.
    ///
    /// ```no_run
    /// # use userland::port::{ReceiveError, Receiver};
    /// /// The newest of those that are there.
    /// fn newest(numbers: &mut Receiver<u32>) -> Result<Option<u32>, ReceiveError> {
    ///     let mut newest = None;
    ///     while let Some(message) = numbers.try_receive()? {
    ///         newest = Some(message.value);
    ///     }
    ///     Ok(newest)
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`ReceiveError`]. A channel that is closed has no value.
    pub fn try_receive(&mut self) -> Result<Option<Message<T>>, ReceiveError> {
        loop {
            let frame = match self.reader.try_borrow() {
                Ok(Some(frame)) => frame,
                Ok(None) | Err(ReadError::Closed) => return Ok(None),
                Err(ReadError::Corrupt) => return Err(ReceiveError::Corrupt),
            };
            if let Some(message) = take(&mut self.copy, self.most, frame) {
                return message.map(Some);
            }
        }
    }
}

impl<T> Receiver<T> {
    /// Who sent a message, as it says itself; none if it has left since. See the example of
    /// [`port`](crate::port).
    pub fn sender_of(&self, message: &Message<T>) -> Option<EndInfo> {
        self.channel.writer_of(message.from)
    }

    /// Values that passed a weak receiver unseen, since this was last asked.
    ///
    /// ```no_run
    /// # use userland::{port::Receiver, warn};
    /// fn tell(numbers: &mut Receiver<u32>) {
    ///     match numbers.take_lost() {
    ///         0 => {}
    ///         lost => warn!("{lost} numbers are lost"),
    ///     }
    /// }
    /// ```
    pub fn take_lost(&mut self) -> u32 {
        self.reader.take_lost()
    }

    /// The channel.
    ///
    /// ```no_run
    /// # use userland::port::Receiver;
    /// fn how_many_send(numbers: &Receiver<u32>) -> usize {
    ///     numbers.channel().writers().len()
    /// }
    /// ```
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }

    /// The reader.
    ///
    /// ```no_run
    /// # use userland::{channel::Reader, port::Receiver};
    /// fn raw(numbers: Receiver<u32>) -> Reader {
    ///     numbers.into_reader()
    /// }
    /// ```
    pub fn into_reader(self) -> Reader {
        self.reader
    }
}

/// The message in a frame, which is released; none if it was written over meanwhile.
fn take<T: DeserializeOwned>(
    copy: &mut Copy,
    most: usize,
    frame: Frame<'_>,
) -> Option<Result<Message<T>, ReceiveError>> {
    let from = frame.writer();
    let len = copy.of(&frame, most).map(<[u8]>::len);
    // A weak reader counts it as lost.
    frame.release().ok()?;
    Some(match len {
        None => Err(ReceiveError::TooLong(from)),
        Some(len) => match decode(copy.get(len)) {
            Some(value) => Ok(Message { value, from }),
            None => Err(ReceiveError::Undecodable(from)),
        },
    })
}
