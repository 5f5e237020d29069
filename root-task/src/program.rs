// SPDX-License-Identifier: BSD-2-Clause
//! One program: a process server or a native task. What it is made of, its start, and taking everything
//! back. What tells the two apart is in [`server`](crate::server) and [`task`](crate::task).

use core::iter;

use capdl::blob::{Kind, Object, ObjectId, Reader, Restart};
use heapless::Vec;
use root_task::common::Common;
use root_task::elf::{Access, Elf, MAX_SEGMENTS};
use root_task::grants::{self, Grants};
use root_task::plan::{LARGE_PAGE, LARGE_PAGE_BITS, Mapped, PAGE, PAGE_BITS, Plan, Windows};
use root_task::problem::{Failure, Problem};
use sel4::cap_type::{Granule, IrqHandler, LargePage, Tcb, VSpace};
use sel4::init_thread::slot as root_slot;
use sel4::{
    CPtr, CapRights, CapRightsBuilder, CapTypeForObjectOfFixedSize, ObjectBlueprint, UserContext,
    Word, cap,
};

use crate::System;
use crate::fill;
use crate::invoke::{assign_asid, at, cap, refused, revoke};
use crate::parts::{CNode, Parts};
use crate::payload::Payload;
use crate::server;
use crate::shared::{Shared, Told};
use crate::task;
use crate::vspace::{Fabric, Space};

/// A program.
pub struct Program {
    /// Its name in the spec.
    pub name: &'static str,
    /// What it is.
    pub role: Role,
    /// What happens when it faults.
    pub restart: Restart,
    /// How often it was started again.
    pub restarts: u32,
    /// What it is made of.
    pub plan: Plan,
    /// Slot of the untyped that it is made of.
    pub fabric: usize,
    /// First of its [`Program::slots`] slots, which are empty whenever it is stopped.
    pub first_slot: usize,
    /// Its object in the spec.
    pub id: ObjectId,
    line: u32,
    prio: u8,
    grants: Grants,
    tcb: Option<usize>,
    pages: Vec<PageRow, { MAX_SEGMENTS + 1 }>,
}

/// What a program is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// A process server.
    Server,
    /// A native task.
    Task,
}

impl Role {
    /// Its name in messages.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Task => "task",
        }
    }
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
    /// One that the program made.
    Further,
}

/// The badge of faults of the program at `index`.
fn badge(index: usize, thread: Thread) -> Word {
    // Never 0, which is no badge.
    (index as Word + 1) << 1 | Word::from(thread == Thread::Further)
}

/// The index of the program and the thread that a badge stands for.
pub fn faulter(badge: Word) -> Option<(usize, Thread)> {
    let thread = if badge & 1 == 0 {
        Thread::First
    } else {
        Thread::Further
    };
    Some(((badge >> 1).checked_sub(1)? as usize, thread))
}

/// What is particular about the start of a program.
pub struct Start {
    /// Slot in its own CNode for the endpoint for faults of threads that it makes.
    pub further_faults: u64,
    /// Slot in its own CNode for the same of its first thread.
    pub first_faults: u64,
    /// Bytes of the handoff.
    pub handoff: usize,
    /// Slot of the TCB of its first thread.
    pub tcb: usize,
}

impl Program {
    /// Finds out what a program takes; `others` are those before it. None if the object is no program.
    pub fn plan(
        spec: &Reader<'static>,
        payload: &Payload,
        id: ObjectId,
        object: &Object<'static>,
        common: &Common,
        others: &[Self],
    ) -> Result<Option<Self>, Failure> {
        let (role, restart, prio) = match &object.kind {
            Kind::WasmServer(server) => (Role::Server, server.restart, server.prio),
            Kind::NativeTask(task) => (Role::Task, task.restart, task.prio),
            _ => return Ok(None),
        };
        let grants = grants::collect(spec, id, common)?;
        grants::disjoint(
            spec,
            &grants,
            common,
            others.iter().map(|other| (other.name, &other.grants)),
        )?;
        let pages = common.pages(others.len() as u8);
        let windows = grants
            .iter()
            .filter_map(|grant| match spec.object(grant.object)?.kind {
                Kind::Frame { size_bits, .. } => Some(Mapped::Frame(size_bits)),
                Kind::Channel { bytes } => Some(Mapped::Pages(bytes.into())),
                _ => None,
            })
            .chain(iter::repeat_n(Mapped::Frame(PAGE_BITS), pages));
        let plan = match &object.kind {
            Kind::WasmServer(parameters) => server::plan(payload, parameters, windows),
            Kind::NativeTask(parameters) => task::plan(payload, parameters, windows),
            _ => return Ok(None),
        };
        Ok(Some(Self {
            name: object.name,
            role,
            restart,
            restarts: 0,
            plan: plan.map_err(|problem| problem.of(spec.file, object))?,
            fabric: 0,
            first_slot: 0,
            id,
            line: object.line,
            prio,
            grants,
            tcb: None,
            pages: Vec::new(),
        }))
    }

