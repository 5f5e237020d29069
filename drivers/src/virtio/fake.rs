// SPDX-License-Identifier: BSD-2-Clause
//! A virtio device that is made up: it keeps to virtio 1.2, but where a test has it do otherwise.

use alloc::{collections::VecDeque, rc::Rc, vec, vec::Vec};
use core::{cell::RefCell, ptr::with_exposed_provenance_mut, slice};

use userland::{Error, device::Width, time::Instant};

use super::Registers;

/// A buffer that the device was given: its address and length, and whether it may be written.
type Buffer = (u64, u32, bool);

#[derive(Clone, Debug, Default)]
pub struct Queue {
    size: u32,
    /// Of the descriptor table, the available and the used ring.
    places: [u64; 3],
    ready: bool,
    /// Heads that were taken from the available ring.
    seen: u16,
    used: u16,
    /// Chains that are the device's: head, and buffers.
    pub held: Vec<(u16, Vec<Buffer>)>,
    /// What is to be written to the used ring when the driver asks.
    pub done: Vec<(u32, u32)>,
}

#[derive(Debug)]
pub struct State {
    pub device: u32,
    pub magic: u32,
    pub features: u64,
    pub queue_max: u32,
    pub config: Vec<u8>,
    pub status: u32,
    selected: [u32; 3],
    pub queues: Vec<Queue>,
    pub sent: Vec<Vec<u8>>,
    pub kicks: Vec<u32>,
    pub resets: u32,
    /// Kicks until one is refused with this.
    pub refuse: Option<(usize, Error)>,
    pub interrupt: u32,
    /// What is on the disk.
    pub disk: Vec<u8>,
    /// How the next requests of the disk end, instead of well; none: they do not.
    pub fates: VecDeque<Option<u8>>,
    pub flushes: u32,
}

/// A handle on the device, of which the test has another.
#[derive(Clone, Debug)]
pub struct Fake(pub Rc<RefCell<State>>);

pub const MAC: [u8; 6] = [2, 0, 0, 0, 0, 7];

impl Fake {
    pub fn new(device: u32) -> Self {
        let mut config = MAC.to_vec();
        config.extend([1, 0]);
        Self(Rc::new(RefCell::new(State {
            device,
            magic: 0x7472_6976,
            // VERSION_1, MAC and STATUS.
            features: 1 << 32 | 1 << 5 | 1 << 16,
            queue_max: 256,
            config,
            status: 0,
            selected: [0; 3],
            queues: vec![Queue::default(); 2],
            sent: Vec::new(),
            kicks: Vec::new(),
            resets: 0,
            refuse: None,
            interrupt: 1,
            disk: Vec::new(),
            fates: VecDeque::new(),
            flushes: 0,
        })))
    }

    pub fn network() -> Self {
        Self::new(1)
    }

    /// A disk of so many sectors, each full of its number's last byte; with these features beside `VERSION_1`.
    pub fn disk(sectors: u64, features: u64) -> Self {
        let fake = Self::new(2);
        let mut state = fake.0.borrow_mut();
        state.config = sectors.to_le_bytes().to_vec();
        state.features = 1 << 32 | features;
        state.disk = (0..sectors)
            .flat_map(|sector| [sector as u8; 512])
            .collect();
        drop(state);
        fake
    }

    /// Puts these bytes, with a header before them, into the next buffer to receive; answers whether there was one.
    pub fn deliver(&self, frame: &[u8]) -> bool {
        let mut state = self.0.borrow_mut();
        let queue = &mut state.queues[0];
        if queue.held.is_empty() {
            return false;
        }
        let (head, buffers) = queue.held.remove(0);
        let mut bytes = vec![0; 12];
        bytes.extend(frame);
        let (address, len, writable) = buffers[0];
        assert!(writable && bytes.len() <= len as usize);
        memory(address, bytes.len()).copy_from_slice(&bytes);
        queue.done.push((head.into(), bytes.len() as u32));
        true
    }

    /// Says that frames were sent, those that it was given first.
    pub fn complete(&self, count: usize) {
        let queue = &mut self.0.borrow_mut().queues[1];
        for (head, _) in queue.held.drain(..count) {
            queue.done.push((head.into(), 0));
        }
    }

