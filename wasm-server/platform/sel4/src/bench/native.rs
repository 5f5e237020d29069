// SPDX-License-Identifier: BSD-2-Clause
//! Tasks of native code that drive a device of their own, beside guests in one machine. A spec has a device for one
//! of them.

use alloc::{boxed::Box, string::String};

use capdl::blob::{Kind, ObjectId, Reader};
use sel4::{IpcBuffer, ObjectBlueprint, cap};
use wasm_handoff::Handoff;
use wasm_server_core::platform::Failure;

use super::{PRIO, dma};
use crate::{boot, cspace, vspace};

/// A task's device.
pub struct Device {
    /// The address of its registers.
    pub registers: usize,
    pub irq: cap::IrqHandler,
    /// What its interrupt signals.
    pub interrupt: cap::Notification,
}

impl Device {
    /// Sleeps for good.
    pub fn rest(&self) -> ! {
        loop {
            self.interrupt.wait();
        }
    }
}

/// Where the task's pages are: behind those of the other benchmarks.
const CONTROL: usize = vspace::SERVICE + 5 * boot::SERVICE_THREAD_BYTES;

/// Starts a task if the spec has a device of this name.
///
/// # Errors
/// What is missing, for people.
pub fn start(
    pool: cap::Untyped,
    spec: &Reader<'_>,
    handoff: &Handoff,
    name: &str,
    task: extern "C" fn(usize) -> !,
) -> Result<(), String> {
    let native = spec.iter().find(|(_, object)| object.name == name);
    let Some(Kind::VirtioDevice { frame, offset, irq }) = native.map(|(_, object)| object.kind)
    else {
        return Ok(());
    };
    let given = |object: ObjectId| {
        let given = handoff.given.iter().find(|given| given.object == object.0);
        given.ok_or("the server was not given the parts of its own device")
    };
    let refused = |failure: Failure| alloc::format!("{failure}");
    dma::init(pool).map_err(refused)?;
    let interrupt = cspace::take_own(1).map_err(refused)?;
    cspace::retype(pool, ObjectBlueprint::Notification, interrupt, 1)
        .map_err(|error| alloc::format!("no notification for its own device: {error}"))?;
    let device = Box::new(Device {
        registers: given(frame)?.vaddr as usize + offset as usize,
        irq: cap::IrqHandler::from_bits(given(irq)?.cptr),
        interrupt: cap::Notification::from_bits(interrupt),
    });
    device
        .irq
        .irq_handler_set_notification(device.interrupt)
        .map_err(|error| alloc::format!("no interrupt for its own device: {error}"))?;
    let argument = Box::into_raw(device).expose_provenance();
    boot::start_service_thread(
        pool,
        CONTROL,
        (PRIO, 0),
        (cspace::root(), 0),
        task,
        argument,
    )
    .map_err(refused)
}

/// What a task begins with: its device.
///
/// # Safety
/// Called once, by the task that [`start`] has started, with its argument.
pub unsafe fn begin(argument: usize) -> Box<Device> {
    // SAFETY: what `start` gave up, for this call alone.
    let device =
        unsafe { Box::from_raw(core::ptr::with_exposed_provenance_mut::<Device>(argument)) };
    // SAFETY: the thread's own IPC buffer, mapped for good.
    sel4::set_ipc_buffer(unsafe {
        &mut *core::ptr::with_exposed_provenance_mut::<IpcBuffer>(CONTROL)
    });
    device
}
