// SPDX-License-Identifier: BSD-2-Clause
//! A program under construction: its VSpace and CSpace, and what goes into them.

use capdl::blob::{Kind, Rights};
use heapless::Vec;
use root_task::elf::Access;
use root_task::grants::{self, Grant};
use root_task::plan::{Layout, Mapped, PAGE, PAGE_BITS, Windows};
use root_task::problem::Problem;
use sel4::cap_type::Granule;
use sel4::{AbsoluteCPtr, CNodeCapData, CapRights, CapTypeForObjectOfFixedSize, VmAttributes, cap};
use wasm_handoff::Given;

use crate::System;
use crate::fill;
use crate::invoke::{at, cap, refused};
use crate::shared::Told;
use crate::vspace::{Fabric, Space};

/// A program under construction.
pub struct Parts {
    /// Where its first thread starts.
    pub entry: u64,
    /// Its CNodes, as its layout has them: first the one for its capabilities, last the root.
    pub cnodes: Vec<CNode, 2>,
    /// The first free slot of the first.
    pub next: u64,
    /// Its VSpace.
    pub space: Space,
    /// Slot of the VSpace.
    pub vspace_root: usize,
    /// Slot for preparing capabilities.
    pub temp: usize,
    /// What it has been given so far.
    pub given: Vec<Given, { grants::MAX_GRANTS }>,
    /// Where the next frame goes.
    pub windows: Windows,
    /// What it has in common with others.
    pub told: Told,
}

impl Parts {
    /// The CNode for its capabilities.
    pub fn own(&self) -> CNode {
        self.cnodes[0]
    }

    /// The root of its CSpace, which may be the same.
    pub fn root(&self) -> CNode {
        self.cnodes[self.cnodes.len() - 1]
    }

    /// The root of its CSpace as a thread has it: capability pointers below the number of slots are
    /// slots, if there is one level.
    pub fn cspace(&self) -> (cap::CNode, CNodeCapData) {
        let root = self.root();
        let guard = match self.cnodes.len() {
            1 => CNodeCapData::skip_high_bits(root.bits),
            _ => CNodeCapData::new(0, 0),
        };
        (root.cnode, guard)
    }

    /// Takes the next free slot of its CNode.
    pub fn take(&mut self) -> Result<u64, Problem> {
        let (slot, bits) = (self.next, self.own().bits);
        if slot >= 1 << bits {
            return Err(Problem::NoSlotsIn(bits));
        }
        self.next += 1;
        Ok(slot)
    }

    /// Gives the program an object, with the rights of the grant and no more.
    pub fn give(
        &mut self,
        grant: &Grant,
        fabric: &mut Fabric,
        system: &System,
    ) -> Result<Given, Problem> {
        let object = system
            .spec
            .object(grant.object)
            .ok_or(Problem::NoObject(grant.object.0))?;
        if let Kind::Channel { bytes } = object.kind {
            let vaddr = self.map_channel(grant, bytes, fabric, system)?;
            return Ok(Given {
                object: grant.object.0,
                cptr: 0,
                vaddr,
            });
        }
        let mut given = Given {
            object: grant.object.0,
            cptr: self.take()?,
            vaddr: 0,
        };
        let destination = self.own().at(given.cptr);
        match object.kind {
            Kind::Frame {
                size_bits, paddr, ..
            } => {
                given.vaddr = self.windows.place(Mapped::Frame(size_bits))?;
                self.space
                    .cover(fabric, given.vaddr, 1 << size_bits, size_bits)?;
                let rights = rights(grant.rights);
                at(self.temp)
                    .copy(&at(system.objects.slot(grant.object)?), rights)
                    .map_err(refused("copy a frame's capability"))?;
                let attributes = match paddr {
                    Some(_) => VmAttributes::EXECUTE_NEVER,
                    None => VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
                };
                self.space
                    .map_one(self.temp, given.vaddr, rights, attributes)?;
                destination
                    .move_(&at(self.temp))
                    .map_err(refused("give the program this frame"))?;
            }
            Kind::Leftover => {
                let own = self.own();
                let (left, slots) = (system.left.len(), (1 << own.bits) - given.cptr as usize);
                if left > slots {
                    return Err(Problem::LeftoverSlots { left, slots });
                }
                system.leftovers(|index, source| {
                    own.at(given.cptr + index as u64)
                        .copy(&source, CapRights::all())
                })?;
                self.next = given.cptr + left as u64;
            }
            _ => fill::give(&system.spec, &system.objects, &grant.cap(), destination)?,
        }
        Ok(given)
    }