    /// Says what it likes about a queue.
    pub fn lie(&self, queue: usize, id: u32, len: u32) {
        self.0.borrow_mut().queues[queue].done.push((id, len));
    }

    /// Whether the driver wants interrupts of a queue.
    pub fn interrupts(&self, queue: usize) -> bool {
        let state = self.0.borrow();
        word(state.queues[queue].places[1]) & 1 == 0
    }

    pub fn frames_sent(&self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.0.borrow_mut().sent)
    }
}

/// Memory of the driver.
fn memory(address: u64, len: usize) -> &'static mut [u8] {
    // SAFETY: the driver has given it to the device, and exposed it; it stays for as long as the test uses it, and the
    // driver does not look at it before it is told to.
    unsafe { slice::from_raw_parts_mut(with_exposed_provenance_mut(address as usize), len) }
}

fn word(address: u64) -> u16 {
    u16::from_le_bytes(memory(address, 2).try_into().unwrap())
}

impl Queue {
    /// Takes what is available.
    fn take(&mut self) {
        assert!(self.ready);
        let [table, available, _] = self.places;
        while self.seen != word(available + 2) {
            let slot = u64::from(self.seen) % u64::from(self.size);
            let head = word(available + 4 + 2 * slot);
            self.seen = self.seen.wrapping_add(1);
            let mut buffers = Vec::new();
            let mut next = Some(head);
            while let Some(index) = next {
                let descriptor = memory(table + 16 * u64::from(index), 16);
                let address = u64::from_le_bytes(descriptor[..8].try_into().unwrap());
                let len = u32::from_le_bytes(descriptor[8..12].try_into().unwrap());
                let flags = u16::from_le_bytes(descriptor[12..14].try_into().unwrap());
                buffers.push((address, len, flags & 2 != 0));
                next = (flags & 1 != 0)
                    .then(|| u16::from_le_bytes(descriptor[14..].try_into().unwrap()));
            }
            self.held.push((head, buffers));
        }
    }

    /// Brings the used ring up to date; answers whether there was something new.
    fn tell(&mut self) -> bool {
        let used = self.places[2];
        let done = core::mem::take(&mut self.done);
        for (id, len) in &done {
            let slot = u64::from(self.used) % u64::from(self.size);
            let entry = memory(used + 4 + 8 * slot, 8);
            entry[..4].copy_from_slice(&id.to_le_bytes());
            entry[4..].copy_from_slice(&len.to_le_bytes());
            self.used = self.used.wrapping_add(1);
        }
        memory(used + 2, 2).copy_from_slice(&self.used.to_le_bytes());
        !done.is_empty()
    }
}

impl State {
    /// Does what the requests to a disk say (virtio 1.2, section 5.2.6).
    fn serve(&mut self) {
        for (head, buffers) in core::mem::take(&mut self.queues[0].held) {
            let fate = self.fates.pop_front().unwrap_or(Some(0));
            let Some(fate) = fate else { continue };
            let (header, rest) = buffers.split_first().unwrap();
            let ((status, 1, true), data) = rest.split_last().unwrap() else {
                panic!("the last is a status of one byte")
            };
            assert_eq!((header.1, header.2), (16, false));
            let header = memory(header.0, 16);
            let sector = u64::from_le_bytes(header[8..].try_into().unwrap()) as usize;
            let mut at = 512 * sector;
            for (address, len, writable) in data {
                let bytes = memory(*address, *len as usize);
                let place = &mut self.disk[at..at + bytes.len()];
                match header[0] {
                    _ if fate != 0 => {}
                    0 if *writable => bytes.copy_from_slice(place),
                    1 if !writable => place.copy_from_slice(bytes),
                    kind => panic!("request {kind}"),
                }
                at += bytes.len();
            }
            self.flushes += u32::from(header[0] == 4);
            memory(*status, 1)[0] = fate;
            self.queues[0].done.push((head.into(), 1));
        }
    }

    fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(self.selected[2] as usize)
    }
}

