// SPDX-License-Identifier: BSD-2-Clause
//! The device as a guest sees it: the register file, and what follows from it.

mod registers;

use core::hint::spin_loop;

use wasm_state::mailbox::Words;

use crate::{
    MAX_QUEUES,
    access::{GuestMemory, QueueMemory, Registers, Width},
    error::{DeviceFault, Error, Fault},
    identity::{Identity, Unsupported},
    queue::{Cause, Queue},
    real::Parts,
    register::{self as reg, interrupt, status},
};

/// How often a device is asked whether its reset is complete.
const RESET_POLLS: u32 = 10_000;

/// A device that a guest drives. Whoever has it lets one at a time in.
#[derive(Debug)]
pub struct Device<W, Q> {
    identity: Identity,
    /// Status as the guest sees it.
    status: u32,
    /// What the guest took of the features.
    features: u64,
    features_sel: u32,
    driver_features_sel: u32,
    queue_sel: u32,
    /// The guest has not acknowledged yet that the device was broken off.
    is_news: bool,
    /// How many places there are up to the last with a queue.
    places: usize,
    slots: [Slot<W, Q>; MAX_QUEUES],
}

/// A queue's place.
#[derive(Debug)]
struct Slot<W, Q> {
    /// QueueNum as it was written.
    size: u32,
    /// Guest addresses of table, available and used ring as they were written.
    addresses: [u64; 3],
    queue: Option<Queue<W, Q>>,
    /// Of the queue that was here before a reset.
    spare: Option<Parts<Q>>,
}

impl<W, Q> Default for Slot<W, Q> {
    fn default() -> Self {
        Self {
            size: 0,
            addresses: [0; 3],
            queue: None,
            spare: None,
        }
    }
}

impl<W: Words, Q: QueueMemory> Device<W, Q> {
    /// The device behind these registers, which nobody drives. It is reset.
    ///
    /// # Errors
    /// It is none that a guest can have.
    pub fn new<R: Registers>(regs: &R) -> Result<Self, Unsupported> {
        let identity = Identity::ask(regs)?;
        halt(regs).map_err(|_| Unsupported::Stuck)?;
        Ok(Self {
            identity,
            status: 0,
            features: 0,
            features_sel: 0,
            driver_features_sel: 0,
            queue_sel: 0,
            is_news: false,
            places: 0,
            slots: Default::default(),
        })
    }

    /// What it is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Status as the guest has last seen it; for show.
    pub fn status(&self) -> u32 {
        self.status
    }

    /// Takes what the guest has made available in a queue, and tells the device; before that, brings the
    /// guest's used ring up to date. The queue's NO_INTERRUPT is looked at here and in
    /// [`Device::collect`].
    ///
    /// # Errors
    /// See [`Error`].
    #[inline]
    pub fn kick<R: Registers, M: GuestMemory<Words = W>>(
        &mut self,
        regs: &R,
        memory: &M,
        queue: u32,
    ) -> Result<(), Error> {
        self.turn(regs, memory, queue, Cause::Kick)
    }

    /// Brings the guest's used rings up to date, and takes what there was no room for before.
    ///
    /// # Errors
    /// See [`Error`]; a device that is not driven has nothing, and that is none.
    #[inline]
    pub fn collect<R: Registers, M: GuestMemory<Words = W>>(
        &mut self,
        regs: &R,
        memory: &M,
    ) -> Result<(), Error> {
        if !self.is_live() {
            return Ok(());
        }
        for (index, slot) in (0..).zip(self.slots.iter_mut().take(self.places)) {
            let Some(queue) = &mut slot.queue else {
                continue;
            };
            match queue.turn(memory, Cause::Interrupt) {
                Ok(true) => regs.write(reg::QUEUE_NOTIFY, Width::Word, index),
                Ok(false) => {}
                Err(fault) => return Err(self.break_off(regs, fault)),
            }
        }
        Ok(())
    }

    /// Acknowledges the device's interrupt, answers what it was for ([`interrupt`]), and then collects.
    /// What the device uses from then on interrupts again.
    ///
    /// # Errors
    /// See [`Error`]; of a device that is broken off already it answers the reason, once.
    pub fn ack<R: Registers, M: GuestMemory<Words = W>>(
        &mut self,
        regs: &R,
        memory: &M,
    ) -> Result<u32, Error> {
        let reasons = self.interrupts(regs);
        // Before the look at the rings: an interrupt that comes behind it stays.
        self.acknowledge(regs, reasons)?;
        if reasons & interrupt::CONFIG != 0 {
            self.check_status(regs)?;
        }
        self.collect(regs, memory)?;
        Ok(reasons)
    }

