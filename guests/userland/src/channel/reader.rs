// SPDX-License-Identifier: BSD-2-Clause
//! The reading end.
//!
//! A reader counts frames on its own, and looks at the descriptor of the next number: it is there when
//! the stamp says so. To release a frame it moves its cursor, which is what writers look at if the
//! reader is strong. A weak one finds out, from the tail, that what it read was written over meanwhile.

use alloc::{sync::Arc, vec::Vec};
use core::fmt;

#[cfg(not(loom))]
use atoll_abi::channel::DRAINS;
use atoll_abi::channel::{ROLE_JOINING, ROLE_STRONG, ROLE_WEAK, SLEEPS, TERMINATED, VOID};

use super::{
    Strength,
    layout::{Descriptor, Mark, Slot, pair},
    link::{Link, Side, span},
    memory::{Cells, Data, One, Slice},
    sync::{
        AtomicU32,
        Ordering::{Relaxed, SeqCst},
        announce, fence,
    },
    writer::WriterId,
};

/// Why there will be no frame.
///
/// See the example of [`ReadEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The channel is terminated, or drained, or its last strong writer is gone; and what was there has been
    /// read. A writer that comes later makes the last of these untrue.
    Closed,
    /// A writer described a frame that cannot be. It was skipped.
    Corrupt,
}

impl fmt::Display for ReadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "the channel is closed",
            Self::Corrupt => "a writer described a frame that cannot be",
        })
    }
}

impl core::error::Error for ReadError {}

/// The frame was written over while it was read: what was copied from it may be anything.
///
/// See the example of [`ReadEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Overtaken;

impl fmt::Display for Overtaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the frame was written over while it was read")
    }
}

impl core::error::Error for Overtaken {}

/// How a reader stands to its writers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The strong one of a pipe.
    Pipe,
    /// Holds writers back.
    Strong,
    /// Is overtaken.
    Weak,
}

/// Reads frames that are there, each once, in one order for all readers.
///
/// ```no_run
/// use userland::channel::{ReadEnd, ReadError};
///
/// /// The number at the begin of the next frame that has one.
/// fn number(reader: &mut ReadEnd) -> Result<Option<u32>, ReadError> {
///     while let Some(frame) = reader.try_borrow()? {
///         let mut bytes = [0; 4];
///         let whole = frame.read(&mut bytes).is_some();
///         // A weak reader may have been overtaken: then the bytes are anything.
///         if frame.release().is_ok() && whole {
///             return Ok(Some(u32::from_le_bytes(bytes)));
///         }
///     }
///     Ok(None)
/// }
/// ```
pub struct ReadEnd {
    // First what every frame takes.
    descriptors: Cells<Descriptor>,
    data: Data,
    writers_word: One<AtomicU32>,
    /// Its slot; if it has none, one that nobody sees.
    own: One<Slot>,
    /// The next frame, and up to where the data is released.
    next: Mark,
    kind: Kind,
    has_slot: Option<u32>,
    /// Frames that passed unseen.
    lost: u32,
    closed: bool,
    link: Arc<Link>,
}

impl ReadEnd {
    /// A reader with a slot; none if all are taken.
    pub(super) fn new(link: &Arc<Link>, strength: Strength, name: &str) -> Option<Self> {
        let slot = link.claim(Side::Readers, name)?;
        let mut reader = Self::behind(link, link.view.readers.one(slot));
        reader.has_slot = Some(slot);
        let entry = link.view.readers.at(slot);
        match (link.is_pipe(), strength) {
            (true, _) => {
                reader.kind = Kind::Pipe;
                // Where the reader before stopped.
                reader.next = Mark::from_word(entry.cursor.load(SeqCst));
                entry.role.store(ROLE_STRONG, SeqCst);
            }
            (false, Strength::Strong) => {
                reader.kind = Kind::Strong;
                entry.cursor.store(reader.next.word(), SeqCst);
                entry.role.store(ROLE_JOINING, SeqCst);
                announce();
                // Writers that look from here on keep to the cursor; those that looked before keep to a
                // tail that was no later than this one.
                reader.next = link.view.tail();
                entry.cursor.store(reader.next.word(), SeqCst);
                entry.role.store(ROLE_STRONG, SeqCst);
            }
            (false, Strength::Weak) => entry.role.store(ROLE_WEAK, SeqCst),
        }
        // A writer may have waited for a reader to find its place, and others look who there is.
        link.wake_all();
        Some(reader)
    }

    /// One that only looks: nobody knows of it, and it writes nothing.
    pub(super) fn without_slot(link: &Arc<Link>) -> Self {
        Self::behind(link, nobodys_slot())
    }

