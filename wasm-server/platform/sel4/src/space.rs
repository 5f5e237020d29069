// SPDX-License-Identifier: BSD-2-Clause
//! The address space of one guest inside the server's: stack, linear memory, windows; and the memory
//! it is made of.
//!
//! Each guest has [`SPAN`] bytes of addresses, with page tables of its own below the first level:
//!
//! | from | what |
//! |---|---|
//! | 0 | unmapped |
//! | [`CONTROL`] | one page: IPC buffer, then thread-local storage |
//! | +1 page | unmapped: the stack's guard |
//! | [`STACK`] | stack |
//! | unmapped page | |
//! | next MiB | linear memory: 4 GiB and a guard of 32 MiB, mapped as far as it has grown |

use alloc::{sync::Arc, vec::Vec};
use core::{
    ptr,
    sync::atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering},
};

use lock_api::Mutex;
use sel4::{CapRights, FrameObjectType, ObjectBlueprint, VmAttributes, cap};
use wasm_handoff::slot;
use wasm_server_core::platform::{BadAddress, Failure};

use crate::{
    cspace::{self, Directory},
    lock::WordLock,
    vspace::{self, TableLevel},
};

/// Bytes of addresses of one guest.
pub const SPAN: usize = 8 << 30;
/// Offset of the page with IPC buffer and thread-local storage.
pub const CONTROL: usize = PAGE;
/// Offset of the stack.
const STACK: usize = 3 * PAGE;
/// First address of the first guest; a multiple of what one top-level entry covers, so that no page
/// table is shared with what the root task mapped.
const FIRST: usize = 512 << 30;
/// Linear memories start at a multiple of this.
const MEMORY_ALIGN: usize = 1 << 20;

const PAGE: usize = 4096;
const PAGE_BITS: usize = 12;
/// The kernel makes this many objects at most in one call.
const FAN_OUT: usize = 256;

/// Frames that several guests can have windows onto.
pub struct Region {
    /// Capability of the first frame; the others follow slot by slot.
    first: u64,
    frames: usize,
}

impl Region {
    /// Makes one of the server's own slots and an untyped of the spec.
    pub fn of_untyped(untyped: cap::Untyped, bytes: usize) -> Result<Self, Failure> {
        let frames = bytes / PAGE;
        let first = cspace::take_own(frames as u64)?;
        for done in (0..frames).step_by(FAN_OUT) {
            let count = (frames - done).min(FAN_OUT);
            cspace::retype_own(untyped, frame(), first + done as u64, count)
                .map_err(|_| Failure::NoMemory("its frames"))?;
        }
        Ok(Self { first, frames })
    }
}

/// See the module.
pub struct Space {
    start: usize,
    stack_top: usize,
    memory: usize,
    /// Capability of the frame at [`CONTROL`].
    control: u64,
    /// Bytes of linear memory; all of them are mapped, or holes.
    size: AtomicUsize,
    untyped: cap::Untyped,
    directory: Directory,
    inner: Mutex<WordLock, Inner>,
}

struct Inner {
    /// Bytes of the budget.
    budget: usize,
    /// How far the kernel has used it.
    used: usize,
    next_slot: u64,
    free_slots: Vec<Run>,
    /// Page tables reach from the start to here.
    tables_to: usize,
    /// What the next growth of the memory is, if not fresh frames.
    staged: Option<(Arc<Region>, bool)>,
    windows: Vec<Window>,
    /// Parts of the memory that were windows.
    holes: Vec<(usize, usize)>,
    /// The private page that holes show; made with the first window, so that it is always there.
    spare: Option<u64>,
}

/// Consecutive slots.
#[derive(Clone, Copy)]
struct Run {
    first: u64,
    count: u64,
}

struct Window {
    /// Offset in the linear memory.
    address: usize,
    bytes: usize,
    slots: Run,
}

