// SPDX-License-Identifier: BSD-2-Clause
//! One process server: what it is made of, its start, and taking everything back.

use capdl::blob::{Kind, Object, ObjectId, Reader, Restart, WasmServer};
use heapless::Vec;
use root_task::elf::{Access, Elf, MAX_SEGMENTS};
use root_task::grants::{self, Grants};
use root_task::plan::{LARGE_PAGE, LARGE_PAGE_BITS, PAGE, PAGE_BITS, Plan, Shared, Windows};
use root_task::problem::{Failure, Problem};
use sel4::cap_type::{Endpoint, Granule, IrqHandler, LargePage, Notification, Tcb, VSpace};
use sel4::init_thread::slot as root_slot;
use sel4::{
    CNodeCapData, CPtr, CapRights, CapRightsBuilder, CapTypeForObjectOfFixedSize, ObjectBlueprint,
    UserContext, Word, cap,
};
use wasm_handoff::{Handoff, OWN_BITS, ROOT_BITS, Range, slot, vspace};

use crate::System;
use crate::invoke::{at, cap, refused, revoke};
use crate::parts::{OwnCNode, Parts};
use crate::payload::Payload;
use crate::vspace::{Fabric, Space};

/// Name of the servers' program in the boot image.
const PROGRAM: &str = "wasm-server";

/// A process server.
pub struct Server {
    /// Its name in the spec.
    pub name: &'static str,
    /// What happens when it faults.
    pub restart: Restart,
    /// How often it was started again.
    pub restarts: u32,
    /// What it is made of.
    pub plan: Plan,
    /// Slot of the untyped that it is made of.
    pub fabric: usize,
    /// First of its [`Server::slots`] slots, which are empty whenever it is stopped.
    pub first_slot: usize,
    id: ObjectId,
    line: u32,
    prio: u8,
    grants: Grants,
    tcb: Option<usize>,
    pages: Vec<PageRow, { MAX_SEGMENTS + 1 }>,
}

/// Frames in slots in a row, mapped at addresses in a row: program and stack.
#[derive(Clone, Copy)]
struct PageRow {
    vaddr: u64,
    count: u64,
    first: usize,
}

/// Which thread's fault a badge stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Thread {
    /// The first, which the root task made.
    First,
    /// One that the server made.
    Further,
}

/// The badge of faults of the server at `index`.
fn badge(index: usize, thread: Thread) -> Word {
    // Never 0, which is no badge.
    (index as Word + 1) << 1 | Word::from(thread == Thread::Further)
}

/// The index of the server and the thread that a badge stands for.
pub fn faulter(badge: Word) -> Option<(usize, Thread)> {
    let thread = if badge & 1 == 0 {
        Thread::First
    } else {
        Thread::Further
    };
    Some(((badge >> 1).checked_sub(1)? as usize, thread))
}

impl Server {
    /// Finds out what a server takes; `others` are those before it.
    pub fn plan(
        spec: &Reader<'static>,
        payload: &Payload,
        id: ObjectId,
        object: &Object<'static>,
        parameters: &WasmServer,
        others: &[Server],
    ) -> Result<Self, Failure> {
        let grants = grants::collect(spec, id)?;
        grants::disjoint(
            spec,
            &grants,
            others.iter().map(|other| (other.name, &other.grants)),
        )?;
        let plan = || {
            let elf = program(payload)?;
            let shared = Shared {
                spec: payload.spec.bytes.len() as u64,
                archive: payload.archive.bytes.len() as u64,
            };
            let frames = grants
                .iter()
                .filter_map(|grant| match spec.object(grant.object)?.kind {
                    Kind::Frame { size_bits, .. } => Some(size_bits),
                    _ => None,
                });
            Plan::new(&elf, parameters.heap, shared, frames)
        };
        let plan = plan().map_err(|problem| problem.of(spec.file, object))?;
        Ok(Self {
            name: object.name,
            restart: parameters.restart,
            restarts: 0,
            plan,
            fabric: 0,
            first_slot: 0,
            id,
            line: object.line,
            prio: parameters.prio,
            grants,
            tcb: None,
            pages: Vec::new(),
        })
    }

    /// How many slots it takes.
    pub fn slots(&self) -> usize {
        // One in which capabilities are prepared before they move into the server's CNode.
        self.plan.objects + 1
    }

    /// A problem with the server as a whole.
    pub fn failure(&self, file: &'static str, problem: Problem) -> Failure {
        Failure {
            file,
            line: self.line,
            object: self.name,
            slot: "",
            problem,
        }
    }

    /// The TCB of its first thread, while there is one.
    pub fn tcb(&self) -> Option<cap::Tcb> {
        self.tcb.map(cap)
    }

