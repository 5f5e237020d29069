// SPDX-License-Identifier: BSD-2-Clause
//! The register file that a guest sees (virtio 1.2, 4.2.2). The guest's writes reach a register of the real
//! device in five places of this file: the configuration, InterruptACK, Status, features that were checked,
//! and a queue that the server made.

use wasm_state::mailbox::Words;

use super::{Device, Slot};
use crate::{
    access::{GuestMemory, QueueMemory, Registers, Width},
    error::{DeviceFault, Error, Fault},
    identity::VERSION_1,
    queue::Queue,
    real::Parts,
    register::{self as reg, status},
    rings::Rings,
};

impl<W: Words, Q: QueueMemory> Device<W, Q> {
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

    /// The guest writes to Status (virtio 1.2, 2.1 and 3.1.1).
    fn set_status<R: Registers>(&mut self, regs: &R, value: u32) -> Result<(), Error> {
        if value == 0 {
            return self.reset(regs);
        }
        if self.status & status::DEVICE_NEEDS_RESET != 0 {
            return Err(Error::NeedsReset);
        }
        let has = |bits| value & bits == bits;
        let needs = |step, before| !has(step) || has(before);
        let is_known = value & !status::DRIVERS == 0;
        let keeps_all = has(self.status);
        if !(is_known
            && keeps_all
            && needs(status::DRIVER, status::ACKNOWLEDGE)
            && needs(status::FEATURES_OK, status::DRIVER)
            && needs(status::DRIVER_OK, status::FEATURES_OK))
        {
            return Err(Error::InvalidValue);
        }
        let mut next = value;
        let is_new = value & !self.status & status::FEATURES_OK != 0;
        if is_new && !self.negotiate(regs, value) {
            // The driver finds it missing when it reads Status.
            next &= !status::FEATURES_OK;
            if next & status::DRIVER_OK != 0 {
                return Err(Error::InvalidValue);
            }
        }
        regs.write(reg::STATUS, Width::Word, next);
        self.status = next;
        Ok(())
    }

    /// Whether the device takes the features that the guest took, which must be of those offered, on its way
    /// to this status.
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
        let now = self.status;
        let slot = self.slot_mut(queue).ok_or(Error::InvalidValue)?;
        if slot.queue.is_some() {
            return Err(Error::Busy);
        }
        if now & status::DEVICE_NEEDS_RESET != 0 {
            return Err(Error::NeedsReset);
        }
        // Features first, and nothing is added once the device is driven (virtio 1.2, 3.1.1).
        if now & (status::FEATURES_OK | status::DRIVER_OK) != status::FEATURES_OK {
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
        let [table, available, used] = new.real().addresses();
        self.places = self.places.max(queue as usize + 1);

        let write = |offset, value| regs.write(offset, Width::Word, value);
        write(reg::QUEUE_SEL, queue);
        let was_ready = regs.read(reg::QUEUE_READY, Width::Word);
        write(reg::QUEUE_NUM, size.into());
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

/// Whether an access is inside the configuration, and aligned.
fn check_config(offset: u32, width: Width) -> Result<(), Error> {
    let is_inside = offset <= reg::LEN - width.bytes();
    if is_inside && offset.is_multiple_of(width.bytes()) {
        Ok(())
    } else {
        Err(Error::NoRegister)
    }
}
