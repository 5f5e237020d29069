// SPDX-License-Identifier: BSD-2-Clause
//! What is particular about a native task: its program has a name of its own, its CSpace is one CNode, and
//! its handoff tells it the names of what it is given.

use capdl::blob::{Kind, MAX_CAPS, NativeTask, Object};
use heapless::Vec;
use native_handoff::{Given, Handoff, MAGIC, Rights, Untyped, Untypeds, slot, vspace};
use root_task::elf::Elf;
use root_task::plan::{PAGE, Plan, TASK};
use root_task::problem::Problem;
use sel4::cap_type::Tcb;
use sel4::{CapRights, CapTypeForObjectOfFixedSize};

use crate::System;
use crate::fill::is_leftover;
use crate::invoke::{at, refused};
use crate::parts::Parts;
use crate::payload::Payload;
use crate::program::{self, Start};
use crate::vspace::Fabric;

/// The first slot of its CNode for what the spec gives.
pub const FIRST_SLOT: u64 = slot::FIRST_GIVEN;

const _: () = assert!(native_handoff::MAX_GIVEN >= MAX_CAPS);

/// The task's program.
pub fn program(
    payload: &Payload,
    parameters: &NativeTask<'static>,
) -> Result<Elf<'static>, Problem> {
    program::elf(payload, parameters.program, TASK.program)
}

/// What a task takes.
pub fn plan(
    payload: &Payload,
    parameters: &NativeTask<'static>,
    frames: impl Iterator<Item = u8>,
) -> Result<Plan, Problem> {
    let elf = program(payload, parameters)?;
    Plan::task(&elf, parameters.stack, parameters.heap, frames)
}

/// Fills in the task's CNode and handoff.
pub fn finish(
    object: &Object<'static>,
    parameters: &NativeTask<'static>,
    plan: &Plan,
    parts: &mut Parts,
    fabric: &mut Fabric,
    system: &mut System,
) -> Result<Start, Problem> {
    let spec = &system.spec;
    let mut given = Vec::new();
    let mut left: &[_] = &[];
    let mut first_left = 0;
    for (entry, has) in object.caps.iter().zip(&parts.given) {
        if is_leftover(spec, entry.target) {
            left = &system.left;
            first_left = has.cptr;
        }
        let memory = spec.object(entry.target).map(|target| target.kind);
        let len = match memory {
            Some(Kind::Frame { size_bits, .. } | Kind::Untyped { size_bits, .. }) => 1 << size_bits,
            _ => 0,
        };
        let given = given.push(Given {
            name: entry.slot,
            cptr: has.cptr,
            vaddr: has.vaddr,
            len,
            rights: rights(entry.rights),
        });
        given.map_err(|_| Problem::TooManyGrants)?;
    }

    let mut room = [0; (vspace::HANDOFF_PAGES * PAGE) as usize];
    let mut used = 0;
    for (block, cptr) in left.iter().zip(first_left..) {
        let untyped = Untyped {
            cptr,
            paddr: block.paddr,
            bits: block.bits,
            device: block.device,
        };
        let bytes = postcard::to_slice(&untyped, &mut room[used..]);
        used += bytes.map_err(|_| Problem::TooManyGrants)?.len();
    }
    let handoff = Handoff {
        magic: MAGIC,
        name: object.name,
        heap: plan.heap.bytes(),
        free_slot: parts.next,
        args: parameters.args.iter().copied().collect(),
        given,
        left: Untypeds::of(&room[..used]),
    };
    let mut room = [0; (vspace::HANDOFF_PAGES * PAGE) as usize];
    let message = postcard::to_slice(&handoff, &mut room).map_err(|_| Problem::TooManyGrants)?;
    let length = message.len();
    parts.tell(plan.layout, message, fabric, system)?;
    // By decreasing size, as the plan has it.
    let tcb = fabric.make(Tcb::object_blueprint(), 1, "make the task's thread")?;

    let own = parts.own();
    // With the guard that a thread has it with: capability pointers are addresses in it.
    let (_, guard) = parts.cspace();
    own.at(slot::CNODE)
        .mint(&at(own.slot), CapRights::all(), guard.into_word())
        .map_err(refused("give the task its CNode"))?;
    own.copy(slot::VSPACE, parts.vspace_root)?;
    own.copy(slot::TCB, tcb)?;
    Ok(Start {
        further_faults: slot::FAULT_ENDPOINT,
        first_faults: slot::FIRST_FAULT_ENDPOINT,
        handoff: length,
        tcb,
    })
}

const fn rights(rights: capdl::blob::Rights) -> Rights {
    Rights {
        read: rights.read,
        write: rights.write,
        grant: rights.grant,
        grant_reply: rights.grant_reply,
    }
}
