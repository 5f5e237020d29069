// SPDX-License-Identifier: BSD-2-Clause
//! The writing end.
//!
//! A writer takes a number and a stretch of the data ring (reserve), fills the stretch, and stamps the
//! descriptor of that number (commit). In a pipe both counters are the writer's own. Otherwise they
//! are the tail, one word that writers compete for; each says in its slot, before it tries, which number
//! it tries for: so when a number is taken and its stamp does not come, the readers find out whether
//! somebody alive is about to stamp it (see `reader`).

use alloc::{collections::VecDeque, sync::Arc};
use core::fmt;

use atoll_abi::channel::{
    ALIGN, ALWAYS, DRAINS, ROLE_JOINING, ROLE_STRONG, ROLE_WEAK, SLEEPS, TERMINATED, VOID,
};

use super::{
    Strength,
    layout::{Descriptor, Mark, pair},
    link::{Link, Side, span},
    memory::{Cells, One, Run},
    reservation::{Reservation, Room},
    sync::{
        AtomicU32,
        Ordering::{Relaxed, SeqCst},
        announce, fence,
    },
};

/// How often a writer tries for a number before it says that the channel is contended. Each try that
/// fails is another's success, unless somebody tampers with the tail.
const MAX_TRIES: u32 = 1 << 10;

/// Why a frame cannot be written.
///
/// See the example of [`WriteEnd`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// There is no room, or the writer has as many frames out as it may: wait until readers have
    /// released some.
    Full,
    /// There is no room, and the channel drops what finds none.
    Dropped,
    /// No frame of this channel can be as long.
    TooLong,
    /// The channel takes no more frames.
    Closed,
    /// Others were quicker, too often.
    Contended,
}

impl fmt::Display for WriteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "the channel is full",
            Self::Dropped => "the channel was full and dropped the frame",
            Self::TooLong => "the frame is longer than half the channel",
            Self::Closed => "the channel is closed",
            Self::Contended => "too many write to the channel at once",
        })
    }
}

impl core::error::Error for WriteError {}

/// Writes frames, as far as there is room.
///
/// ```no_run
/// use userland::channel::{WriteEnd, WriteError};
///
/// /// Writes a record in place: its number, then its content.
/// fn record(writer: &mut WriteEnd, number: u32, content: &[u8]) -> Result<(), WriteError> {
///     let mut frame = writer.try_reserve(4 + content.len() as u32)?;
///     // The frame is as long as was asked for.
///     frame.write(0, &number.to_le_bytes());
///     frame.write(4, content);
///     frame.commit();
///     Ok(())
/// }
/// ```
pub struct WriteEnd {
    // First what every frame takes.
    descriptors: Cells<Descriptor>,
    readers_word: One<AtomicU32>,
    /// In a pipe: where the next frame can be.
    run: Run,
    /// In a pipe: how many more there can be before another look at the reader.
    left: u32,
    /// In a pipe, the next frame; otherwise the one that it is at.
    next: Mark,
    /// The slot, and the generation of it.
    id: u32,
    pipe: bool,
    slot: u32,
    /// What may be written before another look at the readers.
    limit: Mark,
    /// Frames that are out, if there is a limit to that.
    out: VecDeque<u32>,
    link: Arc<Link>,
}

impl WriteEnd {
    pub(super) fn new(link: &Arc<Link>, strength: Strength, name: &str) -> Option<Self> {
        let slot = link.claim(Side::Writers, name)?;
        let view = &link.view;
        let entry = view.writers.at(slot);
        entry.cursor.store(0, SeqCst);
        let role = match strength {
            Strength::Strong => ROLE_STRONG,
            Strength::Weak => ROLE_WEAK,
        };
        if strength == Strength::Strong {
            view.header().strong_writers.fetch_add(1, SeqCst);
        }
        entry.role.store(role, SeqCst);
        let generation = entry.generation.load(Relaxed);
        let mut writer = Self {
            descriptors: view.descriptors.clone(),
            readers_word: view.readers_word.clone(),
            run: Run::empty(),
            left: 0,
            next: Mark::default(),
            id: slot | generation << 16,
            pipe: link.is_pipe(),
            slot,
            // Nothing, before it has looked.
            limit: view.tail(),
            out: VecDeque::new(),
            link: link.clone(),
        };
        if writer.pipe {
            writer.next = writer.written();
        }
        // A reader that saw the last strong writer go has another, and others look who there is.
        link.wake_all();
        Some(writer)
    }

