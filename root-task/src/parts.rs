// SPDX-License-Identifier: BSD-2-Clause
//! A server under construction: its VSpace and CSpace, and what goes into them.

use capdl::blob::{Kind, Rights};
use heapless::Vec;
use root_task::elf::Access;
use root_task::grants::{self, Grant};
use root_task::plan::{PAGE, PAGE_BITS, Windows};
use root_task::problem::Problem;
use sel4::{AbsoluteCPtr, CNodeCapData, CapRights, VmAttributes, cap};
use wasm_handoff::{Given, OWN_BITS, ROOT_BITS, Range, slot};

use crate::System;
use crate::invoke::{at, cap, refused};
use crate::payload::Bytes;
use crate::vspace::{Fabric, Space};

/// Bits of a capability pointer.
const WORD_BITS: usize = 64;

/// A server under construction.
pub struct Parts {
    /// Where its first thread starts.
    pub entry: u64,
    /// Slot of the root CNode.
    pub root: usize,
    /// The CNode in the root CNode's slot 0.
    pub own: OwnCNode,
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
}

impl Parts {
    /// Gives the server an object, with the rights of the grant and no more.
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
        let source = at(system.objects.slot(grant.object)?);
        let rights = rights(grant.rights);
        let mut given = Given {
            object: grant.object.0,
            cptr: self.own.take()?,
            vaddr: 0,
        };
        let destination = self.own.at(given.cptr);
        match object.kind {
            // These have no rights to take away.
            Kind::Untyped { .. } | Kind::Irq { .. } => destination.copy(&source, CapRights::all()),
            // A badge of 0 is no badge, and leaves one that is there alone.
            Kind::Endpoint | Kind::Notification => destination.mint(&source, rights, grant.badge),
            Kind::Frame {
                size_bits, paddr, ..
            } => {
                given.vaddr = self.windows.place(size_bits)?;
                self.space
                    .cover(fabric, given.vaddr, 1 << size_bits, size_bits)?;
                at(self.temp)
                    .copy(&source, rights)
                    .map_err(refused("copy a frame's capability"))?;
                let attributes = match paddr {
                    Some(_) => VmAttributes::EXECUTE_NEVER,
                    None => VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
                };
                self.space
                    .map_one(self.temp, given.vaddr, rights, attributes)?;
                destination.move_(&at(self.temp))
            }
            _ => {
                return Err(Problem::WrongKind {
                    target: object.name,
                    wanted: "something that can be given",
                });
            }
        }
        .map_err(refused("give the server this capability"))?;
        Ok(given)
    }

    /// Maps bytes of the boot image read-only, in the frames they are in, and puts capabilities to
    /// these into the server's CNode, mapped as they are. Returns the first of those.
    pub fn share(
        &mut self,
        part: Bytes,
        vaddr: u64,
        fabric: &mut Fabric,
    ) -> Result<(u64, Range), Problem> {
        let first = self.own.next;
        self.space
            .cover(fabric, vaddr, part.pages() as u64 * PAGE, PAGE_BITS)?;
        for page in 0..part.pages() {
            at(self.temp)
                .copy(&at(part.frames + page), CapRights::read_only())
                .map_err(refused("copy a capability to the boot image"))?;
            self.space.map(
                self.temp,
                1,
                vaddr + page as u64 * PAGE,
                PAGE_BITS,
                Access::Read,
            )?;
            let slot = self.own.take()?;
            self.own
                .at(slot)
                .move_(&at(self.temp))
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

    /// Makes a CSpace of the two CNodes.
    pub fn connect(&self) -> Result<(), Problem> {
        let doing = "connect the server's CNodes";
        self.own.copy(slot::ROOT_CNODE, self.root)?;
        let guard = CNodeCapData::new(0, WORD_BITS - ROOT_BITS - OWN_BITS);
        cap::<sel4::cap_type::CNode>(self.root)
            .absolute_cptr_from_bits_with_depth(0, ROOT_BITS)
            .mint(&at(self.own.slot), CapRights::all(), guard.into_word())
            .map_err(refused(doing))
    }
}

/// The CNode that a server starts with.
pub struct OwnCNode {
    /// The CNode.
    pub cnode: cap::CNode,
    /// Slot of its capability.
    pub slot: usize,
    /// Its first slot that is free.
    pub next: u64,
}

impl OwnCNode {
    /// A slot.
    pub fn at(&self, slot: u64) -> AbsoluteCPtr {
        self.cnode
            .absolute_cptr_from_bits_with_depth(slot, OWN_BITS)
    }

    /// Takes the next free slot.
    pub fn take(&mut self) -> Result<u64, Problem> {
        let slot = self.next;
        if slot >= 1 << OWN_BITS {
            return Err(Problem::NoServerSlots);
        }
        self.next += 1;
        Ok(slot)
    }

    /// Copies a capability from a slot of the root task's CNode.
    pub fn copy(&self, slot: u64, from: usize) -> Result<(), Problem> {
        self.at(slot)
            .copy(&at(from), CapRights::all())
            .map_err(refused(
                "give the server a capability to what it is made of",
            ))
    }
}

fn rights(rights: Rights) -> CapRights {
    CapRights::new(rights.grant_reply, rights.grant, rights.read, rights.write)
}