    /// A weak reader of what is written from now on.
    fn behind(link: &Arc<Link>, own: One<Slot>) -> Self {
        let view = &link.view;
        Self {
            descriptors: view.descriptors.clone(),
            data: view.data.clone(),
            writers_word: view.writers_word.clone(),
            own,
            next: view.tail(),
            kind: Kind::Weak,
            has_slot: None,
            lost: 0,
            closed: false,
            link: link.clone(),
        }
    }

    /// The next frame, if it is there.
    ///
    /// See the example of [`ReadEnd`].
    ///
    /// # Errors
    /// See [`ReadError`].
    #[inline(always)]
    pub fn try_borrow(&mut self) -> Result<Option<Frame<'_>>, ReadError> {
        let found = self.find()?;
        Ok(found.map(|found| self.frame(found)))
    }

    #[inline(always)]
    pub(super) const fn frame(&mut self, found: Found) -> Frame<'_> {
        Frame {
            reader: self,
            found,
        }
    }

    /// Where the next frame is, if it is there. It is to become a [`Frame`].
    #[inline(always)]
    pub(super) fn find(&mut self) -> Result<Option<Found>, ReadError> {
        let descriptor = self.descriptors.at(self.next.frame);
        let stamp = descriptor.stamp.load(SeqCst);
        if stamp as u32 == self.next.frame.wrapping_add(1) {
            let place = descriptor.place.load();
            if let Some(slice) = self.data.slice(place as u32, (stamp >> 32) as u32) {
                return Ok(Some(Found { slice, place }));
            }
        }
        self.search()
    }

    /// Whether there is a frame, or something that is to be skipped.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(super) fn glance(&self) -> bool {
        let stamp = self.descriptors.at(self.next.frame).stamp.load(SeqCst);
        stamp as u32 == self.next.frame.wrapping_add(1)
    }

    /// Says that it is about to wait, and whether that is all there is to it: nothing has come meanwhile, and
    /// the writer of this pipe has not left.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(super) fn arm_pipe(&self) -> bool {
        let said = self.link.word(Side::Readers).fetch_or(SLEEPS, SeqCst);
        let writer = self.link.view.writers.at(0);
        self.kind == Kind::Pipe
            && said & (DRAINS | TERMINATED) == 0
            && writer.role.load(SeqCst) == ROLE_STRONG
            && !self.glance()
    }

    /// The next frame, where there is more to it.
    #[cold]
    #[inline(never)]
    fn search(&mut self) -> Result<Option<Found>, ReadError> {
        // More can only be skipped if somebody makes them up meanwhile.
        for _ in 0..=self.link.view.geometry.frames {
            if self.link.is_terminated() {
                return Err(ReadError::Closed);
            }
            let tail = self.link.view.tail();
            let descriptor = self.descriptors.at(self.next.frame);
            let stamp = descriptor.stamp.load(SeqCst);
            if stamp as u32 != self.next.frame.wrapping_add(1) {
                if self.kind == Kind::Weak && self.distance(tail) > self.link.view.geometry.frames {
                    self.jump(tail);
                    continue;
                }
                return self.nothing(tail);
            }
            let place = descriptor.place.load();
            let len = (stamp >> 32) as u32;
            if self.kind == Kind::Weak && !self.is_intact(self.next.frame, place as u32) {
                self.jump(tail);
                continue;
            }
            if let Some(slice) = self.data.slice(place as u32, len) {
                return Ok(Some(Found { slice, place }));
            }
            self.pass();
            if len != VOID {
                return Err(ReadError::Corrupt);
            }
        }
        Ok(None)
    }

    /// Whether there is nothing yet, or will be nothing.
    fn nothing(&self, tail: Mark) -> Result<Option<Found>, ReadError> {
        let reserved = self.kind != Kind::Pipe && self.distance(tail) != 0;
        let has_writers = || match self.has_slot {
            Some(_) => !self.link.is_abandoned(),
            None => !self.link.is_deserted(),
        };
        if !reserved && (self.link.drains() || !has_writers()) {
            // Who ended it may have written before, and after this one looked.
            let descriptor = self.descriptors.at(self.next.frame);
            let tail_is_same = self.kind == Kind::Pipe || self.link.view.tail() == tail;
            let stamp = descriptor.stamp.load(SeqCst);
            if tail_is_same && stamp as u32 != self.next.frame.wrapping_add(1) {
                return Err(ReadError::Closed);
            }
        }
        Ok(None)
    }

    /// Frames between the next one and this tail.
    const fn distance(&self, tail: Mark) -> u32 {
        tail.frame.wrapping_sub(self.next.frame)
    }

    /// Whether nothing that was reserved so far takes the place of this frame or of its data.
    fn is_intact(&self, frame: u32, start: u32) -> bool {
        // What was read before is compared with a tail that is loaded behind.
        fence(SeqCst);
        let tail = self.link.view.tail();
        let geometry = &self.link.view.geometry;
        // A frame takes no more than the whole ring, with what is left over before it. Behind as many as
        // this, positions may have wrapped.
        let frames = geometry.frames.min(u32::MAX / geometry.data);
        tail.frame.wrapping_sub(frame) <= frames
            && tail.position.wrapping_sub(start) <= geometry.data
    }

    /// Goes on somewhere behind what was written over, with room to read before that is written over too.
    fn jump(&mut self, tail: Mark) {
        let mut keep = self.distance(tail).min(self.link.view.geometry.frames) / 2;
        while keep != 0 {
            let frame = tail.frame.wrapping_sub(keep);
            let descriptor = self.descriptors.at(frame);
            let is_there = descriptor.stamp.load(SeqCst) as u32 == frame.wrapping_add(1);
            if is_there && self.is_intact(frame, descriptor.place.load() as u32) {
                break;
            }
            keep /= 2;
        }
        let frame = tail.frame.wrapping_sub(keep);
        self.lost = (self.lost).wrapping_add(frame.wrapping_sub(self.next.frame));
        self.next.frame = frame;
        self.own.get().lost.store(self.lost, Relaxed);
    }

    /// Goes on behind a frame that is none.
    fn pass(&mut self) {
        self.next.frame = self.next.frame.wrapping_add(1);
        self.own.get().cursor.store(self.next.word(), SeqCst);
        announce();
        self.settle(self.writers_word.get().load(SeqCst));
    }

    /// Goes on behind a frame, and sees to the writers.
    #[inline(always)]
    fn release(&mut self, start: u32, len: u32) -> Result<(), Overtaken> {
        self.next = Mark {
            frame: self.next.frame.wrapping_add(1),
            position: start.wrapping_add(span(len)),
        };
        self.own.get().cursor.store(self.next.word(), SeqCst);
        // No writer waits for a weak one; in models, this would hide the fence that it has of its own.
        if self.kind != Kind::Weak {
            announce();
        }
        let word = self.writers_word.get().load(SeqCst);
        if word != 0 {
            return self.attend(word, start);
        }
        Ok(())
    }

    /// After a frame, where there is more to do.
    #[cold]
    #[inline(never)]
    fn attend(&mut self, word: u32, start: u32) -> Result<(), Overtaken> {
        let frame = self.next.frame.wrapping_sub(1);
        let overtaken = self.kind == Kind::Weak && !self.is_intact(frame, start);
        if overtaken {
            self.lost = self.lost.wrapping_add(1);
            self.jump(self.link.view.tail());
        }
        self.settle(word);
        if overtaken { Err(Overtaken) } else { Ok(()) }
    }

    /// Sees to what the writers' word says, as it was after the cursor was moved.
    fn settle(&mut self, mut word: u32) {
        if self.kind == Kind::Strong {
            // A frame may be shorter than what was reserved for it, and one that was given up does not say.
            // The next one will; if there is none, the tail does.
            let tail = self.link.view.tail();
            if tail.frame == self.next.frame && tail.position != self.next.position {
                self.next.position = tail.position;
                self.own.get().cursor.store(tail.word(), SeqCst);
                announce();
                word = self.writers_word.get().load(SeqCst);
            }
        }
        if self.kind != Kind::Weak && word & SLEEPS != 0 {
            self.link.wake_sleepers(Side::Writers);
        }
        if word & TERMINATED != 0 && !self.closed {
            self.closed = true;
            // Half the range away from every number that is stamped: there is no frame any more.
            self.next.frame ^= 1 << 31;
        }
    }

    /// Looks after those that are gone: frees their slots, and gives the frame up that one of them has
    /// taken the number of and will not stamp any more.
    pub(super) fn inspect(&mut self) {
        // Who has no slot may have no right to write.
        if self.has_slot.is_none() {
            return;
        }
        self.link.bury(Side::Writers);
        let frame = self.next.frame;
        let descriptor = self.descriptors.at(frame);
        let stamp = descriptor.stamp.load(SeqCst);
        // Stamped, or, where this one was overtaken, the place of a later one.
        let is_stamped = frame.wrapping_add(1).wrapping_sub(stamp as u32) as i32 <= 0;
        if self.kind == Kind::Pipe || self.link.view.tail().frame == frame || is_stamped {
            return;
        }
        // Who has taken a number says so from before until after. So if nobody says it, it is stamped by
        // now, or never.
        let takes = |slot: &Slot| {
            let at = Mark::from_word(slot.cursor.load(SeqCst));
            at.frame == frame && at.position & 1 != 0
        };
        let mut writers = self.link.taken(Side::Writers);
        if !writers.any(|(_, slot, _)| takes(slot)) {
            let void = pair(frame.wrapping_add(1), VOID);
            let stamps = &descriptor.stamp;
            let _ = stamps.compare_exchange(stamp, void, SeqCst, Relaxed);
            // It holds no other writer back any more.
            self.link.wake(Side::Writers);
        }
    }

    /// Says that it is about to wait for a frame. It looks once more afterwards. Who has no slot says
    /// nothing: the channel rings at every frame if it has such readers.
    pub(super) fn arm(&self) {
        if self.has_slot.is_some() {
            self.link.arm(Side::Readers);
        }
    }

    /// Holds writers back no longer, and may be overtaken. Nothing changes in a pipe.
    ///
    /// See the example of [`ReadEnd`].
    pub fn downgrade(&mut self) {
        if self.kind == Kind::Strong {
            self.kind = Kind::Weak;
            self.own.get().role.store(ROLE_WEAK, SeqCst);
            self.link.wake_sleepers(Side::Writers);
        }
    }

    /// Frames that passed unseen since this was last asked.
    ///
    /// See the example of [`ReadEnd`].
    pub fn take_lost(&mut self) -> u32 {
        core::mem::take(&mut self.lost)
    }
}