    /// How many slots it takes.
    pub fn slots(&self) -> usize {
        // One in which capabilities are prepared before they move into its CNode.
        self.plan.objects + 1
    }

    /// A problem with the program as a whole.
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

    /// Makes it from nothing, to the point where it can [`run`](Self::run). `index` is its place among
    /// the programs.
    pub fn start(&mut self, index: usize, system: &mut System) -> Result<(), Failure> {
        let file = system.spec.file;
        let mut fabric = Fabric::new(self.fabric, self.first_slot, self.plan.objects);
        for grant in &self.grants {
            // Detached when they were taken back.
            fill::bind(grant.object, system)?;
        }
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
        parts.told = system
            .shared
            .give(index as u8, self.role, &mut parts, &mut fabric)
            .map_err(|problem| self.failure(file, problem))?;
        parts.told.life = self.restarts as u8;
        self.finish(index, parts, &mut fabric, system)
            .map_err(|problem| self.failure(file, problem))
    }

    /// Takes back everything it was made of and everything it was given, and whatever it made of that; and
    /// tells those with whom it shared something. `index` is its place among the programs.
    ///
    /// # Errors
    /// What it had must not be used for anything else: the kernel kept some of it, or a device may still
    /// write to it. What can be taken back is.
    pub fn take_back(&mut self, index: usize, system: &mut System) -> Result<(), Failure> {
        let taken = self.take_own_back(system);
        // Whatever became of that, its threads are gone.
        let left = Shared::leave(index as u8, system)
            .map_err(|problem| self.failure(system.spec.file, problem));
        taken.and(left)
    }

    fn take_own_back(&mut self, system: &mut System) -> Result<(), Failure> {
        let file = system.spec.file;
        self.tcb = None;
        self.pages.clear();
        // Before any memory is taken back; no thread of the program runs while this one does. Whatever
        // comes of it, the program must stop.
        let stopped = system.devices.stop(&system.spec, &self.grants);
        // The memory it was given first: threads that it made are in there, and would fault once their
        // VSpace is gone.
        for grant in &self.grants {
            let taken = || {
                let object = system
                    .spec
                    .object(grant.object)
                    .ok_or(Problem::NoObject(grant.object.0))?;
                let slot = || system.objects.slot(grant.object);
                let memory = "take back memory that the program was given";
                match object.kind {
                    Kind::Untyped { .. } => revoke(slot()?, memory),
                    Kind::Leftover => system
                        .left
                        .iter()
                        .try_for_each(|block| revoke(block.slot, memory)),
                    Kind::Irq { .. } => cap::<IrqHandler>(slot()?)
                        .irq_handler_clear()
                        .map_err(refused("detach an interrupt from the program")),
                    // Its capabilities to these go with its CNode; others may hold some too.
                    _ => Ok(()),
                }
            };
            taken().map_err(|problem| grant.failure(file, problem))?;
        }
        revoke(self.fabric, "take back what the program was made of")
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
        let elf = match &self.object(system)?.kind {
            Kind::NativeTask(parameters) => task::program(&system.payload, parameters)?,
            _ => server::program(&system.payload)?,
        };
        let Plan {
            layout,
            heap,
            stack,
            ..
        } = self.plan;
        // By decreasing size, as the plan has it.
        let large = fabric.make(
            LargePage::object_blueprint(),
            heap.large as usize,
            "make large pages of the heap",
        )?;
        let mut cnodes = Vec::new();
        for &size_bits in layout.cnodes {
            let blueprint = ObjectBlueprint::CNode { size_bits };
            let slot = fabric.make(blueprint, 1, "make a CNode")?;
            // A layout has no more of them.
            let _ = cnodes.push(CNode::new(slot, size_bits));
        }
        let vspace_root = fabric.make(VSpace::object_blueprint(), 1, "make the VSpace")?;
        assign_asid(vspace_root)?;
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
        let small_heap = layout.heap + heap.large * LARGE_PAGE;
        space.cover(
            fabric,
            layout.heap,
            heap.large * LARGE_PAGE,
            LARGE_PAGE_BITS,
        )?;
        space.map(
            large,
            heap.large,
            layout.heap,
            LARGE_PAGE_BITS,
            Access::Write,
        )?;
        space.pages(fabric, small_heap, heap.small)?;
        let (vaddr, count) = (layout.stack_top - stack, stack / PAGE);
        let first = space.pages(fabric, vaddr, count)?;
        self.remember(PageRow {
            vaddr,
            count,
            first,
        });

        Ok(Parts {
            entry: elf.entry,
            cnodes,
            next: match self.role {
                Role::Server => server::FIRST_SLOT,
                Role::Task => task::FIRST_SLOT,
            },
            space,
            vspace_root,
            temp: self.first_slot + self.plan.objects,
            given: Vec::new(),
            windows: Windows::new(layout),
            told: Told::default(),
        })
    }

