// SPDX-License-Identifier: BSD-2-Clause
//! Several guests in one test: regions, bells, deaths and a clock, without a server. All of them run on the
//! test's executor, each a holder of the regions by another process id.

use alloc::{collections::BTreeMap, rc::Rc, vec::Vec};
use core::{
    cell::{Cell, RefCell},
    sync::atomic::{AtomicU32, Ordering::Relaxed},
};

use atoll_abi::{Handle, Pid};

use crate::{
    channel::{Channel, Config, Place},
    sys::{raw::answer_with, shared::Shared},
    wake::RING,
};

/// A handle is the number of a region, and in its low bits the process id of the holder.
const PIDS: u32 = 1 << 12;

/// What there is beside the guests.
#[derive(Clone, Default)]
pub(crate) struct World {
    regions: Rc<RefCell<BTreeMap<u32, Shared>>>,
    /// By handle: the task to wake, and for which bells.
    listeners: Rc<RefCell<BTreeMap<u32, (u32, u32)>>>,
    dead: Rc<RefCell<Vec<u32>>>,
    /// Handles that were closed.
    closed: Rc<RefCell<Vec<u32>>>,
    /// How often somebody rang.
    pub(crate) rings: Rc<Cell<u32>>,
    pub(crate) now: Rc<Cell<u64>>,
    /// Lines that came to the server.
    pub(crate) lines: Rc<Cell<u32>>,
}

impl World {
    /// One that answers this thread's hostcalls from now on.
    pub(crate) fn new() -> Self {
        let world = Self::default();
        let this = world.clone();
        answer_with(move |name, args| this.answer(name, args));
        world
    }

    fn answer(&self, name: &str, args: &[u64]) -> Option<i64> {
        let number = |place: usize| args[place] as u32;
        Some(match name {
            "wake::register" => {
                RING.with(|ring| ring.clear());
                0
            }
            "wake::listen" => {
                let listener = (number(1), number(2));
                self.listeners.borrow_mut().insert(number(0), listener);
                0
            }
            "wake::notify" => {
                self.ring(number(0), number(1));
                0
            }
            "wake::notify_wait" => {
                self.ring(number(0), number(1));
                self.sleep(args[2])
            }
            "wake::wait" => self.sleep(args[0]),
            "shm::holds" => {
                let theirs = number(0) / PIDS * PIDS + number(1);
                let gone = self.dead.borrow().contains(&number(1))
                    || self.closed.borrow().contains(&theirs);
                i64::from(!gone)
            }
            "handle::close" => {
                self.closed.borrow_mut().push(number(0));
                self.listeners.borrow_mut().remove(&number(0));
                self.ring(number(0), u32::MAX);
                0
            }
            "time::now" => self.now.get() as i64,
            "log::write" => {
                self.lines.set(self.lines.get() + 1);
                0
            }
            _ => return None,
        })
    }

    fn ring(&self, handle: u32, bells: u32) {
        self.rings.set(self.rings.get() + 1);
        for (other, (task, mask)) in &*self.listeners.borrow() {
            if other / PIDS == handle / PIDS && *other != handle && mask & bells != 0 {
                RING.with(|ring| ring.put(*task));
            }
        }
    }

    fn sleep(&self, deadline: u64) -> i64 {
        let ids = RING.with(|ring| ring.pending());
        if ids == 0 {
            assert_ne!(deadline, u64::MAX, "everybody would sleep for ever");
            self.now.set(self.now.get().max(deadline));
        }
        ids.into()
    }

    /// Makes a region; its number.
    pub(crate) fn region(&self, bytes: u32) -> u32 {
        // Not one of another test's: what that has left behind may close it yet.
        static NEXT: AtomicU32 = AtomicU32::new(1);
        let region = NEXT.fetch_add(1, Relaxed);
        let memory = Shared::leak(bytes);
        self.regions.borrow_mut().insert(region, memory);
        region
    }

    /// The memory of a region.
    pub(crate) fn memory(&self, region: u32) -> Shared {
        self.regions.borrow()[&region]
    }

    /// A region as this process holds it.
    pub(crate) fn place(&self, region: u32, pid: u32) -> Place {
        let handle = self.handle(region, pid);
        Place::local(self.memory(region), handle, Pid(pid))
    }

    /// The handle that this process has for a region.
    pub(crate) fn handle(&self, region: u32, pid: u32) -> Handle {
        Handle(region * PIDS + pid)
    }

    /// The channel of a region, as this process sees it.
    pub(crate) fn channel(&self, region: u32, pid: u32, config: &Config) -> Channel {
        let place = self.place(region, pid);
        place.channel(0, place.len(), Some(config)).unwrap()
    }

    /// A process ends; what it holds is not dropped here.
    pub(crate) fn kill(&self, pid: u32) {
        self.dead.borrow_mut().push(pid);
        for (task, _) in self.listeners.borrow().values() {
            RING.with(|ring| ring.put(*task));
        }
    }
}
