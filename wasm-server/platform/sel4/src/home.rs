// SPDX-License-Identifier: BSD-2-Clause
//! A guest's thread and its notification, beside its address space.

use alloc::{boxed::Box, format, sync::Arc};
use core::{
    cell::RefCell,
    ptr,
    sync::atomic::{AtomicBool, Ordering},
};

use sel4::{CNodeCapData, CPtr, CapRights, IpcBuffer, ObjectBlueprint, cap};
use sel4_tls::ThreadStart;
use wasm_handoff::slot;
use wasm_server_core::{
    Guest,
    platform::{BadAddress, Failure, Home, MemoryUsage},
};

use crate::{account::Account, boot, cspace, platform::Sel4, region::Region, space::Space};

/// Bytes of stack below what wasm code may use: for the hostcalls it makes at that depth, and for
/// the report of its trap.
const RESERVE: usize = 48 * 1024;

/// See [`Home`].
pub struct Sel4Home {
    pub space: Arc<Space>,
    tcb: cap::Tcb,
    notification: cap::Notification,
    finished: AtomicBool,
}

impl Sel4Home {
    /// Makes everything a guest's thread needs out of its budget.
    pub fn new(
        pool: cap::Untyped,
        account: Account,
        stack: u32,
        highest: u8,
        prio: u8,
    ) -> Result<Self, Failure> {
        let space = Space::new(pool, account, stack as usize + RESERVE)?;
        let notification = cap::Notification::from_bits(space.make(ObjectBlueprint::Notification)?);
        let tcb = cap::Tcb::from_bits(space.make(ObjectBlueprint::Tcb)?);
        let fault_endpoint = space.slot()?;
        let refused = |_| Failure::Refused("its thread");
        cspace::path(fault_endpoint)
            .mint(
                &cspace::path(slot::FAULT_ENDPOINT),
                CapRights::new(false, true, false, true),
                space.number(),
            )
            .map_err(refused)?;
        let (control, control_frame) = space.make_control()?;
        tcb.tcb_configure(
            CPtr::from_bits(fault_endpoint),
            cspace::root(),
            CNodeCapData::new(0, 0),
            cap::VSpace::from_bits(slot::VSPACE),
            control as u64,
            control_frame,
        )
        .map_err(refused)?;
        // A guest that starts another gives it its priority, and seL4 5.0.0 asks what the calling thread
        // may give, not what the server may. It is the server's code that asks, never the guest.
        let prio = prio.min(highest);
        tcb.tcb_set_sched_params(cap::Tcb::from_bits(slot::TCB), highest.into(), prio.into())
            .map_err(refused)?;
        Ok(Self {
            space: Arc::new(space),
            tcb,
            notification,
            finished: AtomicBool::new(false),
        })
    }

    /// Starts the thread in [`main`].
    pub fn launch(&self, guest: Arc<Guest<Sel4>>) -> Result<(), Failure> {
        let control = self.space.control();
        // SAFETY: behind the IPC buffer, the page is the thread's alone.
        let thread_pointer = unsafe {
            boot::thread_storage(ptr::with_exposed_provenance_mut(
                control + boot::IPC_BUFFER_BYTES,
            ))
        };
        let argument = Box::into_raw(Box::new(guest));
        let start = ThreadStart {
            function: main,
            argument: argument.expose_provenance(),
            stack_top: self.space.stack_top(),
            thread_pointer,
        };
        boot::launch(self.tcb, &start).map_err(|_| {
            // SAFETY: the thread did not start, so the box is still nobody else's.
            drop(unsafe { Box::from_raw(argument) });
            Failure::Refused("its thread's start")
        })
    }

    /// The thread.
    pub fn tcb(&self) -> cap::Tcb {
        self.tcb
    }
}

/// The guest that runs on this thread: wasmtime's requests for memory name nobody.
#[thread_local]
static GUEST: RefCell<Option<Arc<Guest<Sel4>>>> = RefCell::new(None);

/// The address space of the guest that runs on this thread.
pub fn current_space() -> Option<Arc<Space>> {
    GUEST
        .borrow()
        .as_ref()
        .map(|guest| guest.home.space.clone())
}

/// The first code of a guest's thread.
extern "C" fn main(argument: usize) -> ! {
    // SAFETY: what `launch` made of its box, for this call alone.
    let guest: Arc<Guest<Sel4>> =
        *unsafe { Box::from_raw(ptr::with_exposed_provenance_mut(argument)) };
    let control = guest.home.space.control();
    // SAFETY: the thread's own IPC buffer, as configured; nobody else has a reference to it, and the
    // page is there for as long as the thread.
    sel4::set_ipc_buffer(unsafe { &mut *ptr::with_exposed_provenance_mut::<IpcBuffer>(control) });
    GUEST.replace(Some(guest.clone()));
    guest.run();
    drop(guest);
    finish()
}

/// Where a guest's thread goes on that wrote where it must not, in code of the server.
pub extern "C" fn abandoned(ip: usize, address: usize) -> ! {
    let guest = GUEST.borrow().clone();
    let Some(guest) = guest else {
        panic!("no guest runs on the thread that faulted at {ip:#x}")
    };
    let offset = address.wrapping_sub(guest.home.space.memory());
    guest.abandon(&format!(
        "write to a read-only window, at address {offset:#x} of its memory"
    ));
    drop(guest);
    finish()
}

/// The end of a guest's thread.
fn finish() -> ! {
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

    fn size(&self) -> u64 {
        self.space.size() as u64
    }

    fn is_private(&self, address: u32, len: u32) -> bool {
        self.space.is_private(address as usize, len as usize)
    }

    fn read(&self, address: u32, out: &mut [u8]) -> Result<(), BadAddress> {
        self.space.read(address, out)
    }

    fn write(&self, address: u32, bytes: &[u8]) -> Result<(), BadAddress> {
        self.space.write(address, bytes)
    }

    fn load(&self, address: u32) -> Result<u32, BadAddress> {
        self.space.load(address)
    }

    fn store(&self, address: u32, value: u32) -> Result<(), BadAddress> {
        self.space.store(address, value)
    }

    fn memory_usage(&self) -> MemoryUsage {
        self.space.usage()
    }

    fn charged<R>(&self, f: impl FnOnce() -> R) -> R {
        f()
    }

    fn uncharged<R>(f: impl FnOnce() -> R) -> R {
        f()
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

    fn finished(&self) -> bool {
        self.finished.load(Ordering::Acquire)
    }

    fn park(&self) {
        self.notification.wait();
    }

    fn waker(&self) -> cap::Notification {
        self.notification
    }

    fn wake(waker: &cap::Notification) {
        waker.signal();
    }
}
