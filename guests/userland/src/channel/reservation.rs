// SPDX-License-Identifier: BSD-2-Clause
//! A frame that is being written, where it lies.

use super::{memory::Slice, writer::WriteEnd};

/// Room for a frame. To drop it gives the frame up.
///
/// ```no_run
/// use userland::channel::{WriteError, Writer};
///
/// /// Asks for as much as may be needed, and keeps what is.
/// async fn greet(writer: &mut Writer, name: &str) -> Result<(), WriteError> {
///     let mut frame = writer.reserve(64).await?;
///     frame.write(0, b"hello ");
///     let len = frame.len().min(6 + name.len() as u32);
///     if frame.write(6, name.as_bytes()).is_none() {
///         return Err(WriteError::TooLong);
///     }
///     frame.commit_first(len);
///     Ok(())
/// }
/// ```
#[must_use = "a frame is there when it is committed"]
pub struct Reservation<'a> {
    pub(super) writer: &'a mut WriteEnd,
    pub(super) room: Room,
}

/// Where a frame is to be.
#[derive(Clone, Debug)]
pub(super) struct Room {
    pub(super) start: u32,
    pub(super) slice: Slice,
}

impl Reservation<'_> {
    /// Bytes.
    ///
    /// See the example of [`Reservation`].
    #[expect(clippy::len_without_is_empty, reason = "who reserves knows")]
    pub fn len(&self) -> u32 {
        self.room.slice.len()
    }

    /// Where it is in the guest's memory: for a device that writes it there.
    ///
    /// See the example of [`Reservation`].
    #[cfg(not(loom))]
    pub const fn address(&self) -> usize {
        self.room.slice.address()
    }

    /// Copies bytes to this offset; none if they do not fit.
    ///
    /// See the example of [`Reservation`].
    pub fn write(&mut self, offset: u32, bytes: &[u8]) -> Option<()> {
        if offset == 0 {
            self.room.slice.put(bytes)
        } else {
            self.room.slice.put_at(offset, bytes)
        }
    }

    /// Writes all of a frame of 1 to 32 bytes; none if it is of another length.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn write_short(&mut self, words: &[u64; 4]) -> Option<()> {
        self.room.slice.put_short(words)
    }

    /// Makes the frame visible, as long as it was reserved, and wakes a reader that sleeps.
    ///
    /// See the example of [`Reservation`].
    #[inline(always)]
    pub fn commit(self) {
        let mut this = core::mem::ManuallyDrop::new(self);
        let this = &mut *this;
        let len = this.room.slice.len();
        this.writer.stamp(this.room.start, len);
    }

    /// Makes the first `len` bytes of it a frame.
    ///
    /// See the example of [`Reservation`].
    pub fn commit_first(mut self, len: u32) {
        self.room.slice.truncate(len);
        self.commit();
    }
}

impl Drop for Reservation<'_> {
    fn drop(&mut self) {
        self.writer.give_up(&self.room);
    }
}