impl Space {
    /// Makes the address space of a guest with `stack` bytes of stack, mapped. Everything comes from
    /// `untyped`, of `1 << budget_bits` bytes; page tables that guests share come from `pool`.
    pub fn new(
        pool: cap::Untyped,
        untyped: cap::Untyped,
        budget_bits: usize,
        stack: usize,
    ) -> Result<Self, Failure> {
        // One slot for each page that the budget can become, and as many again for tables and windows.
        let slot_bits = (budget_bits.saturating_sub(PAGE_BITS) + 1).max(6);
        let directory = Directory::new(untyped, slot_bits)?;
        let start = FIRST + (directory.index() as usize - 1) * SPAN;
        let stack = stack.next_multiple_of(PAGE);
        let memory = start + (STACK + stack + PAGE).next_multiple_of(MEMORY_ALIGN);
        let inner = Inner {
            budget: 1 << budget_bits,
            used: 1 << (slot_bits + vspace::SLOT_BITS),
            next_slot: 1,
            free_slots: Vec::new(),
            tables_to: start,
            staged: None,
            windows: Vec::new(),
            holes: Vec::new(),
            spare: None,
        };
        let space = Self {
            start,
            stack_top: start + STACK + stack,
            memory,
            control: slot::NULL,
            size: AtomicUsize::new(0),
            untyped,
            directory,
            inner: Mutex::new(inner),
        };
        vspace::cover(pool, start)?;
        let mut inner = space.inner.lock();
        let control = space.map_fresh(&mut inner, start + CONTROL, 1)?;
        space.map_fresh(&mut inner, start + STACK, stack / PAGE)?;
        drop(inner);
        Ok(Self {
            control: space.directory.cptr(control.first),
            ..space
        })
    }

    /// The guest's number, from 1.
    pub fn number(&self) -> u64 {
        self.directory.index()
    }

    /// The page with IPC buffer and thread-local storage, and the capability of its frame.
    pub fn control(&self) -> (usize, cap::Granule) {
        (self.start + CONTROL, cap::Granule::from_bits(self.control))
    }

    /// End of the stack.
    pub fn stack_top(&self) -> usize {
        self.stack_top
    }

    /// First address of the linear memory.
    pub fn memory(&self) -> usize {
        self.memory
    }

    /// Bytes of the linear memory.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    /// Makes one kernel object; answers its capability pointer.
    pub fn make(&self, blueprint: ObjectBlueprint) -> Result<u64, Failure> {
        let mut inner = self.inner.lock();
        let slot = self.take(&mut inner, 1)?;
        self.retype(&mut inner, blueprint, slot.first, 1)?;
        Ok(self.directory.cptr(slot.first))
    }

    /// An empty slot.
    pub fn slot(&self) -> Result<u64, Failure> {
        let mut inner = self.inner.lock();
        self.take(&mut inner, 1)
            .map(|run| self.directory.cptr(run.first))
    }

    /// Frames for a region.
    pub fn make_region(&self, bytes: usize) -> Result<Region, Failure> {
        let frames = bytes / PAGE;
        let mut inner = self.inner.lock();
        let slots = self.take(&mut inner, frames as u64)?;
        match self.retype(&mut inner, frame(), slots.first, frames) {
            Ok(()) => Ok(Region {
                first: self.directory.cptr(slots.first),
                frames,
            }),
            Err(failure) => {
                self.give_back(&mut inner, slots);
                Err(failure)
            }
        }
    }

    /// See [`wasm_server_core::platform::Home::stage`].
    pub fn stage(&self, region: Option<(&Arc<Region>, bool)>) {
        self.inner.lock().staged = region.map(|(region, write)| (region.clone(), write));
    }

