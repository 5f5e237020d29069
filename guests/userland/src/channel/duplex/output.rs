// SPDX-License-Identifier: BSD-2-Clause
//! Where bytes go.

use core::{future::poll_fn, task::Poll};

use super::{Lost, TURN};
use crate::{
    channel::{
        Strength,
        channel::{Channel, Taken},
        link::Side,
        poll::Watch,
        reservation::Reservation,
        wait::Writer,
        writer::WriteError,
    },
    task::yield_now,
};

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
    /// The end of a pipe by itself, of this name. See the example of [`Input::new`](super::Input::new).
    ///
    /// # Errors
    /// [`Taken`].
    pub fn new(channel: Channel, name: &str) -> Result<Self, Taken> {
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
                    Poll::Ready(Ok(None)) if self.channel.has(Side::Readers) => {
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
