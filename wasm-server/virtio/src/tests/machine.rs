// SPDX-License-Identifier: BSD-2-Clause
//! A machine: physical memory, a guest with some of it, and a device.

use core::{cell::Cell, ops::ControlFlow};
use std::{cell::RefCell, iter, rc::Rc, vec, vec::Vec};

use wasm_state::mailbox::Words;

use crate::{
    BadAddress, Device, Error, Extent, GuestMemory, Page, QueueMemory, Registers, Width,
    fake::{Fake, Model, Physical},
    register::{self as reg, status},
};

pub const PAGE: u32 = 4096;
/// Frames of the machine.
pub const FRAMES: u64 = 96;
/// Where they begin, beyond what 32 bits hold.
pub const BASE: u64 = 0x1_4000_0000;
/// Pages of the guest's memory.
pub const PAGES: u32 = 24;

/// Physical memory, and how often it was accessed by the server.
pub struct Memory {
    pub bytes: RefCell<Vec<u8>>,
    pub accesses: Cell<u64>,
    /// What the device has accessed.
    pub dma: RefCell<Vec<(u64, usize, bool)>>,
}

impl Memory {
    fn new() -> Rc<Self> {
        Rc::new(Self {
            // Something that shows where it is missing.
            bytes: RefCell::new(vec![0x5a; FRAMES as usize * PAGE as usize]),
            accesses: Cell::new(0),
            dma: RefCell::default(),
        })
    }

    fn index(at: u64) -> usize {
        at.checked_sub(BASE).expect("physical memory") as usize
    }

    fn count(&self) {
        self.accesses.set(self.accesses.get() + 1);
    }

    pub fn load<const N: usize>(&self, at: u64) -> [u8; N] {
        let start = Self::index(at);
        self.bytes.borrow()[start..start + N].try_into().unwrap()
    }

    pub fn store(&self, at: u64, bytes: &[u8]) {
        let start = Self::index(at);
        self.bytes.borrow_mut()[start..start + bytes.len()].copy_from_slice(bytes);
    }

    /// Contents of a frame.
    pub fn frame(&self, frame: u64) -> Vec<u8> {
        let start = (frame * u64::from(PAGE)) as usize;
        self.bytes.borrow()[start..start + PAGE as usize].to_vec()
    }
}

impl Physical for Rc<Memory> {
    fn fetch(&self, at: u64, out: &mut [u8]) {
        let start = Memory::index(at);
        self.dma.borrow_mut().push((at, out.len(), false));
        out.copy_from_slice(&self.bytes.borrow()[start..start + out.len()]);
    }

    fn deposit(&self, at: u64, bytes: &[u8]) {
        self.dma.borrow_mut().push((at, bytes.len(), true));
        self.store(at, bytes);
    }
}

/// Two frames.
pub struct Pages {
    memory: Rc<Memory>,
    frames: [u64; 2],
}

impl Pages {
    fn at(&self, page: Page, offset: u32, len: u32) -> u64 {
        assert!(offset + len <= PAGE && offset.is_multiple_of(len));
        self.memory.count();
        self.physical(page) + u64::from(offset)
    }
}

impl QueueMemory for Pages {
    fn physical(&self, page: Page) -> u64 {
        BASE + u64::from(PAGE) * self.frames[page as usize]
    }

    fn load16(&self, page: Page, offset: u32) -> u16 {
        u16::from_le_bytes(self.memory.load(self.at(page, offset, 2)))
    }

    fn load16_acquire(&self, page: Page, offset: u32) -> u16 {
        self.load16(page, offset)
    }

    fn load64(&self, page: Page, offset: u32) -> u64 {
        u64::from_le_bytes(self.memory.load(self.at(page, offset, 8)))
    }

    fn store16(&self, page: Page, offset: u32, value: u16) {
        let at = self.at(page, offset, 2);
        self.memory.store(at, &value.to_le_bytes());
    }

    fn store16_release(&self, page: Page, offset: u32, value: u16) {
        self.store16(page, offset, value);
    }

    fn store64(&self, page: Page, offset: u32, value: u64) {
        let at = self.at(page, offset, 8);
        self.memory.store(at, &value.to_le_bytes());
    }
}

/// What is behind a page of the guest's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mapping {
    pub frame: u64,
    pub write: bool,
    pub is_window: bool,
}

/// A guest's memory.
pub struct Guest {
    pub memory: Rc<Memory>,
    pub pages: RefCell<Vec<Option<Mapping>>>,
}

impl Guest {
    pub fn mapping(&self, page: u32) -> Option<Mapping> {
        self.pages.borrow().get(page as usize).copied().flatten()
    }