    /// Grows the linear memory to this many bytes: by the staged region, or by fresh frames.
    pub fn grow_to(&self, size: usize) -> Result<(), Failure> {
        let mut inner = self.inner.lock();
        let old = self.size();
        let bytes = size
            .checked_sub(old)
            .ok_or(Failure::Refused("a memory that shrinks"))?;
        match inner.staged.take() {
            Some((region, write)) if region.frames * PAGE == bytes => {
                self.map_window(&mut inner, old, &region, write)?;
            }
            Some(_) => return Err(Failure::Refused("a window of another size")),
            None => drop(self.map_fresh(&mut inner, self.memory + old, bytes / PAGE)?),
        }
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// See [`wasm_server_core::platform::Home::is_private`].
    pub fn is_private(&self, address: usize, len: usize) -> bool {
        let end = address.saturating_add(len);
        let apart = |start: usize, bytes: usize| end <= start || start + bytes <= address;
        let inner = self.inner.lock();
        end <= self.size()
            && inner.windows.iter().all(|w| apart(w.address, w.bytes))
            && inner
                .holes
                .iter()
                .all(|&(start, bytes)| apart(start, bytes))
    }

    /// Takes a window's frames away.
    pub fn unmap(&self, address: usize) {
        let mut inner = self.inner.lock();
        let Some(at) = inner.windows.iter().position(|w| w.address == address) else {
            return;
        };
        let window = inner.windows.swap_remove(at);
        inner.holes.push((window.address, window.bytes));
        self.give_back(&mut inner, window.slots);
    }

    /// A fault at this address of the server: if it is a page of a hole, the spare page is there
    /// afterwards, and the instruction can be tried again.
    pub fn fill_hole(&self, address: usize) -> bool {
        let Some(offset) = address.checked_sub(self.memory) else {
            return false;
        };
        let mut inner = self.inner.lock();
        if !inner
            .holes
            .iter()
            .any(|&(start, bytes)| (start..start + bytes).contains(&offset))
        {
            return false;
        }
        let Some(spare) = inner.spare else {
            return false;
        };
        let Ok(slot) = self.take(&mut inner, 1) else {
            return false;
        };
        let page = address & !(PAGE - 1);
        let cptr = self.directory.cptr(slot.first);
        cspace::path(cptr)
            .copy(&cspace::path(spare), CapRights::read_write())
            .and_then(|()| map(cptr, page, CapRights::read_write()))
            .is_ok()
    }

    /// Whether an address of the server belongs to this guest.
    pub fn contains(&self, address: usize) -> bool {
        (self.start..self.start + SPAN).contains(&address)
    }

    /// Its place is free again; everything in it has gone with the guest's memory.
    pub fn release(&self) {
        self.directory.release();
    }

    fn take(&self, inner: &mut Inner, count: u64) -> Result<Run, Failure> {
        if let Some(at) = inner.free_slots.iter().position(|run| run.count >= count) {
            let run = &mut inner.free_slots[at];
            let taken = Run {
                first: run.first,
                count,
            };
            run.first += count;
            run.count -= count;
            if run.count == 0 {
                inner.free_slots.swap_remove(at);
            }
            return Ok(taken);
        }
        if inner.next_slot + count > self.directory.slots() {
            return Err(Failure::NoMemory("more capability slots"));
        }
        let taken = Run {
            first: inner.next_slot,
            count,
        };
        inner.next_slot += count;
        Ok(taken)
    }

    /// Empties slots and has them free again.
    fn give_back(&self, inner: &mut Inner, slots: Run) {
        for slot in slots.first..slots.first + slots.count {
            // Fails only for a slot that is empty already.
            let _ = cspace::path(self.directory.cptr(slot)).delete();
        }
        inner.free_slots.push(slots);
    }

    fn retype(
        &self,
        inner: &mut Inner,
        blueprint: ObjectBlueprint,
        slot: u64,
        count: usize,
    ) -> Result<(), Failure> {
        // As the kernel does it: aligned to the size of the object.
        let size = 1 << blueprint.physical_size_bits();
        let used = inner.used.next_multiple_of(size) + count * size;
        if used > inner.budget {
            return Err(Failure::NoMemory(if count == 1 {
                "a kernel object"
            } else {
                "the pages"
            }));
        }
        for done in (0..count).step_by(FAN_OUT) {
            let chunk = (count - done).min(FAN_OUT);
            self.directory
                .retype(self.untyped, blueprint, slot + done as u64, chunk)
                .map_err(cspace::no_memory)?;
        }
        inner.used = used;
        Ok(())
    }

    fn ensure_tables(&self, inner: &mut Inner, end: usize) -> Result<(), Failure> {
        while inner.tables_to < end {
            for level in [TableLevel::Directory, TableLevel::Table] {
                if inner.tables_to.is_multiple_of(level.covers()) {
                    let slot = self.take(inner, 1)?;
                    self.retype(inner, level.blueprint(), slot.first, 1)?;
                    vspace::map_table(self.directory.cptr(slot.first), level, inner.tables_to)?;
                }
            }
            inner.tables_to += TableLevel::Table.covers();
        }
        Ok(())
    }

    fn map_fresh(&self, inner: &mut Inner, address: usize, frames: usize) -> Result<Run, Failure> {
        // Before any page table is made that a growth beyond the budget would be left with.
        if frames * PAGE > inner.budget - inner.used {
            return Err(Failure::NoMemory("the pages"));
        }
        self.ensure_tables(inner, address + frames * PAGE)?;
        let slots = self.take(inner, frames as u64)?;
        let made = self
            .retype(inner, frame(), slots.first, frames)
            .and_then(|()| {
                for (i, slot) in (slots.first..slots.first + slots.count).enumerate() {
                    map(
                        self.directory.cptr(slot),
                        address + i * PAGE,
                        CapRights::read_write(),
                    )
                    .map_err(|_| Failure::Refused("a page"))?;
                }
                Ok(())
            });
        // Half a growth must not stay: what lies beyond the memory's size has to fault.
        match made {
            Ok(()) => Ok(slots),
            Err(failure) => {
                self.give_back(inner, slots);
                Err(failure)
            }
        }
    }

    fn map_window(
        &self,
        inner: &mut Inner,
        address: usize,
        region: &Region,
        write: bool,
    ) -> Result<(), Failure> {
        if inner.spare.is_none() {
            let slot = self.take(inner, 1)?;
            self.retype(inner, frame(), slot.first, 1)?;
            inner.spare = Some(self.directory.cptr(slot.first));
        }
        let bytes = region.frames * PAGE;
        self.ensure_tables(inner, self.memory + address + bytes)?;
        let slots = self.take(inner, region.frames as u64)?;
        let rights = if write {
            CapRights::read_write()
        } else {
            CapRights::read_only()
        };
        let mapped = (0..region.frames).try_for_each(|i| {
            let cptr = self.directory.cptr(slots.first + i as u64);
            cspace::path(cptr).copy(&cspace::path(region.first + i as u64), rights)?;
            map(cptr, self.memory + address + i * PAGE, rights)
        });
        match mapped {
            Ok(()) => {
                inner.windows.push(Window {
                    address,
                    bytes,
                    slots,
                });
                Ok(())
            }
            Err(_) => {
                self.give_back(inner, slots);
                Err(Failure::Refused("the region's frames, which are gone"))
            }
        }
    }
}

fn frame() -> ObjectBlueprint {
    FrameObjectType::SmallPage.blueprint()
}

fn map(cptr: u64, address: usize, rights: CapRights) -> sel4::Result<()> {
    cap::SmallPage::from_bits(cptr).frame_map(
        cap::VSpace::from_bits(slot::VSPACE),
        address,
        rights,
        VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
    )
}

/// Guest memory, from the server's side. The guest, and whoever shares a page with it, may change it
/// at any moment: no reference into it is ever made.
impl Space {
    fn check(&self, address: u32, len: usize) -> Result<usize, BadAddress> {
        let address = address as usize;
        if address
            .checked_add(len)
            .is_some_and(|end| end <= self.size())
        {
            Ok(self.memory + address)
        } else {
            Err(BadAddress)
        }
    }