    fn object(&self, system: &System) -> Result<Object<'static>, Problem> {
        system
            .spec
            .object(self.id)
            .ok_or(Problem::NoObject(self.id.0))
    }

    fn remember(&mut self, row: PageRow) {
        // There is room for all segments and the stack.
        let _ = self.pages.push(row);
    }

    /// Tells the program where everything is, and starts its first thread.
    fn finish(
        &mut self,
        index: usize,
        mut parts: Parts,
        fabric: &mut Fabric,
        system: &mut System,
    ) -> Result<(), Problem> {
        let layout = self.plan.layout;
        let ipc_buffer = parts.space.pages(fabric, layout.ipc_buffer, 1)?;
        let object = self.object(system)?;
        let start = match &object.kind {
            Kind::NativeTask(parameters) => {
                task::finish(&object, parameters, &self.plan, &mut parts, fabric, system)?
            }
            _ => server::finish(self.id, &self.plan, &mut parts, fabric, system)?,
        };
        for (slot, thread) in [
            (start.further_faults, Thread::Further),
            (start.first_faults, Thread::First),
        ] {
            // The kernel sends faults through capabilities with these two rights.
            let rights = CapRightsBuilder::none().write(true).grant(true).build();
            parts
                .own()
                .at(slot)
                .mint(&at(system.fault_endpoint), rights, badge(index, thread))
                .map_err(refused("give the program the endpoint for its faults"))?;
        }

        let (root, guard) = parts.cspace();
        let thread = cap::<Tcb>(start.tcb);
        thread
            .tcb_configure(
                CPtr::from_bits(start.first_faults),
                root,
                guard,
                parts.space.vspace,
                layout.ipc_buffer,
                cap(ipc_buffer),
            )
            .map_err(refused("configure the first thread"))?;
        // It may give its own threads any priority up to its own.
        thread
            .tcb_set_sched_params(root_slot::TCB.cap(), self.prio.into(), self.prio.into())
            .map_err(refused("give the first thread its priority"))?;
        let mut registers = UserContext::default();
        *registers.pc_mut() = parts.entry;
        *registers.sp_mut() = layout.stack_top;
        *registers.c_param_mut(0) = layout.handoff;
        *registers.c_param_mut(1) = start.handoff as Word;
        *registers.c_param_mut(2) = layout.ipc_buffer;
        self.tcb = Some(start.tcb);
        thread
            .tcb_write_all_registers(false, &mut registers)
            .map_err(refused("write the first thread's registers"))
    }

    /// Lets it run.
    pub fn run(&self, file: &'static str) -> Result<(), Failure> {
        self.tcb()
            .map_or(Ok(()), |tcb| tcb.tcb_resume())
            .map_err(|error| self.failure(file, refused("start the first thread")(error)))
    }
}

/// Reads a program of the boot image.
pub fn elf(
    payload: &Payload,
    name: &'static str,
    room: (u64, u64),
) -> Result<Elf<'static>, Problem> {
    Elf::read(payload.program(name)?, room.0, room.1).map_err(|error| Problem::Program(name, error))
}