impl Drop for ReadEnd {
    fn drop(&mut self) {
        if let Some(slot) = self.has_slot {
            self.link.leave(Side::Readers, slot);
        }
    }
}

/// A slot for who has none.
#[cfg(not(loom))]
fn nobodys_slot() -> One<Slot> {
    static SLOT: Slot = Slot::new();
    One::own(&SLOT)
}

#[cfg(loom)]
fn nobodys_slot() -> One<Slot> {
    One::own(Slot::default())
}

/// A frame in the channel's memory. To drop it releases it.
///
/// ```no_run
/// use userland::{channel::Frame, info};
///
/// /// Shows the last byte of a frame.
/// fn show(frame: &Frame<'_>) {
///     let mut last = [0];
///     if !frame.is_empty() && frame.read_at(frame.len() - 1, &mut last).is_some() {
///         info!("{:?} wrote {} bytes, the last is {}", frame.writer(), frame.len(), last[0]);
///     }
/// }
/// ```
///
/// Others can write there: what is copied from it twice can differ.
pub struct Frame<'a> {
    reader: &'a mut ReadEnd,
    found: Found,
}

/// Where a frame is.
#[derive(Clone, Debug)]
pub(super) struct Found {
    slice: Slice,
    /// As the descriptor says.
    place: u64,
}