    /// Physical address of a byte.
    pub fn physical(&self, address: u32) -> Option<u64> {
        let mapping = self.mapping(address / PAGE)?;
        Some(BASE + mapping.frame * u64::from(PAGE) + u64::from(address % PAGE))
    }

    /// Parts of a range, each in one page.
    fn parts(address: u32, len: usize) -> impl Iterator<Item = (u32, usize, usize)> {
        let mut done = 0;
        iter::from_fn(move || {
            let at = address + done as u32;
            let here = (len - done).min((PAGE - at % PAGE) as usize);
            let part = (at, done, here);
            done += here;
            (here > 0).then_some(part)
        })
    }

    /// The guest stores, wherever it can.
    pub fn write(&self, address: u32, bytes: &[u8]) {
        for (at, done, here) in Self::parts(address, bytes.len()) {
            if self.mapping(at / PAGE).is_some_and(|page| page.write) {
                let part = &bytes[done..done + here];
                self.memory.store(self.physical(at).unwrap(), part);
            }
        }
    }

    pub fn write32(&self, address: u32, value: u32) {
        self.write(address, &value.to_le_bytes());
    }

    pub fn write16(&self, address: u32, value: u16) {
        self.write(address, &value.to_le_bytes());
    }

    pub fn read(&self, address: u32, len: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(len as usize);
        for (at, _, here) in Self::parts(address, len as usize) {
            let start = Memory::index(self.physical(at).unwrap());
            out.extend_from_slice(&self.memory.bytes.borrow()[start..start + here]);
        }
        out
    }

    /// The word at a multiple of 4.
    pub fn read32(&self, address: u32) -> u32 {
        u32::from_le_bytes(self.memory.load(self.physical(address).unwrap()))
    }

    /// The half word at a multiple of 2.
    pub fn read16(&self, address: u32) -> u16 {
        u16::from_le_bytes(self.memory.load(self.physical(address).unwrap()))
    }
}

/// Words of the guest's memory.
#[derive(Clone)]
pub struct View {
    guest: Rc<Guest>,
    start: u32,
    len: u32,
}

impl Words for View {
    fn load(&self, offset: u32) -> u32 {
        assert!(offset + 4 <= self.len && offset.is_multiple_of(4));
        self.guest.memory.count();
        self.guest.read32(self.start + offset)
    }

    fn store(&self, offset: u32, value: u32) {
        assert!(offset + 4 <= self.len && offset.is_multiple_of(4));
        self.guest.memory.count();
        self.guest.write32(self.start + offset, value);
    }
}

impl GuestMemory for Rc<Guest> {
    type Words = View;

    fn private_words(&self, address: u32, len: u32) -> Option<View> {
        assert!(address.is_multiple_of(4) && len.is_multiple_of(4) && len != 0);
        let end = address.checked_add(len - 1)?;
        let mut pages = address / PAGE..=end / PAGE;
        let is_private = |page| self.mapping(page).is_some_and(|page| !page.is_window);
        pages.all(is_private).then(|| View {
            guest: self.clone(),
            start: address,
            len,
        })
    }

    fn translate(
        &self,
        address: u32,
        len: u32,
        write: bool,
        mut each: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), BadAddress> {
        let (mut at, mut left) = (address, len);
        while left > 0 {
            self.memory.count();
            let mapping = self.mapping(at / PAGE).ok_or(BadAddress)?;
            if write && !mapping.write {
                return Err(BadAddress);
            }
            let here = left.min(PAGE - at % PAGE);
            let physical = BASE + mapping.frame * u64::from(PAGE) + u64::from(at % PAGE);
            let extent = Extent {
                physical,
                len: here,
            };
            if each(extent).is_break() {
                return Ok(());
            }
            left -= here;
            if left > 0 {
                at = at.checked_add(here).ok_or(BadAddress)?;
            }
        }
        Ok(())
    }
}

/// All of it.
pub struct Machine {
    pub memory: Rc<Memory>,
    pub guest: Rc<Guest>,
    pub fake: Fake<Rc<Memory>>,
    pub device: Device<View, Pages>,
    /// Frames that the device's queues got.
    pub taken: Rc<RefCell<Vec<u64>>>,
    pub accesses_of_registers: Cell<u64>,
}

/// A network device.
pub fn net() -> Model {
    Model {
        kind: 1,
        features: 1 << 32 | 1 << 28 | 1 << 29 | 1 << 33 | 1 << 35 | 1 << 5 | 1 << 63,
        sizes: vec![16, 256, 1024],
    }
}

/// Frames for queues begin here; those before are the guest's, or nobody's.
pub const FIRST_OF_QUEUES: u64 = 60;

