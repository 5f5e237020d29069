// SPDX-License-Identifier: BSD-2-Clause
//! The linear memory of one guest: a reservation of addresses, mapped as far as it has grown, with
//! windows onto memfds.

use std::{
    ffi::c_void,
    ops::Range,
    os::fd::OwnedFd,
    ptr,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU32, AtomicUsize, Ordering},
    },
};

use parking_lot::Mutex;
use rustix::{
    fs::{MemfdFlags, ftruncate, memfd_create},
    io::{pread, pwrite},
    mm::{MapFlags, ProtFlags, mmap, mmap_anonymous, munmap},
};
use wasm_engine::{MEMORY_GUARD, MEMORY_RESERVATION};
use wasm_server_core::platform::{BadAddress, Failure, Words};

const SPAN: usize = (MEMORY_RESERVATION + MEMORY_GUARD) as usize;

/// Pages that several guests can have windows onto.
pub struct Region {
    pages: OwnedFd,
    /// Their size.
    pub bytes: usize,
}

impl Region {
    /// Zeroed pages.
    pub fn new(bytes: usize) -> Result<Self, Failure> {
        let refused = |_| Failure::Refused("shared pages");
        let pages = memfd_create(c"atoll region", MemfdFlags::CLOEXEC).map_err(refused)?;
        ftruncate(&pages, bytes as u64).map_err(refused)?;
        Ok(Self { pages, bytes })
    }

    /// Copies out.
    pub fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Failure> {
        match pread(&self.pages, &mut *out, offset) {
            Ok(count) if count == out.len() => Ok(()),
            _ => Err(Failure::Refused("reading a region")),
        }
    }

    /// Copies in.
    pub fn write(&self, offset: u64, bytes: &[u8]) -> Result<(), Failure> {
        match pwrite(&self.pages, bytes, offset) {
            Ok(count) if count == bytes.len() => Ok(()),
            _ => Err(Failure::Refused("writing a region")),
        }
    }
}

/// See the module.
pub struct Space {
    memory: *mut c_void,
    size: AtomicUsize,
    inner: Mutex<Inner>,
}

struct Inner {
    budget: usize,
    used: usize,
    /// What of it other guests have for their budgets.
    lent: usize,
    staged: Option<(Arc<Region>, bool)>,
    /// What is or was a window, by offset in the linear memory.
    windows: Vec<Range<usize>>,
    /// Those of them that were taken away, and the guest may not know.
    lost: Vec<Range<usize>>,
    /// Those of them that the guest has given up.
    holes: Vec<Range<usize>>,
    /// Those of them that are not to be written.
    read_only: Vec<Range<usize>>,
}

// SAFETY: the reservation is plain address space; who maps what into it is behind the lock, and what
// is in it is only touched atomically.
unsafe impl Send for Space {}
// SAFETY: as above.
unsafe impl Sync for Space {}