impl Found {
    /// Bytes of the frame.
    #[cfg(not(loom))]
    pub(super) fn len(&self) -> u32 {
        self.slice.len()
    }
}

impl Frame<'_> {
    /// Bytes.
    ///
    /// See the example of [`Frame`].
    pub fn len(&self) -> u32 {
        self.found.slice.len()
    }

    /// Whether it has none.
    ///
    /// See the example of [`Frame`].
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Who wrote it.
    ///
    /// See the example of [`Frame`].
    pub const fn writer(&self) -> WriterId {
        WriterId((self.found.place >> 32) as u32)
    }

    /// Copies bytes from the begin; none if there are not as many.
    ///
    /// See the example of [`Frame`].
    #[inline(always)]
    pub fn read(&self, bytes: &mut [u8]) -> Option<()> {
        self.found.slice.get(bytes)
    }

    /// All of a frame of 1 to 32 bytes, with anything behind it; none if it is of another length.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(crate) fn read_short(&self) -> Option<[u64; 4]> {
        self.found.slice.get_short()
    }

    /// Copies bytes from this offset; none if there are not as many.
    ///
    /// See the example of [`Frame`].
    pub fn read_at(&self, offset: u32, bytes: &mut [u8]) -> Option<()> {
        self.found.slice.get_at(offset, bytes)
    }

    /// A copy of all of it.
    ///
    /// See the example of [`Frame`].
    pub fn to_vec(&self) -> Vec<u8> {
        let mut bytes = alloc::vec![0; self.len() as usize];
        // There are as many.
        let _ = self.read(&mut bytes);
        bytes
    }

    /// Where it is in the guest's memory: for a device that reads it there.
    ///
    /// See the example of [`Frame`].
    #[cfg(not(loom))]
    pub const fn address(&self) -> usize {
        self.found.slice.address()
    }

    /// Gives the room back.
    ///
    /// See the example of [`ReadEnd`].
    ///
    /// # Errors
    /// [`Overtaken`], for a weak reader.
    #[inline(always)]
    pub fn release(self) -> Result<(), Overtaken> {
        let mut this = core::mem::ManuallyDrop::new(self);
        let this = &mut *this;
        let (place, len) = (this.found.place, this.found.slice.len());
        this.reader.release(place as u32, len)
    }
}

impl Drop for Frame<'_> {
    fn drop(&mut self) {
        // Who does not ask does not mind.
        let _ = self
            .reader
            .release(self.found.place as u32, self.found.slice.len());
    }
}