    /// Where the writer before stopped: behind the frames that the reader has not released.
    fn written(&self) -> Mark {
        let reader = self.link.view.readers.at(0);
        let mut mark = Mark::from_word(reader.cursor.load(SeqCst));
        for _ in 0..self.link.view.geometry.frames {
            let descriptor = self.descriptors.at(mark.frame);
            let stamp = descriptor.stamp.load(SeqCst);
            if stamp as u32 != mark.frame.wrapping_add(1) {
                break;
            }
            let place = descriptor.place.load() as u32;
            mark.position = place.wrapping_add(span((stamp >> 32) as u32));
            mark.frame = mark.frame.wrapping_add(1);
        }
        mark
    }

    /// Makes room for a frame of `len` bytes, which nobody sees before it is committed.
    ///
    /// See the example of [`WriteEnd`].
    ///
    /// # Errors
    /// See [`WriteError`].
    #[inline(always)]
    pub fn try_reserve(&mut self, len: u32) -> Result<Reservation<'_>, WriteError> {
        let room = self.claim_room(len)?;
        Ok(self.reservation(room))
    }

    /// Makes room for a frame. What is claimed is to become a [`Reservation`].
    #[inline(always)]
    pub(super) fn claim_room(&mut self, len: u32) -> Result<Room, WriteError> {
        if self.left == 0 || !self.run.has(len) {
            self.make_room(len)?;
        }
        // There is room now.
        let (start, slice) = self.run.take(len).ok_or(WriteError::Full)?;
        Ok(Room { start, slice })
    }

    /// Sees to it that there is room for a frame.
    #[cold]
    #[inline(never)]
    fn make_room(&mut self, len: u32) -> Result<(), WriteError> {
        if len > self.link.view.geometry.max_frame() {
            Err(WriteError::TooLong)
        } else if self.pipe {
            self.go_on(len)
        } else {
            self.compete(len)
        }
    }

    #[inline(always)]
    pub(super) const fn reservation(&mut self, room: Room) -> Reservation<'_> {
        Reservation { room, writer: self }
    }

    /// Writes a frame.
    ///
    /// See the example of [`WriteEnd`].
    ///
    /// # Errors
    /// See [`WriteError`].
    #[inline(always)]
    pub fn try_send(&mut self, frame: &[u8]) -> Result<(), WriteError> {
        let len = u32::try_from(frame.len()).map_err(|_| WriteError::TooLong)?;
        let reservation = self.try_reserve(len)?;
        // It is as long.
        let _ = reservation.room.slice.put(frame);
        reservation.commit();
        Ok(())
    }

    /// Makes room behind the last frame, or in the next lap: as much as the reader has released.
    fn go_on(&mut self, len: u32) -> Result<(), WriteError> {
        let Mark { frame, position } = self.look_for_room(len)?;
        let start = self.place(position, len);
        // Not more than the longest frame: so one that is too long comes here, and is refused.
        let longest = self.link.view.geometry.max_frame();
        let room = self.limit.position.wrapping_sub(start) & !(ALIGN - 1);
        self.run = Run::of(&self.link.view.data, start, room.min(longest));
        self.left = self.limit.frame.wrapping_sub(frame);
        Ok(())
    }

    /// Bytes of the longest frame. See the example of [`Config::max_frame`](super::Config::max_frame).
    pub fn max_frame(&self) -> u32 {
        self.link.view.geometry.max_frame()
    }

    /// What other ends know this one by.
    ///
    /// See the example of [`WriterId`].
    pub const fn id(&self) -> WriterId {
        WriterId(self.id)
    }

    /// Where a frame of this length can begin, from a position on: it does not go around the end.
    fn place(&self, position: u32, len: u32) -> u32 {
        let data = &self.link.view.data;
        if len <= data.contiguous(position) {
            position
        } else {
            data.next_lap(position)
        }
    }

    /// Whether frame number `frame`, so long and from this position on, is within the limit.
    fn fits(&self, frame: u32, start: u32, len: u32) -> bool {
        // Others may have written for any time since the limit was found, or the readers' words may be
        // wrong: no more than there is room for is believed.
        let geometry = &self.link.view.geometry;
        let frames = self.limit.frame.wrapping_sub(frame);
        let room = self.limit.position.wrapping_sub(start);
        (1..=geometry.frames).contains(&frames) && (len..=geometry.data).contains(&room)
    }

    /// Looks at the others again, for room for a frame; answers behind what it is.
    fn look_for_room(&mut self, len: u32) -> Result<Mark, WriteError> {
        if self.link.drains() {
            return Err(WriteError::Closed);
        }
        let tail = self.look();
        if self.has_room(tail, len) {
            return Ok(tail);
        }
        if !self.link.drops() {
            return Err(WriteError::Full);
        }
        // It does not wait, so nothing else has it look for those that are gone.
        self.inspect();
        let tail = self.look();
        if self.has_room(tail, len) {
            return Ok(tail);
        }
        let lost = &self.link.view.writers.at(self.slot).lost;
        lost.store(lost.load(Relaxed).wrapping_add(1), Relaxed);
        Err(WriteError::Dropped)
    }

    /// Whether a frame may be next, as far as it knows.
    fn has_room(&self, tail: Mark, len: u32) -> bool {
        self.has_credit() && self.fits(tail.frame, self.place(tail.position, len), len)
    }

    /// Finds out how far the slowest strong reader is; answers the tail that this counts from.
    fn look(&mut self) -> Mark {
        let view = &self.link.view;
        let frames = view.geometry.frames;
        let data = view.geometry.data;
        let (tail, head) = if self.pipe {
            let head = Mark::from_word(view.readers.at(0).cursor.load(SeqCst));
            (self.next, head)
        } else {
            // Before the readers: one that comes meanwhile begins at this tail or behind it.
            let tail = view.tail();
            announce();
            let mut behind = Mark::default();
            let mut hold = |at: Mark| {
                let count = tail.frame.wrapping_sub(at.frame);
                // Ahead: it has read what others wrote since; or it has not found its place yet, and will
                // not be before this tail.
                if count as i32 >= 0 {
                    // More than there is: it is about to find its place, or its word is wrong.
                    let bytes = tail.position.wrapping_sub(at.position).min(data);
                    behind.frame = behind.frame.max(count.min(frames));
                    behind.position = behind.position.max(bytes);
                }
            };
            for (_, slot, _) in self.link.taken(Side::Readers) {
                if matches!(slot.role.load(SeqCst), ROLE_STRONG | ROLE_JOINING) {
                    hold(Mark::from_word(slot.cursor.load(SeqCst)));
                }
            }
            // Where no reader holds writers back, they would write over each other.
            for (index, slot, _) in self.link.taken(Side::Writers) {
                let Mark { frame, position } = Mark::from_word(slot.cursor.load(SeqCst));
                // Of a number that was taken before this tail, and not one that it only tries for.
                let takes = position & 1 != 0 && frame != tail.frame;
                if index != self.slot && takes && self.is_unstamped(frame) {
                    let position = position & !1;
                    hold(Mark { frame, position });
                }
            }
            let head = Mark {
                frame: tail.frame.wrapping_sub(behind.frame),
                position: tail.position.wrapping_sub(behind.position),
            };
            (tail, head)
        };
        if self.link.credits != 0 {
            while let Some(first) = self.out.front()
                && head.frame.wrapping_sub(*first) as i32 > 0
            {
                self.out.pop_front();
            }
        }
        self.limit = Mark {
            frame: head.frame.wrapping_add(frames),
            position: head.position.wrapping_add(data),
        };
        tail
    }

    /// Whether this number, which somebody tries for, is not stamped yet.
    fn is_unstamped(&self, frame: u32) -> bool {
        let stamp = self.descriptors.at(frame).stamp.load(SeqCst) as u32;
        frame.wrapping_add(1).wrapping_sub(stamp) as i32 > 0
    }

    /// Whether it may have one more frame out.
    fn has_credit(&self) -> bool {
        // Never more than there can be, or whoever tampers with the tail could have it remember any number.
        let most = self.link.credits.min(self.link.view.geometry.frames);
        self.link.credits == 0 || self.out.len() < most as usize
    }

    /// Takes a number and a stretch among other writers.
    fn compete(&mut self, len: u32) -> Result<(), WriteError> {
        let result = self.try_tail(len);
        if result.is_err() {
            let cursor = &self.link.view.writers.at(self.slot).cursor;
            // Who took nothing up has nobody wait. If that rang too, two writers that find no room would wake each
            // other for ever: every guest of a channel hears both bells.
            if cursor.load(Relaxed) != 0 {
                cursor.store(0, SeqCst);
                // A reader may have waited for what this one was about to take.
                self.link.wake(Side::Readers);
            }
        }
        result
    }

    fn try_tail(&mut self, len: u32) -> Result<(), WriteError> {
        if self.link.drains() {
            return Err(WriteError::Closed);
        }
        for _ in 0..MAX_TRIES {
            let mut tail = self.link.view.tail();
            if !self.has_room(tail, len) {
                tail = self.look_for_room(len)?;
            }
            let start = self.place(tail.position, len);
            let view = &self.link.view;
            let slot = view.writers.at(self.slot);
            slot.cursor.store(pair(tail.frame, start | 1), SeqCst);
            let after = Mark {
                frame: tail.frame.wrapping_add(1),
                position: start.wrapping_add(span(len)),
            };
            let word = view.tail.get();
            if word
                .compare_exchange(tail.word(), after.word(), SeqCst, Relaxed)
                .is_ok()
            {
                // Before the stretch is written: a weak reader that reads what is written over finds the
                // tail moved.
                fence(SeqCst);
                // For this one frame.
                self.next = tail;
                self.run = Run::of(&view.data, start, len);
                self.left = 1;
                if self.link.credits != 0 {
                    self.out.push_back(tail.frame);
                }
                return Ok(());
            }
        }
        Err(WriteError::Contended)
    }

    /// Has nothing be where a frame was to be.
    pub(super) fn give_up(&mut self, room: &Room) {
        // In a pipe nobody knows of it yet.
        if !self.pipe {
            self.stamp(room.start, VOID);
        }
    }

    /// Stamps the next frame, and sees to the readers.
    #[inline(always)]
    pub(super) fn stamp(&mut self, start: u32, len: u32) {
        let word = self.mark(start, len);
        if word != 0 {
            self.attend(word);
        }
    }

    /// Stamps the next frame; answers what the readers' word says then.
    #[inline(always)]
    fn mark(&mut self, start: u32, len: u32) -> u32 {
        let frame = self.next.frame;
        let next = frame.wrapping_add(1);
        let descriptor = self.descriptors.at(frame);
        descriptor.place.store(pair(start, self.id));
        // What was written before is there for who sees this.
        descriptor.stamp.store(pair(next, len), SeqCst);
        self.left = self.left.wrapping_sub(1);
        self.next = Mark {
            frame: next,
            position: start.wrapping_add(span(len)),
        };
        announce();
        self.readers_word.get().load(SeqCst)
    }

    /// Writes a frame into a pipe, and answers whether the reader sleeps: then the caller is to ring.
    #[cfg(not(loom))]
    #[inline(always)]
    pub(super) fn try_send_quietly(&mut self, frame: &[u8]) -> Result<bool, WriteError> {
        let len = u32::try_from(frame.len()).map_err(|_| WriteError::TooLong)?;
        let room = self.claim_room(len)?;
        // It is as long.
        let _ = room.slice.put(frame);
        let word = self.mark(room.start, len);
        if word & (DRAINS | TERMINATED) != 0 {
            self.left = 0;
        }
        let asleep =
            word & SLEEPS != 0 && self.readers_word.get().fetch_and(!SLEEPS, SeqCst) & SLEEPS != 0;
        Ok(asleep)
    }

    /// After a frame, where there is more to do.
    #[cold]
    #[inline(never)]
    fn attend(&mut self, word: u32) {
        if !self.pipe {
            self.left = 0;
            let slot = self.link.view.writers.at(self.slot);
            slot.cursor.store(0, SeqCst);
            // Those that would have written over this frame.
            self.link.wake(Side::Writers);
        }
        if word & (SLEEPS | ALWAYS) != 0 {
            self.link.wake_sleepers(Side::Readers);
        }
        if word & (DRAINS | TERMINATED) != 0 {
            // Has the next frame look for room, and find that there is none any more.
            self.left = 0;
        }
    }

    /// Frees the slots of those that are gone: they hold nobody back any more.
    pub(super) fn inspect(&self) {
        self.link.bury(Side::Readers);
        self.link.bury(Side::Writers);
    }

    /// Says that it is about to wait for room. It tries once more afterwards.
    pub(super) fn arm(&self) {
        self.link.arm(Side::Writers);
    }

    /// Keeps the channel open no longer.
    ///
    /// See the example of [`WriteEnd`].
    pub fn downgrade(&mut self) {
        let slot = self.link.view.writers.at(self.slot);
        slot.role.store(ROLE_WEAK, SeqCst);
        self.link.wake_sleepers(Side::Readers);
    }

    /// Frames that it dropped.
    ///
    /// See the example of [`WriteEnd`].
    pub fn dropped(&self) -> u32 {
        self.link.view.writers.at(self.slot).lost.load(Relaxed)
    }
}

impl Drop for WriteEnd {
    fn drop(&mut self) {
        self.link.leave(Side::Writers, self.slot);
    }
}

/// Which writer wrote a frame: its slot, and how many have had that before, modulo 2^16.
///
/// ```no_run
/// use userland::{channel::{Frame, WriterId}, info};
///
/// /// Notices that a peer was started again.
/// fn look(frame: &Frame<'_>, last: &mut Option<WriterId>) {
///     let id = frame.writer();
///     if last.is_some_and(|last| last.slot() == id.slot() && last != id) {
///         info!("writer {} is the {}th there", id.slot(), id.generation());
///     }
///     *last = Some(id);
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WriterId(pub(super) u32);

impl WriterId {
    /// Its place among the writers.
    ///
    /// See the example of [`WriterId`].
    pub const fn slot(self) -> u32 {
        self.0 & 0xffff
    }

    /// Tells it from those that had the place before and will have it: a peer that was started again
    /// has another.
    ///
    /// See the example of [`WriterId`].
    pub const fn generation(self) -> u32 {
        self.0 >> 16
    }
}