    /// For a guest that is going to sleep until its used ring of the queue has something new, which is
    /// what was not there when it last kicked the queue, or when this last answered true. Brings the ring
    /// up to date; if the answer is false, the device interrupts for the next that it uses, whatever the
    /// guest's NO_INTERRUPT says: [`Device::ack`], and ask again.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn wait<R: Registers, M: GuestMemory<Words = W>>(
        &mut self,
        regs: &R,
        memory: &M,
        queue: u32,
    ) -> Result<bool, Error> {
        self.turn(regs, memory, queue, Cause::Wait)?;
        let queue = self.slot_mut(queue).and_then(|s| s.queue.as_mut());
        Ok(queue.is_some_and(Queue::has_news))
    }

    /// Whether the device has used something that the guest has not been told.
    #[inline]
    pub fn has_used(&self) -> bool {
        let mut slots = self.slots.iter().take(self.places);
        slots.any(|slot| {
            slot.queue
                .as_ref()
                .is_some_and(|queue| queue.real().has_used())
        })
    }

    /// Whether a chain that the device has touches a range of the guest's memory. What it has used is its
    /// own no more once it was collected.
    pub fn in_flight(&self, address: u32, len: u32) -> bool {
        let (start, end) = (u64::from(address), u64::from(address) + u64::from(len));
        let mut queues = self.slots.iter().filter_map(|slot| slot.queue.as_ref());
        queues.any(|queue| queue.real().touches(start, end))
    }

    /// Resets device and registers. From then on the device accesses no memory.
    ///
    /// # Errors
    /// [`Error::Stuck`]: it may access all that it could before, whose memory must not be used for
    /// anything else.
    pub fn reset<R: Registers>(&mut self, regs: &R) -> Result<(), Error> {
        self.halt(regs).inspect_err(|_| {
            self.status |= status::DEVICE_NEEDS_RESET;
        })?;
        self.status = 0;
        self.features = 0;
        self.features_sel = 0;
        self.driver_features_sel = 0;
        self.queue_sel = 0;
        self.is_news = false;
        for slot in &mut self.slots {
            slot.size = 0;
            slot.addresses = [0; 3];
        }
        Ok(())
    }

    /// Breaks off: the device is reset, and the guest sees that it has to do the same. If the device does
    /// not complete its reset, its queues stay what they are, and what is in flight stays so.
    pub fn break_off<R: Registers>(&mut self, regs: &R, fault: Fault) -> Error {
        self.status |= status::DEVICE_NEEDS_RESET;
        self.is_news = true;
        // What it cannot reset now, the guest's own reset tries again.
        let _ = self.halt(regs);
        Error::Broken(fault)
    }

    /// Resets the device and lets go of its queues.
    fn halt<R: Registers>(&mut self, regs: &R) -> Result<(), Error> {
        halt(regs)?;
        for slot in &mut self.slots {
            if let Some(queue) = slot.queue.take() {
                slot.spare = Some(queue.into_parts());
            }
        }
        self.places = 0;
        Ok(())
    }

    /// Whether queues work.
    #[inline]
    fn is_live(&self) -> bool {
        const DEAD: u32 = status::DEVICE_NEEDS_RESET | status::FAILED;
        self.status & (DEAD | status::DRIVER_OK) == status::DRIVER_OK
    }

    #[inline]
    fn turn<R: Registers, M: GuestMemory<Words = W>>(
        &mut self,
        regs: &R,
        memory: &M,
        queue: u32,
        cause: Cause,
    ) -> Result<(), Error> {
        if !self.is_live() {
            return Err(self.not_live());
        }
        let slot = self.slot_mut(queue).and_then(|slot| slot.queue.as_mut());
        let Some(live) = slot.filter(|queue| queue.is_ready()) else {
            return Err(Error::NotReady);
        };
        match live.turn(memory, cause) {
            Ok(true) => regs.write(reg::QUEUE_NOTIFY, Width::Word, queue),
            Ok(false) => {}
            Err(fault) => return Err(self.break_off(regs, fault)),
        }
        Ok(())
    }

    fn not_live(&self) -> Error {
        if self.status & status::DEVICE_NEEDS_RESET != 0 {
            Error::NeedsReset
        } else {
            Error::NotReady
        }
    }

    #[inline]
    fn slot(&self, queue: u32) -> Option<&Slot<W, Q>> {
        self.slots.get(usize::try_from(queue).ok()?)
    }

    #[inline]
    fn slot_mut(&mut self, queue: u32) -> Option<&mut Slot<W, Q>> {
        self.slots.get_mut(usize::try_from(queue).ok()?)
    }

    /// What the device interrupts for, or would.
    fn interrupts<R: Registers>(&self, regs: &R) -> u32 {
        let own = if self.is_news { interrupt::CONFIG } else { 0 };
        regs.read(reg::INTERRUPT_STATUS, Width::Word) & interrupt::ALL | own
    }

    fn acknowledge<R: Registers>(&mut self, regs: &R, reasons: u32) -> Result<(), Error> {
        if reasons & !interrupt::ALL != 0 {
            return Err(Error::InvalidValue);
        }
        if reasons & interrupt::CONFIG != 0 {
            self.is_news = false;
        }
        if reasons != 0 {
            regs.write(reg::INTERRUPT_ACK, Width::Word, reasons);
        }
        Ok(())
    }

    /// Looks whether the device, if it is driven, is what it was made.
    fn check_status<R: Registers>(&mut self, regs: &R) -> Result<(), Error> {
        if self.is_live() {
            let real = regs.read(reg::STATUS, Width::Word);
            if real != self.status {
                let fault = Fault::Device(DeviceFault::Status(real));
                return Err(self.break_off(regs, fault));
            }
        }
        Ok(())
    }
}

/// Resets the device and waits for it.
fn halt<R: Registers>(regs: &R) -> Result<(), Error> {
    regs.write(reg::STATUS, Width::Word, 0);
    for _ in 0..RESET_POLLS {
        if regs.read(reg::STATUS, Width::Word) == 0 {
            return Ok(());
        }
        spin_loop();
    }
    Err(Error::Stuck)
}
