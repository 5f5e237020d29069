// SPDX-License-Identifier: BSD-2-Clause
//! What goes into the spec's kernel objects: contents of frames, entries of page tables, capabilities of
//! CNodes, notifications of interrupts. Threads are last ([`threads`](crate::threads)).

use capdl::blob::{Cap, CapData, Kind, Object, ObjectId, Reader, Rights};
use root_task::plan::{ENTRY_BITS, PAGE};
use root_task::problem::{Failure, Problem};
use sel4::cap_type::{AsidPool, IrqHandler, UnspecifiedPage};
use sel4::{AbsoluteCPtr, CNodeCapData, CapRights, VmAttributes, cap};

use crate::System;
use crate::invoke::{assign_asid, at, cap, refused};
use crate::objects::{Objects, failure};
use crate::parts::{CNode, rights};
use crate::vspace::map_table;

/// Slots of a page table.
const ENTRIES: u64 = PAGE / 8;

/// Fills every object.
pub fn run(system: &mut System) -> Result<(), Failure> {
    let spec = system.spec.clone();
    for (id, object) in spec.iter() {
        match &object.kind {
            Kind::Frame { .. } => {
                contents(&object, id, system).map_err(|problem| problem.of(spec.file, &object))?;
            }
            Kind::Irq { .. } => bind(id, system)?,
            Kind::AsidPool => asid_pool(id, &object, system)?,
            _ => {}
        }
    }
    for (id, object) in spec.iter() {
        match object.kind {
            Kind::PageTable { level: 0 } => vspace(id, &object, system)?,
            Kind::CNode { size_bits } => cnode(id, size_bits.into(), &object, system)?,
            _ => {}
        }
    }
    Ok(())
}

/// Copies parts of files into a frame.
fn contents(object: &Object<'static>, id: ObjectId, system: &mut System) -> Result<(), Problem> {
    let Kind::Frame {
        size_bits, fill, ..
    } = &object.kind
    else {
        return Ok(());
    };
    for part in fill {
        let end = u64::from(part.offset) + u64::from(part.len);
        if end > 1 << size_bits {
            return Err(Problem::FillBeyond);
        }
        let file = system.payload.file(part.file)?;
        let bytes = usize::try_from(part.file_offset)
            .ok()
            .and_then(|start| file.get(start..))
            .unwrap_or_default();
        let bytes = &bytes[..bytes.len().min(part.len as usize)];
        let frame = system.objects.slot(id)?;
        system
            .scratch
            .fill(frame, *size_bits, part.offset as usize, bytes)?;
    }
    Ok(())
}

/// Has an interrupt signal the notification of its capability `0`, if the object is one that has.
pub fn bind(id: ObjectId, system: &mut System) -> Result<(), Failure> {
    let Some(object) = system.spec.object(id) else {
        return Ok(());
    };
    let (Kind::Irq { .. }, Some(target)) = (&object.kind, object.caps.slot("0")) else {
        return Ok(());
    };
    let bind = || {
        wanted(&system.spec, target.target, "a notification", |kind| {
            matches!(kind, Kind::Notification)
        })?;
        // With the badge and the rights of the spec, for as long as it takes.
        let signal = system.temp;
        give(&system.spec, &system.objects, &target, at(signal))?;
        let bound = cap::<IrqHandler>(system.objects.slot(id)?)
            .irq_handler_set_notification(cap(signal))
            .map_err(refused("have it signal this notification"));
        at(signal)
            .delete()
            .map_err(refused("delete a capability of its own"))?;
        bound
    };
    bind().map_err(|problem| problem.of_cap(system.spec.file, object.name, &target))
}

/// Gives VSpaces their ASIDs from a pool of the spec's.
fn asid_pool(id: ObjectId, object: &Object<'static>, system: &System) -> Result<(), Failure> {
    for target in &object.caps {
        let assign = || {
            wanted(&system.spec, target.target, "a VSpace", is_vspace)?;
            cap::<AsidPool>(system.objects.slot(id)?)
                .asid_pool_assign(cap(system.objects.slot(target.target)?))
                .map_err(refused("give it an ASID"))
        };
        assign().map_err(|problem| problem.of_cap(system.spec.file, object.name, &target))?;
    }
    Ok(())
}

