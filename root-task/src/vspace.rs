// SPDX-License-Identifier: BSD-2-Clause
//! Page tables: of the root task's own windows, and of a program's VSpace while it is built.

use root_task::elf::Access;
use root_task::plan::{PAGE, PAGE_BITS, Tables};
use root_task::problem::Problem;
use sel4::cap_type::{UnspecifiedIntermediateTranslationTable, UnspecifiedPage};
use sel4::{CapRights, TranslationTableObjectType, VmAttributes, cap};

use crate::invoke::{cap, own_vspace, refused, retype};
use crate::objects::Memory;

/// Proof that the page tables behind the root task's windows are there.
#[derive(Clone, Copy)]
pub struct RootWindows {
    /// Where small frames are mapped for a moment.
    pub scratch: usize,
}

impl RootWindows {
    /// Far above the image, in the 512 GiB whose topmost table the image has.
    const START: usize = 0x40_0000_0000;
    /// Where the UART is mapped.
    pub const UART: usize = Self::START;
    const SCRATCH: usize = Self::START + 0x1_0000;
    /// Where the page that servers have in common is mapped.
    pub const COMMONS: usize = Self::START + 0x1_8000;
    /// Where the first page of virtio devices' registers is mapped.
    const REGISTERS: usize = Self::START + 0x2_0000;
    /// From one window to the next: a stray access hits nothing.
    const STEP: usize = 0x1_0000;
    /// Most pages of virtio devices' registers.
    pub const REGISTER_PAGES: usize = 16;

    /// Where frames of 2^`bits` bytes, more than the smallest, are mapped for a moment: in entries of the
    /// tables that are there.
    pub const fn large(bits: u8) -> usize {
        Self::START + (1 << bits)
    }

    /// Where the page of registers with this number is mapped.
    pub const fn registers(number: usize) -> usize {
        assert!(number < Self::REGISTER_PAGES);
        Self::REGISTERS + number * Self::STEP
    }
}

// All of them are below one table of the last level.
const _: () = assert!(
    RootWindows::registers(RootWindows::REGISTER_PAGES - 1) < RootWindows::START + (2 << 20)
);

/// Makes the page tables for the root task's windows.
pub fn root_tables(memory: &mut Memory) -> Result<RootWindows, Problem> {
    for level in 2..=3 {
        let kind = table_type(level);
        let table = memory.object(kind.blueprint(), "make a page table of the root task")?;
        map_table(table, level, own_vspace(), RootWindows::START as u64)?;
    }
    Ok(RootWindows {
        scratch: RootWindows::SCRATCH,
    })
}

fn table_type(level: usize) -> TranslationTableObjectType {
    TranslationTableObjectType::from_level(level).expect("levels are below NUM_LEVELS")
}

/// Maps a page table of a level, which is the one it was made for.
pub fn map_table(
    slot: usize,
    level: usize,
    vspace: cap::VSpace,
    vaddr: u64,
) -> Result<(), Problem> {
    cap::<UnspecifiedIntermediateTranslationTable>(slot)
        .generic_intermediate_translation_table_map(
            table_type(level),
            vspace,
            vaddr as usize,
            VmAttributes::DEFAULT,
        )
        .map_err(refused("map a page table"))
}

/// Objects of one program, all from one untyped, in slots of their own.
pub struct Fabric {
    untyped: usize,
    next: usize,
    end: usize,
}

impl Fabric {
    /// Nothing made yet; there are `count` slots from `first` on.
    pub fn new(untyped: usize, first: usize, count: usize) -> Self {
        Self {
            untyped,
            next: first,
            end: first + count,
        }
    }

    /// Makes objects; returns the slot of the first.
    pub fn make(
        &mut self,
        blueprint: sel4::ObjectBlueprint,
        count: usize,
        doing: &'static str,
    ) -> Result<usize, Problem> {
        let first = self.next;
        if count > self.end - first {
            return Err(Problem::NoSlots);
        }
        retype(self.untyped, blueprint, first, count, doing)?;
        self.next += count;
        Ok(first)
    }
}

/// A program's VSpace while it is built.
pub struct Space {
    /// Its root.
    pub vspace: cap::VSpace,
    tables: Tables,
}

impl Space {
    /// An empty VSpace, which has its ASID.
    pub fn new(vspace: cap::VSpace) -> Self {
        Self {
            vspace,
            tables: Tables::default(),
        }
    }

    /// Makes the tables for pages of `2^bits` bytes in `start..start + len`.
    pub fn cover(
        &mut self,
        fabric: &mut Fabric,
        start: u64,
        len: u64,
        bits: u8,
    ) -> Result<(), Problem> {
        self.tables.cover(start, len, bits, |level, at| {
            let kind = table_type(level);
            let table = fabric.make(kind.blueprint(), 1, "make a page table of its VSpace")?;
            map_table(table, level, self.vspace, at)
        })
    }

    /// Maps a row of frames of memory, each of `2^bits` bytes.
    pub fn map(
        &mut self,
        first: usize,
        count: u64,
        vaddr: u64,
        bits: u8,
        access: Access,
    ) -> Result<(), Problem> {
        let (rights, attributes) = match access {
            Access::Execute => (CapRights::read_only(), VmAttributes::DEFAULT),
            Access::Read => (
                CapRights::read_only(),
                VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
            ),
            Access::Write => (
                CapRights::read_write(),
                VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
            ),
        };
        for index in 0..count {
            self.map_one(
                first + index as usize,
                vaddr + (index << bits),
                rights,
                attributes,
            )?;
        }
        Ok(())
    }

    /// Maps one frame.
    pub fn map_one(
        &mut self,
        slot: usize,
        vaddr: u64,
        rights: CapRights,
        attributes: VmAttributes,
    ) -> Result<(), Problem> {
        cap::<UnspecifiedPage>(slot)
            .frame_map(self.vspace, vaddr as usize, rights, attributes)
            .map_err(refused("map a frame in its VSpace"))
    }

    /// Makes and maps pages of memory that are zero; returns the slot of the first frame.
    pub fn pages(&mut self, fabric: &mut Fabric, vaddr: u64, count: u64) -> Result<usize, Problem> {
        self.cover(fabric, vaddr, count * PAGE, PAGE_BITS)?;
        let first = fabric.make(
            sel4::FrameObjectType::GRANULE.blueprint(),
            count as usize,
            "make frames of its VSpace",
        )?;
        self.map(first, count, vaddr, PAGE_BITS, Access::Write)?;
        Ok(first)
    }
}
