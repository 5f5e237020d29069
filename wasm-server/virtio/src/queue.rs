// SPDX-License-Identifier: BSD-2-Clause
//! A guest's queue and the real one behind it.

use wasm_state::mailbox::Words;

use crate::{
    access::{GuestMemory, QueueMemory},
    chain::{Count, Walk, walk},
    error::{DriverFault, Fault},
    real::{Parts, Real},
    rings::{NO_INTERRUPT, Rings},
};

/// A queue that is set up.
#[derive(Debug)]
pub struct Queue<W, Q> {
    /// None: the guest has stopped it, and only the device goes on.
    rings: Option<Rings<W>>,
    real: Real<Q>,
    index: u8,
    /// How many descriptors have to be free for the chain that is next; 0: it is not known to want more
    /// than there are.
    wanted: u32,
    /// How far the guest's used ring was written when it last asked for news.
    seen: u16,
}

/// Why a queue is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The guest has kicked.
    Kick,
    /// The device may have used something.
    Interrupt,
    /// The guest sleeps until the device uses something.
    Wait,
}

impl<W: Words, Q: QueueMemory> Queue<W, Q> {
    /// An empty one. Sizes are powers of two; the guest's is not larger.
    pub fn new(rings: Rings<W>, parts: Parts<Q>, index: u8, size: u16) -> Self {
        Self {
            rings: Some(rings),
            real: Real::new(parts, index, size),
            index,
            wanted: 0,
            seen: 0,
        }
    }

    /// Whether the guest has not stopped it.
    #[inline]
    pub fn is_ready(&self) -> bool {
        self.rings.is_some()
    }

    /// The guest stops it: its rings are not looked at any more.
    pub fn stop(&mut self) {
        self.rings = None;
    }

    /// The queue that the device sees.
    #[inline]
    pub fn real(&self) -> &Real<Q> {
        &self.real
    }

    /// What the real queue was made of. The device does not know it any more.
    pub fn into_parts(self) -> Parts<Q> {
        self.real.into_parts()
    }

    /// Puts into the guest's used ring what the device has used, and into the real queue what the guest
    /// has made available, if it has kicked or there was no room before. Answers whether the device is to
    /// be notified.
    ///
    /// # Errors
    /// Either broke a rule.
    #[inline]
    pub fn turn<M: GuestMemory<Words = W>>(
        &mut self,
        memory: &M,
        cause: Cause,
    ) -> Result<bool, Fault> {
        let Some(rings) = &mut self.rings else {
            self.real.drain(|_, _| ()).map_err(Fault::Device)?;
            return Ok(false);
        };
        let (flags, index) = rings.available();
        let is_quiet = flags & NO_INTERRUPT != 0 && cause != Cause::Wait;
        self.real.set_quiet(is_quiet);
        if cause == Cause::Kick {
            self.seen = rings.used_index;
        }
        let drained = self.real.drain(|head, len| rings.put_used(head, len));
        if drained.map_err(Fault::Device)? {
            rings.publish_used();
        }
        let may_take = if self.wanted == 0 {
            cause == Cause::Kick
        } else {
            self.wanted <= self.real.free()
        };
        if !may_take {
            return Ok(false);
        }
        self.take(memory, index).map_err(|fault| Fault::Driver {
            queue: self.index,
            fault,
        })?;
        Ok(self.real.publish())
    }

    /// Takes what is available up to an index, as far as there is room.
    #[inline]
    fn take<M: GuestMemory<Words = W>>(
        &mut self,
        memory: &M,
        index: u16,
    ) -> Result<(), DriverFault> {
        let Some(rings) = &mut self.rings else {
            return Ok(());
        };
        self.wanted = 0;
        let size = u32::from(rings.size());
        // A chain that the guest has not got back has a descriptor at least.
        let most = size.wrapping_sub(self.real.in_flight());
        if u32::from(index.wrapping_sub(rings.taken)) > most {
            return Err(DriverFault::AvailableIndex(index));
        }
        while rings.taken != index {
            let head = rings.head();
            let mut chain = self.real.chain();
            match walk(&rings.table, size, head, memory, &mut chain)? {
                // A head is below the size, and fits a byte.
                Walk::Whole(writable) => chain.commit(head as u8, writable),
                Walk::NoRoom => {
                    let mut count = Count::new(self.real.size().into());
                    if walk(&rings.table, size, head, memory, &mut count)? == Walk::NoRoom {
                        return Err(DriverFault::TooScattered(head as u16));
                    }
                    self.wanted = count.pieces;
                    break;
                }
            }
            rings.taken = rings.taken.wrapping_add(1);
        }
        Ok(())
    }

    /// Whether the guest's used ring has something that was not there when the guest last kicked the
    /// queue, or when this last said so.
    pub fn has_news(&mut self) -> bool {
        let Some(rings) = &self.rings else {
            return false;
        };
        let news = rings.used_index != self.seen;
        self.seen = rings.used_index;
        news
    }
}