/// Maps everything below the root of a VSpace.
fn vspace(id: ObjectId, object: &Object<'static>, system: &mut System) -> Result<(), Failure> {
    let assigned = system.spec.iter().any(|(_, pool)| {
        matches!(pool.kind, Kind::AsidPool) && pool.caps.iter().any(|cap| cap.target == id)
    });
    let root = system
        .objects
        .slot(id)
        .map_err(|problem| failure(&system.spec, id, problem))?;
    if !assigned {
        assign_asid(root).map_err(|problem| failure(&system.spec, id, problem))?;
    }
    entries(cap(root), 0, 0, object, system)
}

/// Maps the entries of a page table of a level, which is mapped at `base` itself.
fn entries(
    vspace: cap::VSpace,
    level: usize,
    base: u64,
    object: &Object<'static>,
    system: &mut System,
) -> Result<(), Failure> {
    for entry in &object.caps {
        let wrong = |problem: Problem| problem.of_cap(system.spec.file, object.name, &entry);
        let slots = ENTRIES as usize;
        let index = entry.number().filter(|index| *index < ENTRIES);
        let index = index.ok_or_else(|| wrong(Problem::NoSuchSlot { slots }))?;
        let vaddr = base + (index << ENTRY_BITS[level]);
        let target = system
            .spec
            .object(entry.target)
            .ok_or_else(|| wrong(Problem::NoObject(entry.target.0)))?;
        match target.kind {
            Kind::PageTable { level: below } if usize::from(below) == level + 1 => {
                system
                    .objects
                    .slot(entry.target)
                    .and_then(|slot| map_table(slot, level + 1, vspace, vaddr))
                    .map_err(wrong)?;
                entries(vspace, level + 1, vaddr, &target, system)?;
            }
            Kind::Frame { size_bits, .. } if size_bits == ENTRY_BITS[level] => {
                page(vspace, vaddr, &entry, system)
                    .map_err(|problem| problem.of_cap(system.spec.file, object.name, &entry))?;
            }
            _ => {
                let (target, wanted) = (target.name, "what an entry of this level maps");
                return Err(wrong(Problem::WrongKind { target, wanted }));
            }
        }
    }
    Ok(())
}

/// Maps a frame with the rights and the attributes of its entry: G has it be executed, as in capDL.
fn page(
    vspace: cap::VSpace,
    vaddr: u64,
    entry: &Cap<'static>,
    system: &mut System,
) -> Result<(), Problem> {
    if !entry.rights.read {
        return Err(Problem::FrameRights);
    }
    let rights = CapRights::new(false, false, true, entry.rights.write);
    // One capability is one mapping.
    let copy = system.slots.take(1)?;
    at(copy)
        .copy(&at(system.objects.slot(entry.target)?), rights)
        .map_err(refused("copy a frame's capability"))?;
    let mut attributes = match entry.data {
        CapData::Uncached => VmAttributes::NONE,
        _ => VmAttributes::DEFAULT,
    };
    if !entry.rights.grant {
        attributes = attributes | VmAttributes::EXECUTE_NEVER;
    }
    cap::<UnspecifiedPage>(copy)
        .frame_map(vspace, vaddr as usize, rights, attributes)
        .map_err(refused("map this frame"))
}

