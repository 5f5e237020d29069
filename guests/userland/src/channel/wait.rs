// SPDX-License-Identifier: BSD-2-Clause
//! Waiting for the other side.
//!
//! Whoever waits says so in the channel (arm), looks once more, and sleeps; the other side looks for that
//! word after it has done what is waited for. So one of the two sees the other.

use alloc::{rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    future::poll_fn,
    mem::take,
    ops::{Deref, DerefMut},
    task::{Context, Poll, Waker},
};

#[cfg(all(test, loom))]
use super::models::Event;
use super::{
    reader::{Frame, ReadEnd, ReadError},
    reservation::{Reservation, Room},
    writer::{WriteEnd, WriteError},
};
#[cfg(not(all(test, loom)))]
use crate::task::Event;
use crate::{sys::waker::key_of, task::yield_now};

/// What wakes the ends of a channel in this guest: the doorbell of the region, to which a guest listens once.
pub(super) struct Doorbell {
    event: Event,
    /// Counts up whenever it has rung.
    rings: Cell<u32>,
    /// Who waits: mostly one, a task.
    first: Cell<Option<u32>>,
    others: RefCell<Vec<Waker>>,
}

impl Doorbell {
    pub fn new(event: Event) -> Self {
        Self {
            event,
            rings: Cell::new(0),
            first: Cell::default(),
            others: RefCell::default(),
        }
    }

    /// The id that makes it ring.
    #[cfg(not(loom))]
    pub const fn task(&self) -> crate::wake::Task {
        self.event.task()
    }

    /// Whether it has rung since this was last asked with the same number, at first [`Self::never_asked`].
    ///
    /// A ring tells of a frame, of room, or of one that is gone; and two may come as one. So a ring that a
    /// frame was found after does not say that nobody is gone: before an end sleeps, it looks for those
    /// too if there was any ring.
    pub const fn has_rung_since(&self, asked: &mut u32) -> bool {
        let rings = self.rings.get();
        core::mem::replace(asked, rings) != rings
    }

    /// For who has not asked yet: somebody may have gone before it came.
    pub const fn never_asked(&self) -> u32 {
        self.rings.get().wrapping_sub(1)
    }

    /// What it has rung so far, for [`Self::rung`].
    pub const fn seen(&self) -> u32 {
        self.rings.get()
    }

    /// Waits until it rings, or has rung since it was `seen`.
    pub async fn rung(&self, seen: &mut u32) {
        let listening = Listening(self);
        poll_fn(|cx| self.poll(cx, seen)).await;
        drop(listening);
    }

    #[inline]
    pub fn poll(&self, cx: &Context<'_>, seen: &mut u32) -> Poll<()> {
        if *seen == self.rings.get() {
            if self.event.poll(cx).is_pending() {
                self.wait(cx.waker());
                return Poll::Pending;
            }
            self.rings.set(self.rings.get().wrapping_add(1));
            let first = self.first.take();
            // Mostly it is the one that looks now.
            if first.is_some() && first != key_of(cx.waker()) {
                Self::wake_first(first);
            }
            if !self.others.borrow().is_empty() {
                self.wake_others();
            }
        }
        *seen = self.rings.get();
        Poll::Ready(())
    }

    #[inline]
    fn wait(&self, waker: &Waker) {
        let first = self.first.get();
        let key = key_of(waker);
        if key.is_some() && (first.is_none() || first == key) {
            self.first.set(key);
        } else {
            self.wait_too(waker);
        }
    }

    #[cold]
    fn wait_too(&self, waker: &Waker) {
        let mut others = self.others.borrow_mut();
        if !others.iter().any(|other| other.will_wake(waker)) {
            others.push(waker.clone());
        }
    }

    /// Has all look that wait.
    pub fn wake_waiting(&self) {
        Self::wake_first(self.first.take());
        self.wake_others();
    }

    #[cold]
    fn wake_first(first: Option<u32>) {
        if let Some(key) = first {
            crate::task::wake(key);
        }
    }

    #[cold]
    fn wake_others(&self) {
        for other in take(&mut *self.others.borrow_mut()) {
            other.wake();
        }
    }
}

/// Somebody waits. The event wakes only who asked last: when that one is gone, another is to ask.
struct Listening<'a>(&'a Doorbell);

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        self.0.wake_waiting();
    }
}

/// Writes frames: what [`WriteEnd`] does, and waits for room.
///
/// ```no_run
/// use userland::channel::{WriteError, Writer};
///
/// async fn tell(writer: &mut Writer, number: u64) -> Result<(), WriteError> {
///     writer.send(&number.to_le_bytes()).await
/// }
/// ```
///
/// Waiting can be cancelled, by dropping the future: nothing was written then.
pub struct Writer {
    pub(super) end: WriteEnd,
    pub(super) bell: Rc<Doorbell>,
    /// The bell's rings when it last looked for those that are gone.
    pub(super) inspected: u32,
    /// Frames until the guest's other tasks have their turn.
    turn: u32,
}

/// Frames that are written before the guest's other tasks have their turn, and readers that sleep are rung, though
/// there is room for more.
const TURN: u32 = 256;

impl Writer {
    pub(super) fn new(end: WriteEnd, bell: Rc<Doorbell>) -> Self {
        Self {
            inspected: bell.never_asked(),
            turn: TURN,
            end,
            bell,
        }
    }

