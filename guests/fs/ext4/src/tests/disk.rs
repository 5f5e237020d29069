// SPDX-License-Identifier: BSD-2-Clause
//! A disk in memory that loses what was not flushed when the power goes, and fails when it is told to.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    vec,
    vec::Vec,
};
use core::cell::RefCell;

use crate::{Disk, DiskError, Memory, SECTOR};

type Sector = [u8; SECTOR];

/// Numbers that are the same in each run.
#[derive(Clone, Debug)]
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn roll(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// Memory of a client.
pub(crate) struct Window(pub(crate) RefCell<Vec<u8>>);

impl Window {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(RefCell::new(bytes))
    }
}

impl Memory for Window {
    fn len(&self) -> u32 {
        self.0.borrow().len() as u32
    }

    fn put(&self, at: u32, bytes: &[u8]) -> Option<()> {
        let at = at as usize;
        let mut memory = self.0.borrow_mut();
        memory.get_mut(at..at + bytes.len())?.copy_from_slice(bytes);
        Some(())
    }

    fn get(&self, at: u32, bytes: &mut [u8]) -> Option<()> {
        let at = at as usize;
        bytes.copy_from_slice(self.0.borrow().get(at..at + bytes.len())?);
        Some(())
    }
}

/// What a disk is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Read,
    Write,
    Flush,
}

/// Requests of a kind that fail.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Fault {
    pub request: Request,
    /// How many go well before.
    pub after: u64,
    /// How many fail.
    pub count: u64,
}

/// What was asked of a disk.
#[derive(Clone, Debug)]
pub(crate) enum Event {
    Write(u64, Vec<u8>),
    Flush,
    /// What the test wanted to know the place of.
    Mark(u64),
}

/// A disk; clones are the same one.
#[derive(Clone)]
pub(crate) struct FaultyDisk(Rc<RefCell<State>>);

struct State {
    base: Rc<Vec<u8>>,
    /// What reads find that is not in `base`.
    changed: BTreeMap<u64, Sector>,
    /// What was written since the last flush, and what was there before that.
    unflushed: BTreeMap<u64, Vec<Sector>>,
    is_read_only: bool,
    faults: Vec<Fault>,
    events: Option<Vec<Event>>,
    dice: Dice,
}

impl FaultyDisk {
    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self::on(Rc::new(image), BTreeMap::new())
    }

    fn on(base: Rc<Vec<u8>>, changed: BTreeMap<u64, Sector>) -> Self {
        Self(Rc::new(RefCell::new(State {
            base,
            changed,
            unflushed: BTreeMap::new(),
            is_read_only: false,
            faults: Vec::new(),
            events: None,
            dice: Dice::new(1),
        })))
    }

    pub(crate) fn set_read_only(&self, is_read_only: bool) {
        self.0.borrow_mut().is_read_only = is_read_only;
    }

    pub(crate) fn fail(&self, fault: Fault) {
        self.0.borrow_mut().faults.push(fault);
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.0.borrow_mut().faults.clear();
    }

    /// Whether anything is still to fail.
    pub(crate) fn has_faults(&self) -> bool {
        let state = self.0.borrow();
        state.faults.iter().any(|fault| fault.count > 0)
    }

    /// All of it, if that is wanted.
    pub(crate) fn image_if(&self, is_wanted: bool) -> Option<Vec<u8>> {
        is_wanted.then(|| self.image())
    }

    /// All of it, as reads find it.
    pub(crate) fn image(&self) -> Vec<u8> {
        let state = self.0.borrow();
        let mut image = state.base.to_vec();
        for (sector, bytes) in &state.changed {
            let at = *sector as usize * SECTOR;
            image[at..at + SECTOR].copy_from_slice(bytes);
        }
        image
    }

    /// Takes note of all that is asked, from now on.
    pub(crate) fn record(&self) {
        self.0.borrow_mut().events = Some(Vec::new());
    }

    pub(crate) fn mark(&self, mark: u64) {
        if let Some(events) = &mut self.0.borrow_mut().events {
            events.push(Event::Mark(mark));
        }
    }

    /// What was asked since [`FaultyDisk::record`].
    pub(crate) fn events(&self) -> Vec<Event> {
        self.0.borrow_mut().events.take().unwrap_or_default()
    }

    /// Power goes and comes back: of what was not flushed, some is there.
    pub(crate) fn cut(&self, seed: u64) {
        self.0.borrow_mut().lose(&mut Dice::new(seed));
    }
}

impl State {
    fn sector(&self, sector: u64) -> Sector {
        self.changed.get(&sector).copied().unwrap_or_else(|| {
            let at = sector as usize * SECTOR;
            self.base[at..at + SECTOR].try_into().unwrap()
        })
    }