    /// Makes it from nothing and lets it run. `index` is its place among the servers.
    pub fn start(&mut self, index: usize, system: &mut System) -> Result<(), Failure> {
        let file = system.spec.file;
        let mut fabric = Fabric::new(self.fabric, self.first_slot, self.plan.objects);
        let mut parts = self
            .make(&mut fabric, system)
            .map_err(|problem| self.failure(file, problem))?;
        for grant in &self.grants {
            let given = parts
                .give(grant, &mut fabric, system)
                .map_err(|problem| grant.failure(file, problem))?;
            // There are no more grants than this has room for.
            let _ = parts.given.push(given);
        }
        self.finish(index, parts, &mut fabric, system)
            .map_err(|problem| self.failure(file, problem))
    }

    /// Takes back everything it was made of and everything it was given, and whatever it made of that.
    ///
    /// # Errors
    /// What it had must not be used for anything else: the kernel kept some of it, or a device may still
    /// write to it. What can be taken back is.
    pub fn take_back(&mut self, system: &mut System) -> Result<(), Failure> {
        let file = system.spec.file;
        self.tcb = None;
        self.pages.clear();
        // Before any memory is taken back; no thread of the server runs while this one does. Whatever
        // comes of it, the server must stop.
        let stopped = system.devices.stop(&system.spec, &self.grants);
        // The memory it was given first: threads that it made are in there, and would fault once their
        // VSpace is gone.
        for grant in &self.grants {
            let taken = || {
                let object = system
                    .spec
                    .object(grant.object)
                    .ok_or(Problem::NoObject(grant.object.0))?;
                let slot = system.objects.slot(grant.object)?;
                match object.kind {
                    Kind::Untyped { .. } => {
                        revoke(slot, "take back memory that the server was given")
                    }
                    Kind::Irq { .. } => cap::<IrqHandler>(slot)
                        .irq_handler_clear()
                        .map_err(refused("detach an interrupt from the server")),
                    // Its capabilities to these go with its CNode; others may hold some too.
                    _ => Ok(()),
                }
            };
            taken().map_err(|problem| grant.failure(file, problem))?;
        }
        revoke(self.fabric, "take back what the server was made of")
            .map_err(|problem| self.failure(file, problem))?;
        stopped
    }

    /// The 64-bit word at an address of its program or stack, if that is aligned and mapped.
    pub fn read(&self, addr: u64, system: &mut System) -> Option<u64> {
        let row = self
            .pages
            .iter()
            .find(|row| addr.wrapping_sub(row.vaddr) < row.count * PAGE)?;
        let frame = row.first + ((addr - row.vaddr) / PAGE) as usize;
        // A copy, since the frame stays mapped where it is.
        let copy = at(self.first_slot + self.plan.objects);
        copy.copy(&at(frame), CapRights::read_only()).ok()?;
        let word = system
            .scratch
            .read(self.first_slot + self.plan.objects, (addr % PAGE) as usize);
        copy.delete().ok()?;
        word.ok().flatten()
    }

    /// Makes CNodes and VSpace, and maps program, heap and stack.
    fn make(&mut self, fabric: &mut Fabric, system: &mut System) -> Result<Parts, Problem> {
        let elf = program(&system.payload)?;
        let heap = self.plan.heap;
        // By decreasing size, as the plan has it.
        let large = fabric.make(
            LargePage::object_blueprint(),
            heap.large as usize,
            "make large pages of the heap",
        )?;
        let own = fabric.make(
            ObjectBlueprint::CNode {
                size_bits: OWN_BITS,
            },
            1,
            "make the server's CNode",
        )?;
        let root = fabric.make(
            ObjectBlueprint::CNode {
                size_bits: ROOT_BITS,
            },
            1,
            "make the server's root CNode",
        )?;
        let vspace_root = fabric.make(VSpace::object_blueprint(), 1, "make the server's VSpace")?;
        root_slot::ASID_POOL
            .cap()
            .asid_pool_assign(cap(vspace_root))
            .map_err(refused("give the server's VSpace an ASID"))?;
        let mut space = Space::new(cap(vspace_root));

        for segment in &elf.segments {
            let (vaddr, count) = (segment.first_page(), segment.pages());
            space.cover(fabric, vaddr, count * PAGE, PAGE_BITS)?;
            let first = fabric.make(
                Granule::object_blueprint(),
                count as usize,
                "make frames of the program",
            )?;
            for index in 0..count {
                let (offset, bytes) = segment.page(index);
                if !bytes.is_empty() {
                    let code = segment.access == Access::Execute;
                    system
                        .scratch
                        .write(first + index as usize, offset, bytes, code)?;
                }
            }
            space.map(first, count, vaddr, PAGE_BITS, segment.access)?;
            self.remember(PageRow {
                vaddr,
                count,
                first,
            });
        }
        let small_heap = vspace::HEAP + heap.large * LARGE_PAGE;
        space.cover(
            fabric,
            vspace::HEAP,
            heap.large * LARGE_PAGE,
            LARGE_PAGE_BITS,
        )?;
        space.map(
            large,
            heap.large,
            vspace::HEAP,
            LARGE_PAGE_BITS,
            Access::Write,
        )?;
        space.pages(fabric, small_heap, heap.small)?;
        let (vaddr, count) = (
            vspace::STACK_TOP - vspace::STACK_BYTES,
            vspace::STACK_BYTES / PAGE,
        );
        let first = space.pages(fabric, vaddr, count)?;
        self.remember(PageRow {
            vaddr,
            count,
            first,
        });

        Ok(Parts {
            entry: elf.entry,
            root,
            own: OwnCNode {
                cnode: cap(own),
                slot: own,
                next: slot::FIRST_FAULT_ENDPOINT + 1,
            },
            space,
            vspace_root,
            temp: self.first_slot + self.plan.objects,
            given: Vec::new(),
            windows: Windows::default(),
        })
    }

