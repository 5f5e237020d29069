// SPDX-License-Identifier: BSD-2-Clause
//! What is particular about a native task: its program has a name of its own, its CSpace is one CNode, and
//! its handoff tells it the names of what it is given.

use capdl::blob::{Kind, MAX_CAPS, NativeTask, Object};
use heapless::Vec;
use native_handoff::{
    Channel, Given, Handoff, MAGIC, Peer, Rights, Untyped, Untypeds, slot, vspace,
};
use root_task::elf::Elf;
use root_task::plan::{Mapped, PAGE, Plan, TASK};
use root_task::problem::Problem;
use sel4::cap_type::Tcb;
use sel4::{CapRights, CapTypeForObjectOfFixedSize};
use wasm_handoff::{Holder, MAX_HOLDERS, SharedChannel, pid};

use crate::System;
use crate::fill::is_leftover;
use crate::invoke::{at, refused};
use crate::parts::Parts;
use crate::payload::Payload;
use crate::program::{self, Start};
use crate::shared::Told;
use crate::vspace::Fabric;

/// The first slot of its CNode for what the spec gives.
pub const FIRST_SLOT: u64 = slot::FIRST_GIVEN;

const _: () = assert!(native_handoff::MAX_GIVEN >= MAX_CAPS);
const _: () = assert!(native_handoff::MAX_PEERS >= MAX_HOLDERS);

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
    windows: impl Iterator<Item = Mapped>,
) -> Result<Plan, Problem> {
    let elf = program(payload, parameters)?;
    Plan::task(&elf, parameters.stack, parameters.heap, windows)
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
            Some(Kind::Channel { bytes }) => bytes.into(),
            _ => 0,
        };
        let given = given.push(Given {
            name: entry.slot,
            cptr: has.cptr,
            vaddr: has.vaddr,
            len,
            rights: rights(entry.rights),
            channel: channel_of(&parts.told, entry.target.0),
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
    let told = &parts.told;
    let handoff = Handoff {
        magic: MAGIC,
        name: object.name,
        pid: pid::of(told.program, pid::before(told.life) + 1, 0),
        heap: plan.heap.bytes(),
        free_slot: parts.next,
        args: parameters.args.iter().copied().collect(),
        given,
        channels: told.shared.iter().map(channel).collect(),
        peers: told.holders.iter().filter_map(|h| peer(told, h)).collect(),
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
    own.copy(
        slot::NOTIFICATION,
        system.shared.notification(parts.told.program)?,
    )?;
    Ok(Start {
        further_faults: slot::FAULT_ENDPOINT,
        first_faults: slot::FIRST_FAULT_ENDPOINT,
        handoff: length,
        tcb,
    })
}

/// The place of a channel in the handoff.
fn channel_of(told: &Told, object: u16) -> Option<u8> {
    let place = told
        .shared
        .iter()
        .position(|shared| shared.object == object);
    place.map(|place| place as u8)
}

const fn channel(shared: &SharedChannel) -> Channel {
    Channel {
        ledger: shared.ledger,
        signal: shared.signal,
    }
}

fn peer(told: &Told, holder: &Holder) -> Option<Peer> {
    Some(Peer {
        channel: channel_of(told, holder.object)?,
        program: holder.program,
        ledger: holder.ledger,
        notification: holder.notification,
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