// SAFETY: when it is reset it forgets all addresses.
unsafe impl Registers for Fake {
    fn read(&self, offset: u32, width: Width) -> Result<u32, Error> {
        let mut state = self.0.borrow_mut();
        if let Some(at) = offset.checked_sub(0x100) {
            let (at, len) = (at as usize, width as usize);
            let bytes = state
                .config
                .get(at..at + len)
                .ok_or(Error::InvalidArgument)?;
            let mut word = [0; 4];
            word[..len].copy_from_slice(bytes);
            return Ok(u32::from_le_bytes(word));
        }
        assert_eq!(width, Width::Word);
        Ok(match offset {
            0 => state.magic,
            4 => 2,
            8 => state.device,
            0x10 => (state.features >> (32 * state.selected[0])) as u32,
            0x34 => {
                let max = state.queue_max;
                state.queue().map_or(0, |_| max)
            }
            0x44 => state.queue().is_some_and(|queue| queue.ready).into(),
            0x70 => state.status,
            0xfc => 0,
            _ => return Err(Error::InvalidArgument),
        })
    }

    unsafe fn write(&self, offset: u32, width: Width, value: u32) -> Result<(), Error> {
        assert_eq!(width, Width::Word);
        if (offset, value) == (0x70, 0) {
            return self.reset();
        }
        let mut state = self.0.borrow_mut();
        match offset {
            0x14 => state.selected[0] = value,
            0x24 => state.selected[1] = value,
            // Nothing is accepted that is not offered.
            0x20 => {
                let offered = (state.features >> (32 * state.selected[1])) as u32;
                assert_eq!(value & !offered, 0);
            }
            0x30 => state.selected[2] = value,
            0x70 => state.status = value,
            0x38 | 0x44 | 0x80..=0xa4 => {
                let queue = state.queue().ok_or(Error::InvalidArgument)?;
                assert!(!queue.ready);
                match offset {
                    0x38 => queue.size = value,
                    0x44 => queue.ready = value == 1,
                    _ => {
                        let place = &mut queue.places[(offset as usize - 0x80) / 0x10];
                        let shift = 8 * (offset & 4);
                        *place = *place & !(0xffff_ffff << shift) | u64::from(value) << shift;
                    }
                }
            }
            _ => return Err(Error::InvalidArgument),
        }
        Ok(())
    }

    fn reset(&self) -> Result<(), Error> {
        let mut state = self.0.borrow_mut();
        state.status = 0;
        state.resets += 1;
        state.queues.fill(Queue::default());
        Ok(())
    }

    fn kick(&self, queue: u32) -> Result<(), Error> {
        let mut state = self.0.borrow_mut();
        state.kicks.push(queue);
        if let Some((0, error)) = state.refuse {
            return Err(error);
        }
        if let Some((left, _)) = &mut state.refuse {
            *left -= 1;
        }
        let (device, index) = (state.device, queue as usize);
        let known = state.queues[index].held.len();
        state.queues[index].take();
        state.queues[index].tell();
        if device == 1 && queue == 1 {
            let new = state.queues[1].held.split_off(known);
            state.queues[1].held.extend(new.clone());
            for (_, buffers) in new {
                let (address, len, writable) = buffers[0];
                assert!(!writable);
                let frame = memory(address, len as usize);
                assert_eq!(frame[..12], [0; 12]);
                let frame = frame[12..].to_vec();
                state.sent.push(frame);
            }
        }
        Ok(())
    }

    fn ack(&self) -> Result<u32, Error> {
        let mut state = self.0.borrow_mut();
        if state.status & 64 != 0 {
            return Err(Error::DeviceFailed);
        }
        for queue in state.queues.iter_mut().filter(|queue| queue.ready) {
            queue.tell();
        }
        Ok(state.interrupt)
    }

    /// A source of random bytes answers at once, as does a disk.
    fn wait(&self, queue: u32, _: Instant) -> Result<bool, Error> {
        let mut state = self.0.borrow_mut();
        if state.device == 2 {
            state.serve();
            return Ok(state.queues[0].tell());
        }
        let queue = &mut state.queues[queue as usize];
        for (head, buffers) in core::mem::take(&mut queue.held) {
            let (address, len, writable) = buffers[0];
            assert!(writable);
            memory(address, len as usize).fill(0x5a);
            queue.done.push((head.into(), len));
        }
        Ok(queue.tell())
    }
}