    fn check(&mut self, request: Request, sector: u64, len: usize) -> Result<(), DiskError> {
        assert!(len.is_multiple_of(SECTOR));
        if self.is_read_only && request == Request::Write {
            return Err(DiskError::ReadOnly);
        }
        let end = sector.checked_add((len / SECTOR) as u64);
        if end.is_none_or(|end| end > (self.base.len() / SECTOR) as u64) {
            return Err(DiskError::OutOfRange);
        }
        let mut result = Ok(());
        for fault in &mut self.faults {
            if fault.request != request {
                continue;
            }
            if fault.after > 0 {
                fault.after -= 1;
            } else if fault.count > 0 {
                fault.count -= 1;
                result = Err(DiskError::Io);
            }
        }
        result
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        let result = self.check(Request::Write, sector, from.len());
        if matches!(result, Err(DiskError::ReadOnly | DiskError::OutOfRange)) {
            return result;
        }
        for (number, bytes) in from.chunks_exact(SECTOR).enumerate() {
            // A write that fails may have been done in part.
            if result.is_err() && self.dice.below(2) == 0 {
                continue;
            }
            let sector = sector + number as u64;
            let bytes: Sector = bytes.try_into().unwrap();
            let before = self.sector(sector);
            let versions = self.unflushed.entry(sector).or_insert_with(|| vec![before]);
            versions.push(bytes);
            self.changed.insert(sector, bytes);
            if result.is_err()
                && let Some(events) = &mut self.events
            {
                events.push(Event::Write(sector, bytes.to_vec()));
            }
        }
        if result.is_ok()
            && let Some(events) = &mut self.events
        {
            events.push(Event::Write(sector, from.to_vec()));
        }
        result
    }

    /// Of each sector that was not flushed, one of the versions that it had stays.
    fn lose(&mut self, dice: &mut Dice) {
        for (sector, versions) in core::mem::take(&mut self.unflushed) {
            let which = dice.below(versions.len() as u64) as usize;
            self.changed.insert(sector, versions[which]);
            // As if that had been written last.
            if let Some(events) = &mut self.events {
                events.push(Event::Write(sector, versions[which].to_vec()));
            }
        }
    }
}

impl Disk for FaultyDisk {
    type Memory = Window;

    fn sectors(&self) -> u64 {
        (self.0.borrow().base.len() / SECTOR) as u64
    }

    fn is_read_only(&self) -> bool {
        self.0.borrow().is_read_only
    }

    fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let mut state = self.0.borrow_mut();
        state.check(Request::Read, sector, into.len())?;
        for (number, bytes) in into.chunks_exact_mut(SECTOR).enumerate() {
            bytes.copy_from_slice(&state.sector(sector + number as u64));
        }
        Ok(())
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        self.0.borrow_mut().write(sector, from)
    }

    fn read_to(
        &mut self,
        sector: u64,
        memory: &Window,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let mut bytes = vec![0; len as usize];
        self.read(sector, &mut bytes)?;
        memory.put(at, &bytes).ok_or(DiskError::Memory)
    }

    fn write_from(
        &mut self,
        sector: u64,
        memory: &Window,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let mut bytes = vec![0; len as usize];
        memory.get(at, &mut bytes).ok_or(DiskError::Memory)?;
        self.write(sector, &bytes)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        let mut state = self.0.borrow_mut();
        let state = &mut *state;
        if let Err(error) = state.check(Request::Flush, 0, 0) {
            // What was to be flushed may be lost for good.
            let mut dice = state.dice.clone();
            state.dice.roll();
            state.lose(&mut dice);
            return Err(error);
        }
        state.unflushed.clear();
        if let Some(events) = &mut state.events {
            events.push(Event::Flush);
        }
        Ok(())
    }
}

/// All moments at which power can go, one after the other: during each write that was recorded, and after it.
pub(crate) struct Cuts {
    /// What has come to stay.
    stable: Rc<Vec<u8>>,
    /// Versions of sectors since.
    unflushed: BTreeMap<u64, Vec<Sector>>,
    pub events: Vec<Event>,
    pub next: usize,
    /// The marks that were passed.
    pub(crate) marks: BTreeSet<u64>,
}

impl Cuts {
    /// Of a disk that had `image` when recording began.
    pub(crate) fn new(image: Vec<u8>, events: Vec<Event>) -> Self {
        Self {
            stable: Rc::new(image),
            unflushed: BTreeMap::new(),
            events,
            next: 0,
            marks: BTreeSet::new(),
        }
    }

    /// Goes on to the next write; answers whether there was one.
    pub(crate) fn advance(&mut self) -> bool {
        while let Some(event) = self.events.get(self.next) {
            self.next += 1;
            match event {
                Event::Write(sector, bytes) => {
                    for (number, bytes) in bytes.chunks_exact(SECTOR).enumerate() {
                        let versions = self.unflushed.entry(sector + number as u64);
                        let bytes = bytes.try_into().unwrap();
                        versions.or_default().push(bytes);
                    }
                    return true;
                }
                Event::Flush => {
                    let stable = Rc::make_mut(&mut self.stable);
                    for (sector, versions) in core::mem::take(&mut self.unflushed) {
                        let at = sector as usize * SECTOR;
                        stable[at..at + SECTOR].copy_from_slice(versions.last().unwrap());
                    }
                }
                Event::Mark(mark) => {
                    self.marks.insert(*mark);
                }
            }
        }
        false
    }

    /// The disk if power goes now. `seed` 0: nothing is there that was not flushed; 1: all of it is; others: of each
    /// sector, one of the versions that it had.
    pub(crate) fn disk(&self, seed: u64) -> FaultyDisk {
        let mut dice = Dice::new(seed.wrapping_add((self.next as u64) << 20));
        let mut changed = BTreeMap::new();
        for (sector, versions) in &self.unflushed {
            let which = match seed {
                0 => 0,
                1 => versions.len() as u64,
                _ => dice.below(versions.len() as u64 + 1),
            };
            if let Some(which) = which.checked_sub(1) {
                changed.insert(*sector, versions[which as usize]);
            }
        }
        FaultyDisk::on(self.stable.clone(), changed)
    }
}
