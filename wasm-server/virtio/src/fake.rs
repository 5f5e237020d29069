// SPDX-License-Identifier: BSD-2-Clause
//! A virtio-mmio device that is not there: registers that behave, and queues that it serves by DMA when
//! it is told to. It complains of a driver, the server that is, that breaks a rule of virtio 1.2; and it
//! lies when it is told to.

use std::{
    boxed::Box,
    format,
    string::String,
    sync::{Mutex, MutexGuard, PoisonError},
    vec,
    vec::Vec,
};

use crate::{
    access::{Registers, Width},
    register::{self as reg, interrupt, status},
};

/// Physical memory, as a device reaches it.
pub trait Physical {
    /// Copies out.
    fn fetch(&self, at: u64, out: &mut [u8]);
    /// Copies in.
    fn deposit(&self, at: u64, bytes: &[u8]);
}

/// What a device is.
#[derive(Clone, Debug)]
pub struct Model {
    /// DeviceID.
    pub kind: u32,
    /// Features that it offers.
    pub features: u64,
    /// QueueNumMax of each queue.
    pub sizes: Vec<u32>,
}

/// A buffer of a chain, as the device sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Buffer {
    /// Physical address.
    pub at: u64,
    /// Bytes.
    pub len: u32,
    /// The device writes to it.
    pub write: bool,
}

/// A chain, as the device sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Index of its first descriptor.
    pub id: u16,
    /// Its buffers, in order.
    pub buffers: Vec<Buffer>,
}

/// What a register reads as instead: offset, then the true value.
pub type Lie = Box<dyn FnMut(u32, u32) -> u32 + Send>;

/// The device.
pub struct Fake<P> {
    physical: P,
    model: Model,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    status: u32,
    interrupt: u32,
    generation: u32,
    features_sel: u32,
    driver_sel: u32,
    driver_features: u64,
    queue_sel: u32,
    queues: Vec<Queue>,
    config: Vec<u8>,
    is_stuck: bool,
    lie: Option<Lie>,
    complaints: Vec<String>,
}

/// What the registers say of a queue, and how far it is served.
#[derive(Clone, Debug, Default)]
struct Queue {
    size: u32,
    ready: bool,
    addresses: [u64; 3],
    taken: u16,
    used: u16,
    notified: u32,
}