    fn remember(&mut self, row: PageRow) {
        // There is room for all segments and the stack.
        let _ = self.pages.push(row);
    }

    /// Shares spec and archive, tells the server where everything is, and starts its first thread.
    fn finish(
        &mut self,
        index: usize,
        mut parts: Parts,
        fabric: &mut Fabric,
        system: &mut System,
    ) -> Result<(), Problem> {
        let (spec, archive) = (system.payload.spec, system.payload.archive);
        let (_, spec) = parts.share(spec, vspace::SPEC, fabric)?;
        let (archive_frames, archive) = parts.share(archive, vspace::ARCHIVE, fabric)?;
        let ipc_buffer = parts.space.pages(fabric, vspace::IPC_BUFFER, 1)?;
        parts
            .space
            .cover(fabric, vspace::HANDOFF, PAGE, PAGE_BITS)?;
        let page = fabric.make(
            Granule::object_blueprint(),
            1,
            "make the page of the handoff",
        )?;
        let tcb = fabric.make(Tcb::object_blueprint(), 1, "make the server's first thread")?;
        let notification = fabric.make(
            Notification::object_blueprint(),
            1,
            "make a notification for the server",
        )?;
        let endpoint = fabric.make(
            Endpoint::object_blueprint(),
            1,
            "make an endpoint for the server",
        )?;

        let handoff = Handoff {
            magic: wasm_handoff::MAGIC,
            server: self.id.0,
            spec,
            archive,
            archive_frames,
            heap: Range {
                vaddr: vspace::HEAP,
                len: self.plan.heap.bytes(),
            },
            free_slot: parts.own.next,
            given: parts.given.clone(),
        };
        let mut room = [0; PAGE as usize];
        let message =
            postcard::to_slice(&handoff, &mut room).map_err(|_| Problem::TooManyGrants)?;
        let handoff_len = message.len() as Word;
        system.scratch.write(page, 0, message, false)?;
        parts
            .space
            .map(page, 1, vspace::HANDOFF, PAGE_BITS, Access::Read)?;

        parts.own.copy(slot::VSPACE, parts.vspace_root)?;
        parts.own.copy(slot::TCB, tcb)?;
        parts.own.copy(slot::NOTIFICATION, notification)?;
        parts.own.copy(slot::FAULT_ENDPOINT, endpoint)?;
        for (slot, thread) in [
            (slot::ROOT_FAULT_ENDPOINT, Thread::Further),
            (slot::FIRST_FAULT_ENDPOINT, Thread::First),
        ] {
            // The kernel sends faults through capabilities with these two rights.
            let rights = CapRightsBuilder::none().write(true).grant(true).build();
            parts
                .own
                .at(slot)
                .mint(&at(system.fault_endpoint), rights, badge(index, thread))
                .map_err(refused("give the server the endpoint for its faults"))?;
        }
        parts.connect()?;

        let thread = cap::<Tcb>(tcb);
        thread
            .tcb_configure(
                CPtr::from_bits(slot::FIRST_FAULT_ENDPOINT),
                cap(parts.root),
                CNodeCapData::new(0, 0),
                parts.space.vspace,
                vspace::IPC_BUFFER,
                cap(ipc_buffer),
            )
            .map_err(refused("configure the server's first thread"))?;
        // It may give its own threads any priority up to its own.
        thread
            .tcb_set_sched_params(root_slot::TCB.cap(), self.prio.into(), self.prio.into())
            .map_err(refused("give the server's first thread its priority"))?;
        let mut registers = UserContext::default();
        *registers.pc_mut() = parts.entry;
        *registers.sp_mut() = vspace::STACK_TOP;
        *registers.c_param_mut(0) = vspace::HANDOFF;
        *registers.c_param_mut(1) = handoff_len;
        *registers.c_param_mut(2) = vspace::IPC_BUFFER;
        self.tcb = Some(tcb);
        thread
            .tcb_write_all_registers(true, &mut registers)
            .map_err(refused("start the server's first thread"))
    }
}

fn program(payload: &Payload) -> Result<Elf<'static>, Problem> {
    Elf::read(
        payload.program(PROGRAM)?,
        vspace::PROGRAM_START,
        vspace::PROGRAM_END,
    )
    .map_err(|error| Problem::Program(PROGRAM, error))
}