impl Machine {
    /// The guest has all its pages, privately, in frames that are contiguous.
    pub fn new(model: Model) -> Self {
        let mapping = |frame| {
            Some(Mapping {
                frame,
                write: true,
                is_window: false,
            })
        };
        Self::with_pages(model, (1..=u64::from(PAGES)).map(mapping).collect())
    }

    pub fn with_pages(model: Model, pages: Vec<Option<Mapping>>) -> Self {
        let memory = Memory::new();
        let fake = Fake::new(memory.clone(), model);
        let device = Device::new(&fake).expect("a device");
        Self {
            guest: Rc::new(Guest {
                memory: memory.clone(),
                pages: RefCell::new(pages),
            }),
            memory,
            fake,
            device,
            taken: Rc::default(),
            accesses_of_registers: Cell::new(0),
        }
    }

    pub fn write(&mut self, offset: u32, value: u32) -> Result<(), Error<()>> {
        self.write_as(offset, Width::Word, value)
    }

    pub fn write_as(&mut self, offset: u32, width: Width, value: u32) -> Result<(), Error<()>> {
        let (taken, memory) = (self.taken.clone(), self.memory.clone());
        let make = || {
            let first = FIRST_OF_QUEUES + 2 * taken.borrow().len() as u64;
            // Between any two is one that nobody has.
            let frames = [first, first + 2];
            taken.borrow_mut().extend(frames);
            if first + 2 >= FRAMES {
                return Err(());
            }
            let memory = memory.clone();
            Ok(Pages { memory, frames })
        };
        let counted = Counted(&self.fake, &self.accesses_of_registers);
        self.device
            .write(&counted, &self.guest, make, offset, width, value)
    }

    pub fn read(&mut self, offset: u32) -> Result<u32, Error> {
        self.read_as(offset, Width::Word)
    }

    pub fn read_as(&mut self, offset: u32, width: Width) -> Result<u32, Error> {
        let counted = Counted(&self.fake, &self.accesses_of_registers);
        self.device.read(&counted, offset, width)
    }

    pub fn kick(&mut self, queue: u32) -> Result<(), Error> {
        let counted = Counted(&self.fake, &self.accesses_of_registers);
        self.device.kick(&counted, &self.guest, queue)
    }

    pub fn collect(&mut self) -> Result<(), Error> {
        let counted = Counted(&self.fake, &self.accesses_of_registers);
        self.device.collect(&counted, &self.guest)
    }

    pub fn ack(&mut self) -> Result<u32, Error> {
        let counted = Counted(&self.fake, &self.accesses_of_registers);
        self.device.ack(&counted, &self.guest)
    }

    pub fn wait(&mut self, queue: u32) -> Result<bool, Error> {
        let counted = Counted(&self.fake, &self.accesses_of_registers);
        self.device.wait(&counted, &self.guest, queue)
    }

    pub fn reset(&mut self) -> Result<(), Error> {
        self.device.reset(&self.fake)
    }

    /// Negotiates up to FEATURES_OK, as `virtio-drivers` does.
    pub fn negotiate(&mut self, features: u64) {
        self.write(reg::STATUS, 0).unwrap();
        let mut now = status::ACKNOWLEDGE | status::DRIVER;
        self.write(reg::STATUS, now).unwrap();
        for (sel, half) in [(0, features as u32), (1, (features >> 32) as u32)] {
            self.write(reg::DRIVER_FEATURES_SEL, sel).unwrap();
            self.write(reg::DRIVER_FEATURES, half).unwrap();
        }
        now |= status::FEATURES_OK;
        self.write(reg::STATUS, now).unwrap();
    }

    pub fn finish(&mut self) {
        self.write(reg::STATUS, 15).unwrap();
    }

    /// Sets up a queue with table, available and used ring at these addresses.
    pub fn queue(&mut self, queue: u32, size: u32, at: [u32; 3]) -> Result<(), Error<()>> {
        self.write(reg::QUEUE_SEL, queue)?;
        self.write(reg::QUEUE_NUM, size)?;
        self.write(reg::QUEUE_DESC_LOW, at[0])?;
        self.write(reg::QUEUE_DRIVER_LOW, at[1])?;
        self.write(reg::QUEUE_DEVICE_LOW, at[2])?;
        self.write(reg::QUEUE_READY, 1)
    }
}

/// Registers that count.
struct Counted<'a>(&'a Fake<Rc<Memory>>, &'a Cell<u64>);

impl Registers for Counted<'_> {
    fn read(&self, offset: u32, width: Width) -> u32 {
        self.1.set(self.1.get() + 1);
        self.0.read(offset, width)
    }

    fn write(&self, offset: u32, width: Width, value: u32) {
        self.1.set(self.1.get() + 1);
        self.0.write(offset, width, value);
    }
}