impl<P: Physical> Fake<P> {
    /// A device, just switched on.
    pub fn new(physical: P, model: Model) -> Self {
        let state = State {
            queues: vec![Queue::default(); model.sizes.len()],
            config: (0..=255).collect(),
            ..State::default()
        };
        Self {
            physical,
            model,
            state: Mutex::new(state),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the driver has done wrong.
    pub fn complaints(&self) -> Vec<String> {
        self.state().complaints.clone()
    }

    /// From now on a reset does not complete, or does again.
    pub fn set_stuck(&self, is_stuck: bool) {
        self.state().is_stuck = is_stuck;
    }

    /// From now on registers read as this says.
    pub fn set_lie(&self, lie: Option<Lie>) {
        self.state().lie = lie;
    }

    /// Status, as it is.
    pub fn status(&self) -> u32 {
        self.state().status
    }

    /// Changes Status all by itself.
    pub fn set_status(&self, status: u32) {
        self.state().status = status;
    }

    /// Features that the driver took.
    pub fn driver_features(&self) -> u64 {
        self.state().driver_features
    }

    /// Why it interrupts; 0: it does not.
    pub fn interrupt(&self) -> u32 {
        self.state().interrupt
    }

    /// Interrupts for these reasons.
    pub fn set_interrupt(&self, reasons: u32) {
        self.state().interrupt |= reasons;
    }

    /// How often a queue was notified since this was asked.
    pub fn notified(&self, queue: usize) -> u32 {
        core::mem::take(&mut self.state().queues[queue].notified)
    }

    /// Addresses of table, available and used ring of a queue that works.
    pub fn rings(&self, queue: usize) -> Option<[u64; 3]> {
        let state = self.state();
        let works = state.status & status::DRIVER_OK != 0 && state.queues[queue].ready;
        works.then(|| state.queues[queue].addresses)
    }

    /// Size of a queue.
    pub fn size(&self, queue: usize) -> u16 {
        self.state().queues[queue].size as u16
    }

    fn load16(&self, at: u64) -> u16 {
        let mut out = [0; 2];
        self.physical.fetch(at, &mut out);
        u16::from_le_bytes(out)
    }

    fn complain(&self, what: String) {
        self.state().complaints.push(what);
    }

    /// Says whether it wants to be notified.
    pub fn want_notifications(&self, queue: usize, wants: bool) {
        if let Some([_, _, used]) = self.rings(queue) {
            self.physical
                .deposit(used, &u16::from(!wants).to_le_bytes());
        }
    }

    /// The chain at a descriptor of a queue.
    pub fn chain(&self, queue: usize, id: u16) -> Chain {
        let size = self.size(queue);
        let [table, ..] = self.rings(queue).expect("a queue that works");
        let mut buffers: Vec<Buffer> = Vec::new();
        let mut index = id;
        loop {
            if index >= size || buffers.len() == usize::from(size) {
                self.complain(format!("chain {id} of queue {queue} goes to {index}"));
                break;
            }
            let mut bytes = [0; 16];
            self.physical
                .fetch(table + 16 * u64::from(index), &mut bytes);
            let word = |i: usize| u32::from_le_bytes([0, 1, 2, 3].map(|j| bytes[4 * i + j]));
            let (flags, next) = (word(3) as u16, (word(3) >> 16) as u16);
            let buffer = Buffer {
                at: u64::from(word(1)) << 32 | u64::from(word(0)),
                len: word(2),
                write: flags & 2 != 0,
            };
            let late = !buffer.write && buffers.last().is_some_and(|last| last.write);
            if late || buffer.len == 0 || flags & !3 != 0 {
                self.complain(format!("queue {queue}: {buffer:?} with flags {flags}"));
            }
            buffers.push(buffer);
            if flags & 1 == 0 {
                break;
            }
            index = next;
        }
        Chain { id, buffers }
    }

    /// Takes the next chain that is available, if there is one.
    pub fn take(&self, queue: usize) -> Option<Chain> {
        let [_, available, _] = self.rings(queue)?;
        let size = self.size(queue);
        let index = self.load16(available + 2);
        let taken = self.state().queues[queue].taken;
        let new = index.wrapping_sub(taken);
        if new > size {
            self.complain(format!("queue {queue}: index {taken} goes to {index}"));
        }
        if new == 0 || new > size {
            return None;
        }
        let id = self.load16(available + 4 + 2 * u64::from(taken % size));
        self.state().queues[queue].taken = taken.wrapping_add(1);
        Some(self.chain(queue, id))
    }

    /// All that it may read of a chain.
    pub fn receive(&self, chain: &Chain) -> Vec<u8> {
        let mut out = Vec::new();
        for buffer in chain.buffers.iter().filter(|buffer| !buffer.write) {
            let start = out.len();
            out.resize(start + buffer.len as usize, 0);
            self.physical.fetch(buffer.at, &mut out[start..]);
        }
        out
    }

    /// Writes to the chain's buffers, as much as there is room for.
    pub fn answer(&self, chain: &Chain, mut bytes: &[u8]) {
        for buffer in chain.buffers.iter().filter(|buffer| buffer.write) {
            let here = bytes.len().min(buffer.len as usize);
            self.physical.deposit(buffer.at, &bytes[..here]);
            bytes = &bytes[here..];
        }
    }

    /// Puts an entry into the used ring, and interrupts if that is wanted; answers whether it is.
    pub fn put(&self, queue: usize, id: u32, len: u32) -> bool {
        let Some([_, available, used]) = self.rings(queue) else {
            return false;
        };
        let size = self.size(queue);
        let at = self.state().queues[queue].used;
        let entry = used + 4 + 8 * u64::from(at % size);
        self.physical.deposit(entry, &id.to_le_bytes());
        self.physical.deposit(entry + 4, &len.to_le_bytes());
        self.set_used(queue, at.wrapping_add(1));
        let wants = self.load16(available) & 1 == 0;
        if wants {
            self.set_interrupt(interrupt::USED);
        }
        wants
    }

    /// Sets the used index, as it likes.
    pub fn set_used(&self, queue: usize, index: u16) {
        if let Some([_, _, used]) = self.rings(queue) {
            self.state().queues[queue].used = index;
            self.physical.deposit(used + 2, &index.to_le_bytes());
        }
    }

    /// The used index.
    pub fn used(&self, queue: usize) -> u16 {
        self.state().queues[queue].used
    }

    fn reset(state: &mut State) {
        for queue in &mut state.queues {
            *queue = Queue::default();
        }
        state.status = 0;
        state.interrupt = 0;
        state.driver_features = 0;
    }

    fn true_read(&self, offset: u32, width: Width) -> u32 {
        let state = self.state();
        let sel = state.queue_sel as usize;
        if offset >= reg::CONFIG {
            let start = (offset - reg::CONFIG) as usize;
            let bytes = &state.config[start..start + width.bytes() as usize];
            return bytes
                .iter()
                .rev()
                .fold(0, |value, &byte| value << 8 | u32::from(byte));
        }
        match offset {
            reg::MAGIC_VALUE => reg::MAGIC,
            reg::VERSION => 2,
            reg::DEVICE_ID => self.model.kind,
            reg::VENDOR_ID => 0x554d_4551,
            reg::DEVICE_FEATURES => match state.features_sel {
                0 => self.model.features as u32,
                1 => (self.model.features >> 32) as u32,
                _ => 0,
            },
            reg::QUEUE_NUM_MAX => self.model.sizes.get(sel).copied().unwrap_or(0),
            reg::QUEUE_READY => state
                .queues
                .get(sel)
                .is_some_and(|queue| queue.ready)
                .into(),
            reg::INTERRUPT_STATUS => state.interrupt,
            reg::STATUS => state.status,
            reg::CONFIG_GENERATION => state.generation,
            _ => {
                drop(state);
                self.complain(format!("a read at {offset:#x}"));
                0
            }
        }
    }
}

impl<P: Physical> Registers for Fake<P> {
    fn read(&self, offset: u32, width: Width) -> u32 {
        self.check(offset, width);
        let value = self.true_read(offset, width);
        let mut state = self.state();
        match &mut state.lie {
            Some(lie) => lie(offset, value) & width.max(),
            None => value,
        }
    }

    fn write(&self, offset: u32, width: Width, value: u32) {
        self.check(offset, width);
        let mut guard = self.state();
        let state = &mut *guard;
        if offset >= reg::CONFIG {
            let start = (offset - reg::CONFIG) as usize;
            let bytes = &value.to_le_bytes()[..width.bytes() as usize];
            state.config[start..start + bytes.len()].copy_from_slice(bytes);
            state.generation = state.generation.wrapping_add(1);
            return;
        }
        let is_live = state.status & status::DRIVER_OK != 0;
        let sel = state.queue_sel as usize;
        let mut complain = |what: &str| {
            let text = format!(
                "{what}: {value:#x} to {offset:#x} in status {:#x}",
                state.status
            );
            state.complaints.push(text);
        };
        let (address, low) = match offset {
            reg::QUEUE_DESC_LOW | reg::QUEUE_DESC_HIGH => (0, reg::QUEUE_DESC_LOW),
            reg::QUEUE_DRIVER_LOW | reg::QUEUE_DRIVER_HIGH => (1, reg::QUEUE_DRIVER_LOW),
            reg::QUEUE_DEVICE_LOW | reg::QUEUE_DEVICE_HIGH => (2, reg::QUEUE_DEVICE_LOW),
            _ => (3, 0),
        };
        match (offset, state.queues.get_mut(sel)) {
            (reg::DEVICE_FEATURES_SEL, _) => state.features_sel = value,
            (reg::DRIVER_FEATURES_SEL, _) => state.driver_sel = value,
            (reg::DRIVER_FEATURES, _) => {
                if state.status & status::FEATURES_OK != 0 || state.driver_sel > 1 {
                    complain("features too late");
                }
                let shift = 32 * (state.driver_sel & 1);
                state.driver_features &= !(u64::from(u32::MAX) << shift);
                state.driver_features |= u64::from(value) << shift;
            }
            (reg::QUEUE_SEL, _) => state.queue_sel = value,
            (reg::QUEUE_NOTIFY, _) => match state.queues.get_mut(value as usize) {
                Some(queue) if queue.ready && is_live => queue.notified += 1,
                _ => complain("a notification"),
            },
            (reg::INTERRUPT_ACK, _) => {
                if value & !interrupt::ALL != 0 {
                    complain("reasons");
                }
                state.interrupt &= !value;
            }
            (reg::STATUS, _) if value == 0 => {
                if !state.is_stuck {
                    Self::reset(state);
                }
            }
            (reg::STATUS, _) => {
                let unknown = self.model.features & state.driver_features != state.driver_features;
                if state.status & !value & !status::DEVICE_NEEDS_RESET != 0 {
                    complain("a bit of the status is cleared");
                }
                state.status = if unknown {
                    value & !status::FEATURES_OK
                } else {
                    value
                };
            }
            (_, Some(queue)) if !queue.ready && !is_live && offset == reg::QUEUE_NUM => {
                queue.size = value;
            }
            (_, Some(queue)) if !queue.ready && !is_live && offset == reg::QUEUE_READY => {
                let max = self.model.sizes[sel];
                if !queue.size.is_power_of_two() || queue.size > max || value != 1 {
                    complain("a queue");
                } else {
                    queue.ready = true;
                }
            }
            (_, Some(queue)) if !queue.ready && !is_live && address < 3 => {
                let shift = 8 * (offset - low);
                let address = &mut queue.addresses[address];
                *address &= !(u64::from(u32::MAX) << shift);
                *address |= u64::from(value) << shift;
            }
            _ => complain("a write"),
        }
    }
}

impl<P> Fake<P> {
    /// What [`Registers`] promises.
    fn check(&self, offset: u32, width: Width) {
        let end = offset.checked_add(width.bytes());
        assert!(
            end.is_some_and(|end| end <= reg::LEN) && offset.is_multiple_of(width.bytes()),
            "an access of {width:?} at {offset:#x}"
        );
        assert!(
            offset >= reg::CONFIG || width == Width::Word,
            "an access of {width:?} at {offset:#x}"
        );
    }
}
