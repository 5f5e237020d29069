// SPDX-License-Identifier: BSD-2-Clause
//! The spec's threads, when everything they use is there.

use capdl::blob::{Cap, Kind, Object, ObjectId, Tcb};
use root_task::problem::{Failure, Problem};
use sel4::init_thread::slot as root_slot;
use sel4::{CNodeCapData, CPtr, UserContext, cap};

use crate::System;
use crate::fill::{guard, is_vspace, wanted};
use crate::invoke::{cap, refused};

/// Bytes of an IPC buffer, and what it is aligned to.
const IPC_BUFFER_BYTES: u64 = 1024;

/// Sets up every thread; none runs before [`resume`].
pub fn configure(system: &System) -> Result<(), Failure> {
    for (id, object) in system.spec.iter() {
        if let Kind::Tcb(parameters) = &object.kind {
            thread(id, &object, parameters, system)?;
        }
    }
    Ok(())
}

/// Lets those run that are to.
pub fn resume(system: &System) -> Result<(), Failure> {
    for (id, object) in system.spec.iter() {
        if matches!(&object.kind, Kind::Tcb(parameters) if parameters.resume) {
            system
                .objects
                .slot(id)
                .and_then(|slot| tcb(slot).tcb_resume().map_err(refused("resume it")))
                .map_err(|problem| problem.of(system.spec.file, &object))?;
        }
    }
    Ok(())
}

fn tcb(slot: usize) -> cap::Tcb {
    cap(slot)
}

fn thread(
    id: ObjectId,
    object: &Object<'static>,
    parameters: &Tcb,
    system: &System,
) -> Result<(), Failure> {
    let file = system.spec.file;
    let wrong = |problem: Problem| problem.of(file, object);
    let thread = tcb(system.objects.slot(id).map_err(wrong)?);
    let part = |slot: &'static str,
                kind: &'static str,
                is: fn(&Kind<'static>) -> bool|
     -> Result<Option<(usize, Cap<'static>)>, Failure> {
        let Some(cap) = object.caps.slot(slot) else {
            return Ok(None);
        };
        wanted(&system.spec, cap.target, kind, is)
            .and_then(|()| system.objects.slot(cap.target))
            .map(|slot| Some((slot, cap)))
            .map_err(|problem| problem.of_cap(file, object.name, &cap))
    };
    let cspace = part("cspace", "a CNode", |kind| {
        matches!(kind, Kind::CNode { .. })
    })?;
    let vspace = part("vspace", "a VSpace", is_vspace)?;
    let buffer = part("ipc_buffer_slot", "a frame of 4k", |kind| {
        matches!(kind, Kind::Frame { size_bits: 12, .. })
    })?;
    let notification = part("bound_notification", "a notification", |kind| {
        matches!(kind, Kind::Notification)
    })?;

    let addr = parameters.addr;
    if !addr.is_multiple_of(IPC_BUFFER_BYTES) || (addr != 0 && buffer.is_none()) {
        return Err(wrong(Problem::BufferAddress(addr)));
    }
    let missing = match (&cspace, &vspace) {
        (None, _) => Some("cspace"),
        (_, None) => Some("vspace"),
        _ => None,
    };
    match (cspace, vspace) {
        (Some((cspace, entry)), Some((vspace, _))) => thread
            .tcb_configure(
                CPtr::from_bits(parameters.fault_ep),
                cap(cspace),
                guard(&entry).unwrap_or_else(|| CNodeCapData::new(0, 0)),
                cap(vspace),
                addr,
                cap(buffer.map_or(root_slot::NULL.index(), |(slot, _)| slot)),
            )
            .map_err(|error| wrong(refused("configure the thread")(error)))?,
        _ => {
            if let Some(missing) = missing.filter(|_| parameters.resume) {
                return Err(wrong(Problem::ThreadWithout(missing)));
            }
        }
    }
    if let Some((notification, entry)) = notification {
        thread
            .tcb_bind_notification(cap(notification))
            .map_err(refused("bind this notification"))
            .map_err(|problem| problem.of_cap(file, object.name, &entry))?;
    }
    let (max, prio) = (parameters.max_prio.into(), parameters.prio.into());
    thread
        .tcb_set_sched_params(root_slot::TCB.cap(), max, prio)
        .map_err(|error| wrong(refused("give the thread its priority")(error)))?;
    let mut registers = UserContext::default();
    *registers.pc_mut() = parameters.ip;
    *registers.sp_mut() = parameters.sp;
    for (index, &word) in parameters.init.iter().enumerate() {
        *registers.gpr_mut(index) = word;
    }
    thread
        .tcb_write_all_registers(false, &mut registers)
        .map_err(|error| wrong(refused("write the thread's registers")(error)))
}
