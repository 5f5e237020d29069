// SPDX-License-Identifier: BSD-2-Clause
//! A guest's thread and its notification, beside its address space.

use alloc::{format, sync::Arc};
use core::{
    cell::{Cell, RefCell},
    ops::ControlFlow,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use sel4::{CNodeCapData, CPtr, IpcBuffer, ObjectBlueprint, cap};
use sel4_tls::ThreadStart;
use wasm_handoff::slot;
use wasm_server_core::{
    Guest, Life,
    platform::{BadAddress, Extent, Failure, Home, MemoryUsage},
};

use crate::{
    access::PrivateWords,
    account::{Account, PAGE},
    arena, boot, cspace,
    device::QueuePages,
    image::Blank,
    place::Place,
    platform::Sel4,
    region::Region,
    space::Space,
    steps::{Step, mark},
};

/// Bytes of stack below what wasm code may use: for the hostcalls it makes at that depth, and for
/// the report of its trap.
const RESERVE: usize = 48 * 1024;

/// See [`Home`].
pub struct Sel4Home {
    pub space: Arc<Space>,
    tcb: cap::Tcb,
    notification: cap::Notification,
    /// The page with thread-local storage and IPC buffer.
    control: usize,
    finished: AtomicBool,
}

/// The address of the IPC buffer in its page, which is also the stack's last.
fn ipc_buffer(control: usize) -> usize {
    control + PAGE - boot::IPC_BUFFER_BYTES
}

impl Sel4Home {
    /// Makes everything a guest's thread needs, in a place of its own, out of its budget.
    pub fn new(
        place: Place,
        account: Account,
        stack: u32,
        highest: u8,
        prio: u8,
    ) -> Result<Self, Failure> {
        let (fault_endpoint, notification) = (place.fault_endpoint(), place.notification());
        let space = Space::new(place, account, stack as usize + RESERVE)?;
        mark(Step::Space);
        let tcb = cap::Tcb::from_bits(space.make(ObjectBlueprint::Tcb)?);
        space.make_at(ObjectBlueprint::Notification, notification)?;
        let notification = cap::Notification::from_bits(notification);
        let refused = |_| Failure::Refused("its thread");
        let (control, frame) = space.control();
        tcb.tcb_configure(
            CPtr::from_bits(fault_endpoint),
            cspace::root(),
            CNodeCapData::new(0, 0),
            cap::VSpace::from_bits(slot::VSPACE),
            ipc_buffer(control) as u64,
            frame,
        )
        .map_err(refused)?;
        // A guest that starts another gives it its priority, and seL4 5.0.0 asks what the calling thread
        // may give, not what the server may. It is the server's code that asks, never the guest.
        let prio = prio.min(highest);
        tcb.tcb_set_sched_params(cap::Tcb::from_bits(slot::TCB), highest.into(), prio.into())
            .map_err(refused)?;
        mark(Step::Settled);
        Ok(Self {
            space: Arc::new(space),
            tcb,
            notification,
            control,
            finished: AtomicBool::new(false),
        })
    }

    /// Starts the thread in [`main`].
    pub fn launch(&self, guest: Arc<Guest<Sel4>>) -> Result<(), Failure> {
        // SAFETY: the page below the IPC buffer is the thread's alone.
        let (thread_pointer, stack_top) =
            unsafe { boot::thread_storage_below(ipc_buffer(self.control)) };
        let argument = Arc::into_raw(guest);
        let start = ThreadStart {
            function: main,
            argument: argument.expose_provenance(),
            stack_top,
            thread_pointer,
        };
        boot::launch(self.tcb, &start).map_err(|_| {
            // SAFETY: the thread did not start, so the reference is still nobody else's.
            drop(unsafe { Arc::from_raw(argument) });
            Failure::Refused("its thread's start")
        })
    }

    /// What wakes the thread.
    pub fn notification(&self) -> cap::Notification {
        self.notification
    }

    /// The thread.
    pub fn tcb(&self) -> cap::Tcb {
        self.tcb
    }
}

/// The guest that runs on this thread: wasmtime's requests for memory name nobody.
#[thread_local]
static GUEST: RefCell<Option<Arc<Guest<Sel4>>>> = RefCell::new(None);

/// What wasmtime keeps for that guest, on the stack of [`main`].
#[thread_local]
static LIFE: Cell<*mut Life<Sel4>> = Cell::new(ptr::null_mut());

/// Uses the address space of the guest that runs on this thread, if one does.
pub fn with_space<R>(f: impl FnOnce(&Space) -> R) -> Option<R> {
    let guest = GUEST.borrow();
    guest.as_ref().map(|guest| f(&guest.home.space))
}

/// The first code of a guest's thread.
extern "C" fn main(argument: usize) -> ! {
    mark(Step::Thread);
    // SAFETY: the reference that `launch` gave up, for this call alone.
    let guest: Arc<Guest<Sel4>> = unsafe { Arc::from_raw(ptr::with_exposed_provenance(argument)) };
    let buffer = ipc_buffer(guest.home.control);
    // SAFETY: the thread's own IPC buffer, as configured; nobody else has a reference to it, and the
    // page is there for as long as the thread.
    sel4::set_ipc_buffer(unsafe { &mut *ptr::with_exposed_provenance_mut::<IpcBuffer>(buffer) });
    arena::enter(guest.home.space.arena());
    GUEST.replace(Some(guest.clone()));
    let mut life = Life::new();
    let place = &raw mut life;
    LIFE.set(place);
    // SAFETY: of this function's own; `abandoned` uses it only when this call does no more.
    guest.run(unsafe { &mut *place });
    LIFE.set(ptr::null_mut());
    drop(guest);
    finish()
}

/// Where a guest's thread goes on that wrote where it must not, in code of the server.
pub extern "C" fn abandoned(ip: usize, address: usize) -> ! {
    // What is noted from here on outlives the guest.
    arena::leave();
    let guest = GUEST.borrow().clone();
    let Some(guest) = guest else {
        panic!("no guest runs on the thread that faulted at {ip:#x}")
    };
    let offset = address.wrapping_sub(guest.home.space.memory());
    guest.abandon(&format!(
        "write to a read-only window, at address {offset:#x} of its memory"
    ));
    // SAFETY: on the stack of `main`, which this thread never returns to, nor to what it called: nobody else uses
    // what is there any more, and it is whole, since it is only changed before the guest's code runs and after.
    // wasmtime's own functions that touch a guest's memory leave the store as it can be dropped: they are
    // copies and fills, and those of the server's that read and write.
    if let Some(life) = unsafe { LIFE.replace(ptr::null_mut()).as_mut() } {
        // Or its module would be held for ever, and what that takes of the server's heap.
        life.end();
    }
    // SAFETY: `main` holds a reference on this stack, which nobody uses or drops any more. Without this the guest
    // would never be freed. It is not now: `guest` is one more.
    unsafe { Arc::decrement_strong_count(Arc::as_ptr(&guest)) };
    drop(guest);
    finish()
}

/// The end of a guest's thread.
fn finish() -> ! {
    mark(Step::Finish);
    let Some(guest) = GUEST.replace(None) else {
        panic!("a thread that is no guest's finishes as one")
    };
    let notification = guest.home.notification;
    let finished = &raw const guest.home.finished;
    drop(guest);
    // SAFETY: the server keeps the guest until this is true and what it held is reclaimed.
    unsafe { &*finished }.store(true, Ordering::Release);
    Sel4::nudge_service();
    loop {
        // The service thread takes the thread away here.
        notification.wait();
    }
}

impl Home for Sel4Home {
    type Region = Region;
    type Waker = cap::Notification;
    type Words = PrivateWords;
    type QueueMemory = QueuePages;
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
        address: u32,
        len: u32,
        write: bool,
        each: impl FnMut(Extent) -> ControlFlow<()>,
    ) -> Result<(), BadAddress> {
        self.space.translate(address, len, write, each)
    }

    fn make_queue_memory(&self) -> Result<QueuePages, Failure> {
        QueuePages::new(&self.space)
    }

    fn memory_usage(&self) -> MemoryUsage {
        self.space.usage()
    }

    fn charged<R>(&self, f: impl FnOnce() -> R) -> R {
        arena::charge(true, f)
    }

    fn uncharged<R>(f: impl FnOnce() -> R) -> R {
        arena::charge(false, f)
    }

    fn make_blank(&self, bytes: u32) -> Result<Blank, Failure> {
        Blank::new(&self.space, bytes as usize)
    }

    fn make_region(&self, bytes: u32) -> Result<Region, Failure> {
        Region::of_guest(&self.space, bytes as usize)
    }

    fn free_region(&self, region: &Region) {
        region.free();
    }

    fn stage(&self, region: Option<(&Arc<Region>, bool)>) {
        self.space.stage(region);
    }

    fn reuse(&self, region: &Arc<Region>, write: bool) -> Option<u32> {
        // The memory has no address beyond 32 bits.
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
        // Wakers have no badge; devices have one bit each, below the 28 of a badge.
        self.notification.wait().1 as u32
    }

    fn wake_and_park(&self, waker: &cap::Notification) -> u32 {
        self.notification.wait_after_signal(*waker).1 as u32
    }

    fn waker(&self) -> cap::Notification {
        self.notification
    }

    fn wake(waker: &cap::Notification) {
        waker.signal();
    }
}