impl Space {
    /// Reserves the addresses, for a guest with this budget in bytes.
    pub fn new(budget: usize) -> Result<Self, Failure> {
        // SAFETY: a fresh mapping at an address of the kernel's choice.
        let memory = unsafe {
            mmap_anonymous(
                ptr::null_mut(),
                SPAN,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        };
        Ok(Self {
            memory: memory.map_err(|_| Failure::Exhausted("address space"))?,
            size: AtomicUsize::new(0),
            inner: Mutex::new(Inner {
                budget,
                used: 0,
                lent: 0,
                staged: None,
                windows: Vec::new(),
                lost: Vec::new(),
                holes: Vec::new(),
                read_only: Vec::new(),
            }),
        })
    }

    /// First address of the linear memory.
    pub fn memory(&self) -> *mut u8 {
        self.memory.cast()
    }

    /// Bytes of the linear memory.
    pub fn size(&self) -> usize {
        self.size.load(Ordering::Acquire)
    }

    /// The bytes of the budget, and of these spent.
    pub fn usage(&self) -> (usize, usize) {
        let inner = self.inner.lock();
        (inner.budget, inner.used)
    }

    /// Takes bytes from the budget.
    pub fn spend(&self, bytes: usize) -> Result<(), Failure> {
        self.inner.lock().spend(bytes)
    }

    /// Takes bytes from the budget for that of another guest.
    pub fn lend(&self, bytes: usize) -> Result<(), Failure> {
        let mut inner = self.inner.lock();
        inner.spend(bytes)?;
        inner.lent += bytes;
        Ok(())
    }

    /// Takes back what was lent.
    pub fn take_back(&self, bytes: usize) {
        let mut inner = self.inner.lock();
        inner.lent -= bytes;
        inner.used -= bytes;
    }

    /// Bytes of the budget that other guests have for theirs.
    pub fn lent(&self) -> usize {
        self.inner.lock().lent
    }

    /// Gives bytes back to the budget.
    pub fn earn(&self, bytes: usize) {
        self.inner.lock().used -= bytes;
    }

    /// Pages for a region, from this guest's budget.
    pub fn make_region(&self, bytes: usize) -> Result<Region, Failure> {
        self.spend(bytes)?;
        Region::new(bytes).inspect_err(|_| self.earn(bytes))
    }

    /// See [`wasm_server_core::platform::Home::stage`].
    pub fn stage(&self, region: Option<(&Arc<Region>, bool)>) {
        self.inner.lock().staged = region.map(|(region, write)| (region.clone(), write));
    }

    /// Grows the linear memory to this many bytes: by the staged region, or by fresh pages.
    pub fn grow_to(&self, size: usize) -> Result<(), Failure> {
        let mut inner = self.inner.lock();
        let old = self.size();
        if size < old || size as u64 > MEMORY_RESERVATION {
            return Err(Failure::Refused("that size"));
        }
        match inner.staged.take() {
            Some((region, write)) if region.bytes == size - old => {
                self.map_window(old, &region, write)?;
                inner.windows.push(old..size);
                inner.note_window(old..size, write);
            }
            Some(_) => return Err(Failure::Refused("a window of another size")),
            None => {
                inner.spend(size - old)?;
                self.map_fresh(old, size - old)?;
            }
        }
        self.size.store(size, Ordering::Release);
        Ok(())
    }

    /// See [`wasm_server_core::platform::Home::reuse`].
    pub fn reuse(&self, region: &Region, write: bool) -> Option<usize> {
        let mut inner = self.inner.lock();
        let at = inner.holes.iter().position(|h| h.len() == region.bytes)?;
        let address = inner.holes[at].start;
        self.map_window(address, region, write).ok()?;
        let hole = inner.holes.swap_remove(at);
        inner.note_window(hole, write);
        Some(address)
    }

    /// See [`wasm_server_core::platform::Home::private_words`].
    pub fn private_words(self: &Arc<Self>, address: u32, len: u32) -> Option<PrivateWords> {
        let end = address.checked_add(len)?;
        let range = address as usize..end as usize;
        let is_private = address.is_multiple_of(4)
            && range.end <= self.size()
            && self
                .inner
                .lock()
                .windows
                .iter()
                .all(|window| range.end <= window.start || window.end <= range.start);
        is_private.then(|| PrivateWords {
            space: self.clone(),
            range: address..end,
        })
    }

    /// Puts private zeroed pages in place of a window.
    pub fn unmap(&self, address: usize, bytes: usize) {
        // The window stays if Linux has no memory left, which ends tests and nothing else.
        if self.map_fresh(address, bytes).is_ok() {
            let hole = address..address + bytes;
            let mut inner = self.inner.lock();
            inner.read_only.retain(|window| *window != hole);
            inner.lost.push(hole);
        }
    }

    /// See [`wasm_server_core::platform::Home::give_up`].
    pub fn give_up(&self, address: usize) -> bool {
        let mut inner = self.inner.lock();
        let found = inner.lost.iter().position(|hole| hole.start == address);
        if let Some(at) = found {
            let hole = inner.lost.swap_remove(at);
            inner.holes.push(hole);
        }
        found.is_some()
    }

    fn map_fresh(&self, offset: usize, bytes: usize) -> Result<(), Failure> {
        if bytes == 0 {
            return Ok(());
        }
        // SAFETY: inside the reservation, which is this space's alone: what is replaced is the
        // reservation itself or a window that goes away.
        let mapped = unsafe {
            let at = self.memory.byte_add(offset);
            mmap_anonymous(
                at,
                bytes,
                ProtFlags::READ | ProtFlags::WRITE,
                MapFlags::PRIVATE | MapFlags::FIXED,
            )
        };
        mapped.map(drop).map_err(|_| Failure::NoMemory("the pages"))
    }

    fn map_window(&self, offset: usize, region: &Region, write: bool) -> Result<(), Failure> {
        let access = if write {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        // SAFETY: as above.
        let mapped = unsafe {
            let at = self.memory.byte_add(offset);
            mmap(
                at,
                region.bytes,
                access,
                MapFlags::SHARED | MapFlags::FIXED,
                &region.pages,
                0,
            )
        };
        mapped
            .map(drop)
            .map_err(|_| Failure::Refused("the region's pages"))
    }

    fn check(&self, address: u32, len: usize) -> Result<*mut u8, BadAddress> {
        let address = address as usize;
        if address
            .checked_add(len)
            .is_some_and(|end| end <= self.size())
        {
            Ok(self.memory().wrapping_add(address))
        } else {
            Err(BadAddress)
        }
    }

    /// Copies out.
    pub fn read(&self, address: u32, out: &mut [u8]) -> Result<(), BadAddress> {
        let from = self.check(address, out.len())?;
        for (i, byte) in out.iter_mut().enumerate() {
            // SAFETY: inside the memory, all of which is mapped and readable. Relaxed atomics may race
            // with the guest's own accesses.
            *byte = unsafe { AtomicU8::from_ptr(from.add(i)) }.load(Ordering::Relaxed);
        }
        Ok(())
    }

    /// Copies in. On the guest's own thread, which alone maps windows; a read-only one is refused.
    pub fn write(&self, address: u32, bytes: &[u8]) -> Result<(), BadAddress> {
        let to = self.check(address, bytes.len())?;
        if self
            .inner
            .lock()
            .is_read_only(address as usize, bytes.len())
        {
            return Err(BadAddress);
        }
        for (i, byte) in bytes.iter().enumerate() {
            // SAFETY: as in `read`; writable, and nobody makes it read-only meanwhile.
            unsafe { AtomicU8::from_ptr(to.add(i)) }.store(*byte, Ordering::Relaxed);
        }
        Ok(())
    }

    /// The word at an address.
    fn word(&self, address: u32) -> Result<&AtomicU32, BadAddress> {
        if !address.is_multiple_of(4) {
            return Err(BadAddress);
        }
        let at = self.check(address, 4)?;
        // SAFETY: inside the memory and aligned; the mapping lives as long as the space.
        Ok(unsafe { AtomicU32::from_ptr(at.cast()) })
    }
}

/// Words of a guest's memory in which no window is nor was.
#[derive(Clone)]
pub struct PrivateWords {
    space: Arc<Space>,
    range: Range<u32>,
}

impl PrivateWords {
    fn word(&self, offset: u32) -> Option<&AtomicU32> {
        let address = self.range.start.checked_add(offset)?;
        let is_inside = self.range.end.checked_sub(4)? >= address;
        is_inside.then(|| self.space.word(address).ok()).flatten()
    }
}

impl Words for PrivateWords {
    fn load(&self, offset: u32) -> u32 {
        self.word(offset)
            .map_or(0, |word| word.load(Ordering::Acquire))
    }

    fn store(&self, offset: u32, value: u32) {
        if let Some(word) = self.word(offset) {
            word.store(value, Ordering::Release);
        }
    }
}

impl Inner {
    fn spend(&mut self, bytes: usize) -> Result<(), Failure> {
        if bytes > self.budget - self.used {
            return Err(Failure::NoMemory("the pages"));
        }
        self.used += bytes;
        Ok(())
    }

    fn note_window(&mut self, window: Range<usize>, write: bool) {
        if !write {
            self.read_only.push(window);
        }
    }

    fn is_read_only(&self, address: usize, len: usize) -> bool {
        self.read_only
            .iter()
            .any(|window| address < window.end && window.start < address + len)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        // SAFETY: the reservation and all in it is this space's alone, and nobody has an address in it
        // any more.
        let _ = unsafe { munmap(self.memory, SPAN) };
    }
}
