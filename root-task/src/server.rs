// SPDX-License-Identifier: BSD-2-Clause
//! What is particular about a process server: it sees the compiled spec and the module archive, and its
//! CSpace has two levels.

use capdl::blob::{ObjectId, WasmServer};
use root_task::elf::{Access, Elf};
use root_task::plan::{Mapped, PAGE, PAGE_BITS, Plan, SERVER, Shared};
use root_task::problem::Problem;
use sel4::cap_type::{Endpoint, Tcb};
use sel4::{CNodeCapData, CapRights, CapTypeForObjectOfFixedSize};
use wasm_handoff::{Handoff, OWN_BITS, ROOT_BITS, Range, slot, vspace};

use crate::System;
use crate::fill::is_leftover;
use crate::invoke::{at, refused};
use crate::parts::Parts;
use crate::payload::{Bytes, Payload};
use crate::program::{self, Start};
use crate::vspace::Fabric;

/// Name of the servers' program in the boot image.
const PROGRAM: &str = "wasm-server";
/// The first slot of its own CNode for what the spec gives.
pub const FIRST_SLOT: u64 = slot::FIRST_FAULT_ENDPOINT + 1;
/// Bits of a capability pointer.
const WORD_BITS: usize = 64;

/// The servers' program.
pub fn program(payload: &Payload) -> Result<Elf<'static>, Problem> {
    program::elf(payload, PROGRAM, SERVER.program)
}

/// What a server takes.
pub fn plan(
    payload: &Payload,
    parameters: &WasmServer,
    windows: impl Iterator<Item = Mapped>,
) -> Result<Plan, Problem> {
    let shared = Shared {
        spec: payload.spec.bytes.len() as u64,
        archive: payload.archive.bytes.len() as u64,
    };
    Plan::server(&program(payload)?, parameters.heap, shared, windows)
}

/// Shares spec and archive, and fills in the server's CNodes and handoff.
pub fn finish(
    id: ObjectId,
    plan: &Plan,
    parts: &mut Parts,
    fabric: &mut Fabric,
    system: &mut System,
) -> Result<Start, Problem> {
    let (spec, archive) = (system.payload.spec, system.payload.archive);
    let (_, spec) = share(parts, spec, vspace::SPEC, fabric)?;
    let (archive_frames, archive) = share(parts, archive, vspace::ARCHIVE, fabric)?;
    let left = parts
        .given
        .iter()
        .find(|given| is_leftover(&system.spec, ObjectId(given.object)))
        .map_or(0, |given| given.cptr);
    let memory = system.left.iter().filter(|block| !block.device).count();
    let handoff = Handoff {
        magic: wasm_handoff::MAGIC,
        server: id.0,
        spec,
        archive,
        archive_frames,
        heap: Range {
            vaddr: vspace::HEAP,
            len: plan.heap.bytes(),
        },
        free_slot: parts.next,
        given: parts.given.clone(),
        left,
        left_count: if left == 0 { 0 } else { memory as u64 },
        program: parts.told.program,
        life: parts.told.life,
        shared: parts.told.shared.clone(),
        holders: parts.told.holders.clone(),
        commons: parts.told.commons,
        shares_timer: parts.told.shares_timer,
    };
    let mut room = [0; PAGE as usize];
    let message = postcard::to_slice(&handoff, &mut room).map_err(|_| Problem::TooManyGrants)?;
    let length = message.len();
    parts.tell(plan.layout, message, fabric, system)?;

    // By decreasing size, as the plan has it.
    let tcb = fabric.make(Tcb::object_blueprint(), 1, "make the server's thread")?;
    // It outlives the server: others signal it.
    let notification = system.shared.notification(parts.told.program)?;
    let endpoint = fabric.make(
        Endpoint::object_blueprint(),
        1,
        "make an endpoint for the server",
    )?;

    let own = parts.own();
    own.copy(slot::VSPACE, parts.vspace_root)?;
    own.copy(slot::TCB, tcb)?;
    own.copy(slot::NOTIFICATION, notification)?;
    own.copy(slot::FAULT_ENDPOINT, endpoint)?;
    connect(parts)?;
    Ok(Start {
        further_faults: slot::ROOT_FAULT_ENDPOINT,
        first_faults: slot::FIRST_FAULT_ENDPOINT,
        handoff: length,
        tcb,
    })
}

/// Makes a CSpace of the two CNodes.
fn connect(parts: &Parts) -> Result<(), Problem> {
    let (own, root) = (parts.own(), parts.root());
    own.copy(slot::ROOT_CNODE, root.slot)?;
    let guard = CNodeCapData::new(0, WORD_BITS - ROOT_BITS - OWN_BITS);
    root.at(0)
        .mint(&at(own.slot), CapRights::all(), guard.into_word())
        .map_err(refused("connect the server's CNodes"))
}

/// Maps bytes of the boot image read-only, in the frames they are in, and puts capabilities to
/// these into the server's CNode, mapped as they are. Returns the first of those.
fn share(
    parts: &mut Parts,
    part: Bytes,
    vaddr: u64,
    fabric: &mut Fabric,
) -> Result<(u64, Range), Problem> {
    let first = parts.next;
    parts
        .space
        .cover(fabric, vaddr, part.pages() as u64 * PAGE, PAGE_BITS)?;
    for page in 0..part.pages() {
        at(parts.temp)
            .copy(&at(part.frames + page), CapRights::read_only())
            .map_err(refused("copy a capability to the boot image"))?;
        parts.space.map(
            parts.temp,
            1,
            vaddr + page as u64 * PAGE,
            PAGE_BITS,
            Access::Read,
        )?;
        let slot = parts.take()?;
        parts
            .own()
            .at(slot)
            .move_(&at(parts.temp))
            .map_err(refused("give the server a page of the boot image"))?;
    }
    Ok((
        first,
        Range {
            vaddr,
            len: part.bytes.len() as u64,
        },
    ))
}