    /// Makes room for a frame of `len` bytes, and waits for it. Every now and then it lets other tasks run,
    /// though there is room.
    ///
    /// See the example of [`Writer`].
    ///
    /// # Errors
    /// See [`WriteError`]; never [`WriteError::Full`].
    pub async fn reserve(&mut self, len: u32) -> Result<Reservation<'_>, WriteError> {
        if self.turn == 0 {
            self.turn = TURN;
            yield_now().await;
        }
        self.turn -= 1;
        let room = match self.end.claim_room(len) {
            Err(WriteError::Full) => self.wait_for_room(len).await?,
            other => other?,
        };
        Ok(self.end.reservation(room))
    }

    async fn wait_for_room(&mut self, len: u32) -> Result<Room, WriteError> {
        let mut seen = self.bell.seen();
        loop {
            self.end.arm();
            match self.end.claim_room(len) {
                Err(WriteError::Full) => {}
                other => return other,
            }
            if self.bell.has_rung_since(&mut self.inspected) {
                self.end.inspect();
                match self.end.claim_room(len) {
                    Err(WriteError::Full) => {}
                    other => return other,
                }
            }
            self.bell.rung(&mut seen).await;
            match self.end.claim_room(len) {
                Err(WriteError::Full) => {}
                other => return other,
            }
        }
    }

    /// Writes a frame, and waits for room.
    ///
    /// See the example of [`Writer`].
    ///
    /// # Errors
    /// As [`Writer::reserve`].
    pub async fn send(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        let len = u32::try_from(frame.len()).map_err(|_| WriteError::TooLong)?;
        let mut reservation = self.reserve(len).await?;
        // It is as long.
        let _ = reservation.write(0, frame);
        reservation.commit();
        Ok(())
    }
}

impl Deref for Writer {
    type Target = WriteEnd;

    fn deref(&self) -> &WriteEnd {
        &self.end
    }
}

impl DerefMut for Writer {
    fn deref_mut(&mut self) -> &mut WriteEnd {
        &mut self.end
    }
}

/// Reads frames: what [`ReadEnd`] does, and waits for them.
///
/// ```no_run
/// use userland::channel::{ReadError, Reader};
///
/// async fn sum(reader: &mut Reader) -> Result<u64, ReadError> {
///     let mut sum: u64 = 0;
///     let mut number = [0; 8];
///     while number != [0xff; 8] {
///         reader.receive(&mut number).await?;
///         sum = sum.wrapping_add(u64::from_le_bytes(number));
///     }
///     Ok(sum)
/// }
/// ```
///
/// Waiting can be cancelled, by dropping the future: nothing was read then.
pub struct Reader {
    pub(super) end: ReadEnd,
    pub(super) bell: Rc<Doorbell>,
    /// As [`Writer::inspected`].
    pub(super) inspected: u32,
}

impl Reader {
    pub(super) fn new(end: ReadEnd, bell: Rc<Doorbell>) -> Self {
        Self {
            inspected: bell.never_asked(),
            end,
            bell,
        }
    }

    /// Waits for the next frame.
    ///
    /// See the example of [`Reader`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn borrow(&mut self) -> Result<Frame<'_>, ReadError> {
        let found = self.found().await?;
        Ok(self.end.frame(found))
    }

    /// Waits for the next frame; where it is. It is to become a [`Frame`].
    pub(super) async fn found(&mut self) -> Result<super::reader::Found, ReadError> {
        match self.end.find()? {
            Some(found) => Ok(found),
            None => self.wait_for_frame().await,
        }
    }

    /// Waits for the next frame; there is none when the channel is closed.
    ///
    /// ```no_run
    /// use userland::{channel::{ReadError, Reader}, info};
    ///
    /// async fn show(reader: &mut Reader) -> Result<(), ReadError> {
    ///     while let Some(frame) = reader.next().await? {
    ///         info!("{} bytes", frame.len());
    ///     }
    ///     Ok(())
    /// }
    /// ```
    ///
    /// # Errors
    /// [`ReadError::Corrupt`].
    pub async fn next(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        match self.borrow().await {
            Ok(frame) => Ok(Some(frame)),
            Err(ReadError::Closed) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn wait_for_frame(&mut self) -> Result<super::reader::Found, ReadError> {
        let mut seen = self.bell.seen();
        loop {
            self.end.arm();
            if let Some(found) = self.end.find()? {
                return Ok(found);
            }
            if self.bell.has_rung_since(&mut self.inspected) {
                self.end.inspect();
                if let Some(found) = self.end.find()? {
                    return Ok(found);
                }
            }
            self.bell.rung(&mut seen).await;
            if let Some(found) = self.end.find()? {
                return Ok(found);
            }
        }
    }

    /// Waits for the next frame, and copies it; answers its length. What does not fit into the buffer is
    /// lost.
    ///
    /// See the example of [`Reader`].
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn receive(&mut self, buffer: &mut [u8]) -> Result<u32, ReadError> {
        loop {
            let frame = self.borrow().await?;
            let len = frame.len();
            let wanted = buffer.len().min(len as usize);
            if let Some(bytes) = buffer.get_mut(..wanted) {
                // There are as many.
                let _ = frame.read(bytes);
            }
            if frame.release().is_ok() {
                return Ok(len);
            }
        }
    }
}

impl Deref for Reader {
    type Target = ReadEnd;

    fn deref(&self) -> &ReadEnd {
        &self.end
    }
}

impl DerefMut for Reader {
    fn deref_mut(&mut self) -> &mut ReadEnd {
        &mut self.end
    }
}
