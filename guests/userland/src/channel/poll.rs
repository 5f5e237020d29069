// SPDX-License-Identifier: BSD-2-Clause
//! Waiting step by step, for futures that share an end and cannot hold it while they wait.

use core::task::{Context, Poll};

use super::{
    reader::{Found, Frame, ReadError},
    reservation::Room,
    wait::{Reader, Writer},
    writer::{WriteEnd, WriteError},
};
use crate::{task, time::Instant};

/// What somebody who waits remembers from one poll to the next.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    seen: u32,
    /// It has looked, and nothing can be there before the next ring.
    waits: bool,
}

impl Reader {
    /// The next frame. None after a ring that was not for one: then the caller looks after its peer, and asks
    /// again.
    ///
    /// In a pipe the ring for a frame can hide that the server has ended the writer: the caller has to hear of
    /// that in another way.
    #[inline]
    pub(crate) fn poll_borrow(
        &mut self,
        cx: &Context<'_>,
        watch: &mut Watch,
    ) -> Poll<Result<Option<Frame<'_>>, ReadError>> {
        let mut rang = watch.waits;
        if rang && self.bell.poll(cx, &mut watch.seen).is_pending() {
            return Poll::Pending;
        }
        watch.waits = false;
        loop {
            if self.end.glance() || !self.end.arm_pipe() || rang {
                match self.look(rang) {
                    Ok(Some(found)) => return Poll::Ready(Ok(Some(self.end.frame(found)))),
                    Ok(None) if rang => return Poll::Ready(Ok(None)),
                    Ok(None) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                }
            }
            if self.bell.poll(cx, &mut watch.seen).is_pending() {
                watch.waits = true;
                return Poll::Pending;
            }
            rang = true;
        }
    }

    /// Looks for a frame, and after a ring for those that are gone.
    #[inline]
    fn look(&mut self, rang: bool) -> Result<Option<Found>, ReadError> {
        let found = self.end.find()?;
        if found.is_none() {
            self.end.arm();
            if rang || self.bell.has_rung_since(&mut self.inspected) {
                self.end.inspect();
            }
            return self.end.find();
        }
        Ok(found)
    }
}

impl Writer {
    /// Has another look that waits for the same bell: for one who waited with [`Self::poll_send`] and does no
    /// more.
    pub(crate) fn pass_on(&self) {
        self.bell.wake_waiting();
    }

    /// Writes a frame; the whole guest waits for room, until the deadline.
    pub(crate) fn send_by(&mut self, frame: &[u8], deadline: Instant) -> Result<(), WriteError> {
        loop {
            self.end.arm();
            let written = self.end.try_send(frame);
            if written != Err(WriteError::Full) || Instant::now() >= deadline {
                return written;
            }
            // Without a mailbox there is no waiting.
            if task::doze(deadline).is_err() {
                return written;
            }
            self.end.inspect();
        }
    }

    /// Writes a frame, and says whether it did: not after a ring that made no room. Then the caller looks after
    /// its peer, and asks again.
    #[inline]
    pub(crate) fn poll_send(
        &mut self,
        cx: &Context<'_>,
        watch: &mut Watch,
        frame: &[u8],
    ) -> Poll<Result<bool, WriteError>> {
        let sent = self.poll_with(cx, watch, |end| end.try_send(frame));
        sent.map_ok(|sent| sent.is_some())
    }

    /// Makes room for a frame, which is to become a reservation; none after a ring that made no room.
    #[inline]
    pub(super) fn poll_room(
        &mut self,
        cx: &Context<'_>,
        watch: &mut Watch,
        len: u32,
    ) -> Poll<Result<Option<Room>, WriteError>> {
        self.poll_with(cx, watch, |end| end.claim_room(len))
    }

    /// Does what needs room; none after a ring that made no room.
    #[inline]
    fn poll_with<T>(
        &mut self,
        cx: &Context<'_>,
        watch: &mut Watch,
        mut attempt: impl FnMut(&mut WriteEnd) -> Result<T, WriteError>,
    ) -> Poll<Result<Option<T>, WriteError>> {
        let mut rang = watch.waits;
        if rang && self.bell.poll(cx, &mut watch.seen).is_pending() {
            return Poll::Pending;
        }
        watch.waits = false;
        match attempt(&mut self.end) {
            Err(WriteError::Full) => {}
            other => return Poll::Ready(other.map(Some)),
        }
        loop {
            self.end.arm();
            match attempt(&mut self.end) {
                Err(WriteError::Full) => {}
                other => return Poll::Ready(other.map(Some)),
            }
            if rang {
                self.end.inspect();
                return Poll::Ready(Ok(None));
            }
            if self.bell.poll(cx, &mut watch.seen).is_pending() {
                watch.waits = true;
                return Poll::Pending;
            }
            rang = true;
        }
    }
}