/// Fills the slots of a CNode.
fn cnode(
    id: ObjectId,
    bits: usize,
    object: &Object<'static>,
    system: &System,
) -> Result<(), Failure> {
    let slots = 1 << bits;
    for entry in &object.caps {
        let put = || {
            let cnode = CNode::new(system.objects.slot(id)?, bits);
            let slot = entry.number().filter(|slot| *slot < slots as u64);
            let slot = slot.ok_or(Problem::NoSuchSlot { slots })?;
            if is_leftover(&system.spec, entry.target) {
                let room = slots - slot as usize;
                let left = system.left.len();
                if left > room {
                    return Err(Problem::LeftoverSlots { left, slots: room });
                }
                return system.leftovers(|index, source| {
                    let slot = cnode.at(slot + index as u64);
                    slot.copy(&source, CapRights::all())
                });
            }
            give(&system.spec, &system.objects, &entry, cnode.at(slot))
        };
        put().map_err(|problem| problem.of_cap(system.spec.file, object.name, &entry))?;
    }
    Ok(())
}

impl System {
    /// Hands on all untypeds that are left, the n-th as `give` says.
    pub fn leftovers(
        &self,
        mut give: impl FnMut(usize, AbsoluteCPtr) -> sel4::Result<()>,
    ) -> Result<(), Problem> {
        for (index, block) in self.left.iter().enumerate() {
            give(index, at(block.slot)).map_err(refused("hand on an untyped that is left"))?;
        }
        Ok(())
    }
}

/// Puts a capability as the spec writes it into an empty slot.
pub fn give(
    spec: &Reader<'static>,
    objects: &Objects,
    entry: &Cap<'static>,
    destination: AbsoluteCPtr,
) -> Result<(), Problem> {
    let object = spec
        .object(entry.target)
        .ok_or(Problem::NoObject(entry.target.0))?;
    let source = || objects.slot(entry.target).map(at);
    match object.kind {
        // These have no rights to take away.
        Kind::Untyped { .. }
        | Kind::Irq { .. }
        | Kind::PageTable { .. }
        | Kind::AsidPool
        | Kind::Tcb(_) => destination.copy(&source()?, CapRights::all()),
        Kind::CNode { .. } => match guard(entry) {
            None => destination.copy(&source()?, CapRights::all()),
            Some(guard) => destination.mint(&source()?, CapRights::all(), guard.into_word()),
        },
        // A badge of 0 is no badge, and leaves one that is there alone.
        Kind::Notification => destination.mint(&source()?, rights(entry.rights), entry.badge()),
        Kind::Endpoint if lonely(entry.rights) => return Err(Problem::GrantReply),
        Kind::Endpoint => destination.mint(&source()?, rights(entry.rights), entry.badge()),
        // The kernel would make that one that nobody can map.
        Kind::Frame { .. } if !entry.rights.read => return Err(Problem::FrameRights),
        Kind::Frame { .. } => destination.copy(&source()?, rights(entry.rights)),
        _ => {
            return Err(Problem::WrongKind {
                target: object.name,
                wanted: "something that can be held here",
            });
        }
    }
    .map_err(refused("give this capability"))
}

/// What 5.0.0 cannot express: it takes G for both.
const fn lonely(rights: Rights) -> bool {
    rights.grant_reply && !rights.grant
}

/// The guard of a capability to a CNode.
pub fn guard(entry: &Cap<'_>) -> Option<CNodeCapData> {
    match entry.data {
        CapData::Guard { bits, value } => Some(CNodeCapData::new(value, bits.into())),
        _ => None,
    }
}

/// Whether an object stands for the untypeds that are left.
pub fn is_leftover(spec: &Reader<'static>, id: ObjectId) -> bool {
    let object = spec.object(id);
    object.is_some_and(|object| matches!(object.kind, Kind::Leftover))
}

/// Whether an object is the root of an address space.
pub fn is_vspace(kind: &Kind<'_>) -> bool {
    matches!(kind, Kind::PageTable { level: 0 })
}

/// Refuses an object that is not what is wanted.
pub fn wanted(
    spec: &Reader<'static>,
    id: ObjectId,
    wanted: &'static str,
    is: impl FnOnce(&Kind<'static>) -> bool,
) -> Result<(), Problem> {
    let object = spec.object(id).ok_or(Problem::NoObject(id.0))?;
    if is(&object.kind) {
        return Ok(());
    }
    let target = object.name;
    Err(Problem::WrongKind { target, wanted })
}
