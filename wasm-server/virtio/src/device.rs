// SPDX-License-Identifier: BSD-2-Clause
//! The device as a guest sees it: the register file, and what follows from it.

use core::hint::spin_loop;

use wasm_state::mailbox::Words;

use crate::{
    MAX_QUEUES,
    access::{GuestMemory, QueueMemory, Registers, Width},
    error::{DeviceFault, Error, Fault},
    identity::{Identity, Unsupported, VERSION_1},
    queue::{Cause, Queue},
    real::Parts,
    register::{self as reg, interrupt, status},
    rings::Rings,
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

    /// Loads a register.
    ///
    /// # Errors
    /// [`Error::NoRegister`].
    pub fn read<R: Registers>(
        &mut self,
        regs: &R,
        offset: u32,
        width: Width,
    ) -> Result<u32, Error> {
        if offset >= reg::CONFIG {
            check_config(offset, width)?;
            return Ok(regs.read(offset, width));
        }
        if width != Width::Word {
            return Err(Error::NoRegister);
        }
        Ok(match offset {
            reg::MAGIC_VALUE => reg::MAGIC,
            reg::VERSION => 2,
            reg::DEVICE_ID => self.identity.kind,
            reg::VENDOR_ID => self.identity.vendor,
            reg::DEVICE_FEATURES => match self.features_sel {
                0 => self.identity.features as u32,
                1 => (self.identity.features >> 32) as u32,
                _ => 0,
            },
            reg::QUEUE_NUM_MAX => self.queue_size(self.queue_sel).into(),
            reg::QUEUE_READY => {
                let queue = self.slot(self.queue_sel).and_then(|s| s.queue.as_ref());
                queue.is_some_and(Queue::is_ready).into()
            }
            reg::INTERRUPT_STATUS => self.interrupts(regs),
            reg::STATUS => {
                // Its faults show in what is answered.
                let _ = self.check_status(regs);
                self.status
            }
            reg::CONFIG_GENERATION => regs.read(offset, width),
            _ => return Err(Error::NoRegister),
        })
    }

    /// Stores to a register. `make_queue` makes the memory of a queue; it is called once at most for each
    /// queue of the device, and a reset does not give the memory back.
    ///
    /// # Errors
    /// See [`Error`].
    pub fn write<R: Registers, M: GuestMemory<Words = W>, E>(
        &mut self,
        regs: &R,
        memory: &M,
        make_queue: impl FnMut() -> Result<Q, E>,
        offset: u32,
        width: Width,
        value: u32,
    ) -> Result<(), Error<E>> {
        if offset >= reg::CONFIG {
            check_config(offset, width).map_err(Error::widen)?;
            if value > width.max() {
                return Err(Error::InvalidValue);
            }
            regs.write(offset, width, value);
            return Ok(());
        }
        if width != Width::Word {
            return Err(Error::NoRegister);
        }
        match offset {
            reg::DEVICE_FEATURES_SEL => self.features_sel = value,
            reg::DRIVER_FEATURES_SEL => self.driver_features_sel = value,
            reg::DRIVER_FEATURES => {
                self.set_features(value).map_err(Error::widen)?;
            }
            reg::QUEUE_SEL => self.queue_sel = value,
            reg::QUEUE_NUM => self.idle_slot().map_err(Error::widen)?.size = value,
            reg::QUEUE_READY => match value {
                0 => self.stop().map_err(Error::widen)?,
                1 => self.set_up(regs, memory, make_queue)?,
                _ => return Err(Error::InvalidValue),
            },
            reg::QUEUE_NOTIFY => self.kick(regs, memory, value).map_err(Error::widen)?,
            reg::INTERRUPT_ACK => self.acknowledge(regs, value).map_err(Error::widen)?,
            reg::STATUS => self.set_status(regs, value).map_err(Error::widen)?,
            reg::QUEUE_DESC_LOW | reg::QUEUE_DESC_HIGH => {
                self.set_address(0, offset - reg::QUEUE_DESC_LOW, value)
                    .map_err(Error::widen)?;
            }
            reg::QUEUE_DRIVER_LOW | reg::QUEUE_DRIVER_HIGH => {
                self.set_address(1, offset - reg::QUEUE_DRIVER_LOW, value)
                    .map_err(Error::widen)?;
            }
            reg::QUEUE_DEVICE_LOW | reg::QUEUE_DEVICE_HIGH => {
                self.set_address(2, offset - reg::QUEUE_DEVICE_LOW, value)
                    .map_err(Error::widen)?;
            }
            _ => return Err(Error::NoRegister),
        }
        Ok(())
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
        for (index, slot) in (0..).zip(&mut self.slots) {
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
        let mut queues = self.slots.iter().filter_map(|slot| slot.queue.as_ref());
        queues.any(|queue| queue.real().has_used())
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

    /// Size of the real queue.
    fn queue_size(&self, queue: u32) -> u16 {
        let index = usize::try_from(queue).ok();
        let size = index.and_then(|index| self.identity.sizes.get(index));
        size.copied().unwrap_or(0)
    }

    /// The selected queue's place, if its registers can be written.
    fn idle_slot(&mut self) -> Result<&mut Slot<W, Q>, Error> {
        if self.queue_size(self.queue_sel) == 0 {
            return Err(Error::InvalidValue);
        }
        let slot = self.slot_mut(self.queue_sel).ok_or(Error::InvalidValue)?;
        if slot.queue.as_ref().is_some_and(Queue::is_ready) {
            return Err(Error::Busy);
        }
        Ok(slot)
    }

    fn set_address(&mut self, which: usize, half: u32, value: u32) -> Result<(), Error> {
        let slot = self.idle_slot()?;
        if let Some(address) = slot.addresses.get_mut(which) {
            let shift = 8 * half;
            *address = *address & !(u64::from(u32::MAX) << shift) | u64::from(value) << shift;
        }
        Ok(())
    }

    fn set_features(&mut self, value: u32) -> Result<(), Error> {
        if self.status & status::FEATURES_OK != 0 {
            return Err(Error::InvalidValue);
        }
        let shift = match self.driver_features_sel {
            0 => 0,
            1 => 32,
            // Nothing is offered there.
            _ if value == 0 => return Ok(()),
            _ => return Err(Error::InvalidValue),
        };
        self.features = self.features & !(u64::from(u32::MAX) << shift) | u64::from(value) << shift;
        Ok(())
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

    /// The guest writes to Status (virtio 1.2, 2.1 and 3.1.1).
    fn set_status<R: Registers>(&mut self, regs: &R, value: u32) -> Result<(), Error> {
        if value == 0 {
            return self.reset(regs);
        }
        if self.status & status::DEVICE_NEEDS_RESET != 0 {
            return Err(Error::NeedsReset);
        }
        let next = value;
        let has = |bits| next & bits == bits;
        let needs = |step, before| !has(step) || has(before);
        let is_known = next & !status::DRIVERS == 0;
        let keeps = has(self.status);
        if !(is_known
            && keeps
            && needs(status::DRIVER, status::ACKNOWLEDGE)
            && needs(status::FEATURES_OK, status::DRIVER)
            && needs(status::DRIVER_OK, status::FEATURES_OK))
        {
            return Err(Error::InvalidValue);
        }
        let mut next = next;
        if has_new(self.status, next, status::FEATURES_OK) && !self.negotiate(regs, next) {
            next &= !status::FEATURES_OK;
            if next & status::DRIVER_OK != 0 {
                return Err(Error::InvalidValue);
            }
        }
        regs.write(reg::STATUS, Width::Word, next);
        self.status = next;
        Ok(())
    }

    /// Whether the device takes the features that the guest took, which must be of those offered.
    fn negotiate<R: Registers>(&mut self, regs: &R, next: u32) -> bool {
        let features = self.features;
        if features & !self.identity.features != 0 || features & VERSION_1 == 0 {
            return false;
        }
        for (sel, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            regs.write(reg::DRIVER_FEATURES_SEL, Width::Word, sel);
            regs.write(reg::DRIVER_FEATURES, Width::Word, half);
        }
        let before = next & !(status::DRIVER_OK | status::FAILED);
        regs.write(reg::STATUS, Width::Word, before);
        regs.read(reg::STATUS, Width::Word) & status::FEATURES_OK != 0
    }

    /// QueueReady = 0.
    fn stop(&mut self) -> Result<(), Error> {
        let slot = self.slot_mut(self.queue_sel).ok_or(Error::InvalidValue)?;
        if let Some(queue) = &mut slot.queue {
            queue.stop();
        }
        Ok(())
    }

    /// QueueReady = 1.
    fn set_up<R: Registers, M: GuestMemory<Words = W>, E>(
        &mut self,
        regs: &R,
        memory: &M,
        mut make_queue: impl FnMut() -> Result<Q, E>,
    ) -> Result<(), Error<E>> {
        let queue = self.queue_sel;
        let size = self.queue_size(queue);
        let status = self.status;
        let slot = self.slot_mut(queue).ok_or(Error::InvalidValue)?;
        if slot.queue.is_some() {
            return Err(Error::Busy);
        }
        if status & status::DEVICE_NEEDS_RESET != 0 {
            return Err(Error::NeedsReset);
        }
        // Features first, and nothing is added once the device is driven (virtio 1.2, 3.1.1).
        if status & (status::FEATURES_OK | status::DRIVER_OK) != status::FEATURES_OK {
            return Err(Error::InvalidValue);
        }
        let guest_size = u16::try_from(slot.size)
            .ok()
            .filter(|&wish| wish.is_power_of_two() && wish <= size);
        let guest_size = guest_size.ok_or(Error::InvalidValue)?;
        let rings = Rings::new(memory, guest_size, slot.addresses).ok_or(Error::InvalidValue)?;
        let parts = match slot.spare.take() {
            Some(parts) => parts,
            None => Parts::new(make_queue().map_err(Error::NoMemory)?).ok_or(Error::NoTables)?,
        };
        let new = slot
            .queue
            .insert(Queue::new(rings, parts, queue as u8, size));

        let write = |offset, value| regs.write(offset, Width::Word, value);
        write(reg::QUEUE_SEL, queue);
        let was_ready = regs.read(reg::QUEUE_READY, Width::Word);
        let [table, available, used] = new.real().addresses();
        write(reg::QUEUE_NUM, new.real().size().into());
        write(reg::QUEUE_DESC_LOW, table as u32);
        write(reg::QUEUE_DESC_HIGH, (table >> 32) as u32);
        write(reg::QUEUE_DRIVER_LOW, available as u32);
        write(reg::QUEUE_DRIVER_HIGH, (available >> 32) as u32);
        write(reg::QUEUE_DEVICE_LOW, used as u32);
        write(reg::QUEUE_DEVICE_HIGH, (used >> 32) as u32);
        write(reg::QUEUE_READY, 1);
        let is_ready = regs.read(reg::QUEUE_READY, Width::Word);
        if (was_ready, is_ready) != (0, 1) {
            let fault = Fault::Device(DeviceFault::Queue(queue as u8));
            return Err(self.break_off(regs, fault).widen());
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

/// Whether a bit was set just now.
fn has_new(before: u32, now: u32, bit: u32) -> bool {
    now & !before & bit != 0
}

/// Whether an access is inside the configuration, and aligned.
fn check_config(offset: u32, width: Width) -> Result<(), Error> {
    let is_inside = offset <= reg::LEN - width.bytes();
    if is_inside && offset.is_multiple_of(width.bytes()) {
        Ok(())
    } else {
        Err(Error::NoRegister)
    }
}
