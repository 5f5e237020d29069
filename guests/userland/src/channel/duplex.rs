// SPDX-License-Identifier: BSD-2-Clause
//! Bytes there and back between two guests.

use core::{fmt, future::poll_fn, mem::ManuallyDrop, sync::atomic::Ordering::SeqCst};

use super::{
    Strength,
    channel::{Channel, Place, Taken},
    config::Config,
    link::Side,
    open::OpenError,
    poll::Watch,
    reader::{Frame, ReadError},
    wait::{Reader, Writer},
    writer::{Reservation, WriteError},
};
use crate::{Rights, shm::Region, task::yield_now};

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
    fn new(channel: Channel, name: &str) -> Result<Self, Taken> {
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

/// Where bytes go: an end of a [`Duplex`]. Waiting can be cancelled, by dropping the future: nothing was written
/// then. An output that is dropped without [`Output::finish`] leaves the other side with [`Lost::Gone`].
///
/// See the example of [`Duplex`].
pub struct Output {
    writer: Writer,
    channel: Channel,
    watch: Watch,
    turn: u32,
}

impl Output {
    fn new(channel: Channel, name: &str) -> Result<Self, Taken> {
        Ok(Self {
            writer: channel.writer(Strength::Strong, name)?,
            channel,
            watch: Watch::default(),
            turn: TURN,
        })
    }

    /// Waits for room for as many bytes as these, or for as many as it makes sense to send at once, and gives it to be
    /// written in place. Every now and then it lets other tasks run, though there is room.
    ///
    /// ```no_run
    /// use userland::channel::{Lost, Output};
    ///
    /// /// Sends as many zeros.
    /// async fn zeros(output: &mut Output, mut count: u32) -> Result<(), Lost> {
    ///     while count > 0 {
    ///         let mut room = output.reserve(count).await?;
    ///         let len = room.len();
    ///         room.write(0, &vec![0; len as usize]);
    ///         room.commit();
    ///         count -= len;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Lost`]; never [`Lost::Corrupt`].
    pub async fn reserve(&mut self, len: u32) -> Result<Reservation<'_>, Lost> {
        // Several at a time in the pipe: so one side writes while the other reads.
        let len = len.min(self.writer.max_frame() / 2);
        self.reserve_frame(len).await
    }

    /// Waits for room for a frame of as many bytes, all of them: what is written there, the other side finds as one
    /// [`Chunk`].
    ///
    /// ```no_run
    /// use userland::channel::{Lost, Output};
    ///
    /// async fn datagram(output: &mut Output, header: &[u8; 20], payload: &[u8]) -> Result<(), Lost> {
    ///     let mut room = output.reserve_frame(20 + payload.len() as u32).await?;
    ///     room.write(0, header);
    ///     room.write(20, payload);
    ///     room.commit();
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// See [`Lost`]; [`Lost::Corrupt`] for one that is longer than [`Duplex::max_frame`].
    pub async fn reserve_frame(&mut self, len: u32) -> Result<Reservation<'_>, Lost> {
        if self.turn == 0 {
            self.turn = TURN;
            yield_now().await;
        }
        self.turn -= 1;
        let room = poll_fn(|cx| {
            loop {
                let room = self.writer.poll_room(cx, &mut self.watch, len);
                return match room {
                    core::task::Poll::Ready(Ok(None)) if self.channel.has(Side::Readers) => {
                        continue;
                    }
                    other => other,
                };
            }
        });
        match room.await {
            Ok(Some(room)) => Ok(self.writer.reservation(room)),
            Ok(None) => Err(Lost::Gone),
            Err(WriteError::Closed) => Err(Lost::Terminated),
            Err(_) => Err(Lost::Corrupt),
        }
    }

    /// As [`Output::reserve_frame`], if there is room now.
    ///
    /// ```no_run
    /// use userland::channel::Output;
    ///
    /// /// Drops what finds no room.
    /// fn tell(output: &mut Output, line: &[u8]) {
    ///     if let Some(mut room) = output.try_reserve_frame(line.len() as u32) {
    ///         room.write(0, line);
    ///         room.commit();
    ///     }
    /// }
    /// ```
    pub fn try_reserve_frame(&mut self, len: u32) -> Option<Reservation<'_>> {
        self.writer.try_reserve(len).ok()
    }

    /// Waits for room, and sends as many of these bytes as it makes sense to send at once; answers how many.
    ///
    /// ```no_run
    /// # use userland::channel::{Lost, Output};
    /// async fn begin(output: &mut Output, text: &str) -> Result<usize, Lost> {
    ///     output.write(text.as_bytes()).await
    /// }
    /// ```
    ///
    /// # Errors
    /// As [`Output::reserve`].
    pub async fn write(&mut self, bytes: &[u8]) -> Result<usize, Lost> {
        if bytes.is_empty() {
            return Ok(0);
        }
        let wanted = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let mut room = self.reserve(wanted).await?;
        let len = room.len() as usize;
        if let Some(first) = bytes.get(..len) {
            // It is as long.
            let _ = room.write(0, first);
        }
        room.commit();
        Ok(len)
    }

    /// Sends all of these bytes.
    ///
    /// See the example of [`Duplex`].
    ///
    /// # Errors
    /// As [`Output::reserve`]; some bytes may be sent then.
    pub async fn write_all(&mut self, mut bytes: &[u8]) -> Result<(), Lost> {
        while !bytes.is_empty() {
            let len = self.write(bytes).await?;
            bytes = bytes.get(len..).unwrap_or_default();
        }
        Ok(())
    }

    /// Ends the bytes: the other side reads what is there, and then that this is all.
    ///
    /// See the example of [`Duplex`].
    pub fn finish(self) {
        self.channel.drain();
    }

    /// The pipe.
    ///
    /// See the example of [`Input::channel`].
    pub const fn channel(&self) -> &Channel {
        &self.channel
    }
}
