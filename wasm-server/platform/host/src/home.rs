// SPDX-License-Identifier: BSD-2-Clause
//! A guest's thread, with the flag it sleeps on.

use std::{
    cell::RefCell,
    ops::ControlFlow,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
};

use parking_lot::{Condvar, Mutex};
use wasm_server_core::{
    Guest, Life,
    platform::{BadAddress, Extent, Failure, Home, MemoryUsage},
};

use crate::{
    device::Device,
    image::Blank,
    platform::Host,
    space::{PrivateWords, Region, Space},
};

/// Bytes of stack below what wasm code may use.
const RESERVE: usize = 512 * 1024;

/// See [`Home`].
pub struct HostHome {
    pub space: Arc<Space>,
    stack: usize,
    notification: Arc<Notification>,
    finished: AtomicBool,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// Whose budget this one is a part of.
    parent: Option<Arc<Space>>,
}

/// Like seL4's: a signal wakes one waiter, now or when it comes.
#[derive(Default)]
pub struct Notification {
    signalled: Mutex<bool>,
    changed: Condvar,
}

thread_local! {
    static SPACE: RefCell<Option<Arc<Space>>> = const { RefCell::new(None) };
}

/// The linear memory of the guest that runs on this thread.
pub fn current_space() -> Option<Arc<Space>> {
    SPACE.with_borrow(Clone::clone)
}

impl HostHome {
    /// A home with this budget and stack, both in bytes; the budget is part of the parent's if there
    /// is one.
    pub fn new(budget: usize, stack: usize, parent: Option<Arc<Space>>) -> Result<Self, Failure> {
        let space = Space::new(budget)?;
        if let Some(parent) = &parent {
            parent.lend(budget)?;
        }
        Ok(Self {
            space: Arc::new(space),
            stack: stack + RESERVE,
            notification: Arc::default(),
            finished: AtomicBool::new(false),
            thread: Mutex::new(None),
            parent,
        })
    }

    /// Starts the guest's thread.
    pub fn launch(
        guest: &Arc<Guest<Host>>,
        nudge: impl FnOnce() + Send + 'static,
    ) -> Result<(), Failure> {
        let home = &guest.home;
        let running = guest.clone();
        let thread = thread::Builder::new()
            .name(guest.name().into())
            .stack_size(home.stack)
            .spawn(move || {
                SPACE.set(Some(running.home.space.clone()));
                running.run(&mut Life::new());
                SPACE.set(None);
                running.home.finished.store(true, Ordering::Release);
                drop(running);
                nudge();
            });
        *home.thread.lock() = Some(thread.map_err(|_| Failure::Refused("its thread"))?);
        Ok(())
    }

    /// Waits for the thread's last instruction, and gives the parent its memory back. Once.
    pub fn evict(&self) {
        if let Some(thread) = self.thread.lock().take() {
            // A panic on it has been printed.
            let _ = thread.join();
        }
        debug_assert_eq!(self.space.lent(), 0, "parts of this budget are in use");
        if let Some(parent) = &self.parent {
            parent.take_back(self.space.usage().0);
        }
    }
}

impl Home for HostHome {
    type Region = Region;
    type Waker = Arc<Notification>;
    type Words = PrivateWords;
    type QueueMemory = Device;
    type Blank = Blank;

    fn size(&self) -> u64 {
        self.space.size() as u64
    }

    fn private_words(&self, address: u32, len: u32) -> Option<PrivateWords> {
        self.space.private_words(address, len)
    }

    fn read(&self, address: u32, out: &mut [u8]) -> Result<(), BadAddress> {
        self.space.read(address, out)
    }

    fn write(&self, address: u32, bytes: &[u8]) -> Result<(), BadAddress> {
        self.space.write(address, bytes)
    }

    fn translate(
        &self,
        _: u32,
        _: u32,
        _: bool,
        _: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), BadAddress> {
        // No device reaches it.
        Err(BadAddress)
    }

    fn make_queue_memory(&self) -> Result<Device, Failure> {
        Err(Failure::Refused(
            "a virtqueue: this platform has no devices",
        ))
    }

    fn memory_usage(&self) -> MemoryUsage {
        let (budget, spent) = self.space.usage();
        MemoryUsage {
            budget: budget as u64,
            spent: spent as u64,
        }
    }

    fn charged<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn uncharged<R>(f: impl FnOnce() -> R) -> R {
        f()
    }

    fn free_region(&self, region: &Region) {
        self.space.earn(region.bytes);
    }

    fn make_blank(&self, bytes: u32) -> Result<Blank, Failure> {
        Blank::new(&self.space, bytes as usize)
    }

    fn make_region(&self, bytes: u32) -> Result<Region, Failure> {
        self.space.make_region(bytes as usize)
    }

    fn stage(&self, region: Option<(&Arc<Region>, bool)>) {
        self.space.stage(region);
    }

    fn reuse(&self, region: &Arc<Region>, write: bool) -> Option<u32> {
        self.space
            .reuse(region, write)
            .map(|address| address as u32)
    }

    fn unmap(&self, address: u32, bytes: u32) {
        self.space.unmap(address as usize, bytes as usize);
    }

    fn give_up(&self, address: u32) -> bool {
        self.space.give_up(address as usize)
    }

    fn finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    fn park(&self) -> u32 {
        let mut signalled = self.notification.signalled.lock();
        while !std::mem::take(&mut *signalled) {
            self.notification.changed.wait(&mut signalled);
        }
        0
    }

    fn waker(&self) -> Arc<Notification> {
        self.notification.clone()
    }

    fn wake(waker: &Arc<Notification>) {
        *waker.signalled.lock() = true;
        waker.changed.notify_one();
    }
}
