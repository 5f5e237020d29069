// SPDX-License-Identifier: BSD-2-Clause
//! Where bytes come from.

use core::mem::ManuallyDrop;

use super::{Lost, TURN};
use crate::{
    channel::{
        Strength,
        channel::{Channel, Taken},
        reader::{Frame, ReadError},
        wait::Reader,
    },
    task::yield_now,
};

/// Where bytes come from: an end of a [`Duplex`]. Waiting can be cancelled, by dropping the future: nothing was read
/// then.
///
/// See the example of [`Duplex`].
pub struct Input {
    reader: Reader,
    channel: Channel,
    /// Bytes of the next frame that are consumed.
    offset: u32,
    turn: u32,
}

impl Input {
    /// The end of a pipe by itself, of this name: somebody else, or this guest, has an [`Output`] of it.
    ///
    /// ```no_run
    /// use userland::{channel::{Channel, Config, Input, OpenError, Output, Taken}, shm::Region};
    ///
    /// /// Bytes from one task to another.
    /// fn pipe(region: &Region) -> Result<(Input, Output), Box<dyn core::error::Error>> {
    ///     let channel = Channel::create(region, &Config::pipe())?;
    ///     Ok((Input::new(channel.clone(), "reader")?, Output::new(channel, "writer")?))
    /// }
    /// ```
    ///
    /// # Errors
    /// [`Taken`].
    pub fn new(channel: Channel, name: &str) -> Result<Self, Taken> {
        Ok(Self {
            reader: channel.reader(Strength::Strong, name)?,
            channel,
            offset: 0,
            turn: TURN,
        })
    }

    /// Waits for bytes, and shows them where they are, as many as lie together; none when the other side has ended
    /// them. What is not consumed comes again. Every now and then it lets other tasks run, though there are bytes.
    ///
    /// See the example of [`Duplex`].
    ///
    /// # Errors
    /// See [`Lost`].
    pub async fn chunk(&mut self) -> Result<Option<Chunk<'_>>, Lost> {
        loop {
            if self.turn == 0 {
                self.turn = TURN;
                yield_now().await;
            }
            self.turn -= 1;
            let found = match self.reader.found().await {
                Ok(found) => found,
                Err(ReadError::Corrupt) => return Err(Lost::Corrupt),
                Err(ReadError::Closed) => return self.channel.end_of_bytes(),
            };
            if found.len() > self.offset {
                return Ok(Some(Chunk {
                    frame: ManuallyDrop::new(self.reader.frame(found)),
                    offset: &mut self.offset,
                }));
            }
            self.offset = 0;
            drop(self.reader.frame(found));
        }
    }

    /// Waits for bytes, and copies as many as there are and fit; 0 when the other side has ended them, or nothing
    /// fits.
    ///
    /// See the example of [`Duplex`].
    ///
    /// # Errors
    /// See [`Lost`].
    pub async fn read(&mut self, bytes: &mut [u8]) -> Result<usize, Lost> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(chunk) = self.chunk().await? else {
            return Ok(0);
        };
        let len = bytes.len().min(chunk.len() as usize);
        if let Some(bytes) = bytes.get_mut(..len) {
            // There are as many.
            let _ = chunk.read_at(0, bytes);
        }
        chunk.consume(len as u32);
        Ok(len)
    }

    /// The pipe.
    ///
    /// ```no_run
    /// # use userland::channel::Input;
    /// /// Lets both sides know that this is over.
    /// fn give_up(input: Input) {
    ///     input.channel().terminate();
    /// }
    /// ```
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }
}

/// Bytes where they are, in memory that the other side can write: what is copied from it twice can differ. To drop
/// it consumes nothing.
///
/// ```no_run
/// use userland::channel::{Input, Lost};
///
/// /// Reads a line, and leaves what is behind it.
/// async fn line(input: &mut Input, line: &mut Vec<u8>) -> Result<bool, Lost> {
///     while let Some(chunk) = input.chunk().await? {
///         let mut bytes = vec![0; chunk.len() as usize];
///         chunk.read_at(0, &mut bytes);
///         let end = bytes.iter().position(|byte| *byte == b'\n');
///         bytes.truncate(end.unwrap_or(bytes.len()));
///         chunk.consume(bytes.len() as u32 + u32::from(end.is_some()));
///         line.extend(bytes);
///         if end.is_some() {
///             return Ok(true);
///         }
///     }
///     Ok(false)
/// }
/// ```
pub struct Chunk<'a> {
    /// Released only by what consumes all of it.
    frame: ManuallyDrop<Frame<'a>>,
    offset: &'a mut u32,
}

impl Chunk<'_> {
    /// Bytes, one at least. See the example of [`Chunk`].
    #[expect(clippy::len_without_is_empty, reason = "there is one byte at least")]
    pub fn len(&self) -> u32 {
        // Less than the frame has, or there is no chunk.
        self.frame.len() - *self.offset
    }

    /// Copies bytes from this offset; none if there are not as many. See the example of [`Chunk`].
    pub fn read_at(&self, offset: u32, bytes: &mut [u8]) -> Option<()> {
        self.frame.read_at(self.offset.checked_add(offset)?, bytes)
    }

    /// Where it is in the guest's memory: for a device that reads it there.
    ///
    /// ```no_run
    /// # use userland::channel::Chunk;
    /// fn is_aligned(chunk: &Chunk<'_>) -> bool {
    ///     chunk.address().is_multiple_of(4)
    /// }
    /// ```
    pub fn address(&self) -> usize {
        self.frame.address() + *self.offset as usize
    }

    /// Is done with the first `len` bytes: the other side may use their room when it is done with all that lie
    /// together. See the example of [`Chunk`].
    pub fn consume(self, len: u32) {
        if len < self.len() {
            *self.offset += len;
        } else {
            *self.offset = 0;
            drop(ManuallyDrop::into_inner(self.frame));
        }
    }
}