    /// Copies out.
    pub fn read(&self, address: u32, out: &mut [u8]) -> Result<(), BadAddress> {
        let from = self.check(address, out.len())?;
        for (i, byte) in out.iter_mut().enumerate() {
            // SAFETY: inside the linear memory, which never shrinks while the guest lives; a page of
            // it that is not mapped is a hole, which the fault thread fills. Relaxed atomics may race
            // with the guest's own accesses.
            *byte = unsafe { AtomicU8::from_ptr(ptr::with_exposed_provenance_mut(from + i)) }
                .load(Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies in.
    pub fn write(&self, address: u32, bytes: &[u8]) -> Result<(), BadAddress> {
        let to = self.check(address, bytes.len())?;
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: as in `read`.
            unsafe { AtomicU8::from_ptr(ptr::with_exposed_provenance_mut(to + i)) }
                .store(*byte, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Loads a word.
    pub fn load(&self, address: u32) -> Result<u32, BadAddress> {
        Ok(self.word(address)?.load(Ordering::Acquire))
    }

    /// Stores a word.
    pub fn store(&self, address: u32, value: u32) -> Result<(), BadAddress> {
        self.word(address)?.store(value, Ordering::Release);
        Ok(())
    }

    fn word(&self, address: u32) -> Result<&AtomicU32, BadAddress> {
        if !address.is_multiple_of(4) {
            return Err(BadAddress);
        }
        let at = self.check(address, 4)?;
        // SAFETY: inside the memory and aligned (its base is, too); an atomic may be shared with
        // whoever else writes the page. The reference lives as long as the space, which outlives the
        // guest's accesses to it.
        Ok(unsafe { AtomicU32::from_ptr(ptr::with_exposed_provenance_mut(at)) })
    }
}