    /// Maps a channel of a native task with the rights of the grant; answers where.
    fn map_channel(
        &mut self,
        grant: &Grant,
        bytes: u32,
        fabric: &mut Fabric,
        system: &System,
    ) -> Result<u64, Problem> {
        let vaddr = self.windows.place(Mapped::Pages(bytes.into()))?;
        self.space.cover(fabric, vaddr, bytes.into(), PAGE_BITS)?;
        let access = if grant.rights.write {
            Access::Write
        } else {
            Access::Read
        };
        let frames = system.shared.frames(grant.object)?;
        for (frame, page) in frames.zip(0..) {
            self.map_copy(frame, vaddr + page * PAGE, access)?;
        }
        Ok(vaddr)
    }

    /// Maps a page of others by a copy of its frame's capability, which then is in the program's CNode: there it stays
    /// as long as the program.
    pub fn map_copy(&mut self, frame: usize, vaddr: u64, access: Access) -> Result<(), Problem> {
        let rights = match access {
            Access::Write => CapRights::read_write(),
            Access::Read | Access::Execute => CapRights::read_only(),
        };
        at(self.temp)
            .copy(&at(frame), rights)
            .map_err(refused("copy a frame's capability"))?;
        self.space.map(self.temp, 1, vaddr, PAGE_BITS, access)?;
        let slot = self.take()?;
        self.own()
            .at(slot)
            .move_(&at(self.temp))
            .map_err(refused("give the program a page that it shares"))
    }

    /// Puts the message to the program where its layout has it, read-only.
    pub fn tell(
        &mut self,
        layout: &Layout,
        message: &[u8],
        fabric: &mut Fabric,
        system: &mut System,
    ) -> Result<(), Problem> {
        let (vaddr, pages) = (layout.handoff, layout.handoff_pages);
        self.space.cover(fabric, vaddr, pages * PAGE, PAGE_BITS)?;
        let first = fabric.make(
            Granule::object_blueprint(),
            pages as usize,
            "make the pages of the handoff",
        )?;
        for (frame, bytes) in (first..).zip(message.chunks(PAGE as usize)) {
            system.scratch.write(frame, 0, bytes, false)?;
        }
        self.space.map(first, pages, vaddr, PAGE_BITS, Access::Read)
    }
}

/// A CNode of a program, and its capability in the root task's CSpace.
#[derive(Clone, Copy)]
pub struct CNode {
    /// The CNode.
    pub cnode: cap::CNode,
    /// Slot of its capability.
    pub slot: usize,
    /// log2 of its slots.
    pub bits: usize,
}

impl CNode {
    /// The CNode with the capability in this slot.
    pub fn new(slot: usize, bits: usize) -> Self {
        Self {
            cnode: cap(slot),
            slot,
            bits,
        }
    }

    /// A slot.
    pub fn at(&self, slot: u64) -> AbsoluteCPtr {
        self.cnode
            .absolute_cptr_from_bits_with_depth(slot, self.bits)
    }

    /// Copies a capability from a slot of the root task's CNode.
    pub fn copy(&self, slot: u64, from: usize) -> Result<(), Problem> {
        self.at(slot)
            .copy(&at(from), CapRights::all())
            .map_err(refused(
                "give the program a capability to what it is made of",
            ))
    }
}

/// Rights as the kernel has them.
pub fn rights(rights: Rights) -> CapRights {
    CapRights::new(rights.grant_reply, rights.grant, rights.read, rights.write)
}
