// SPDX-License-Identifier: BSD-2-Clause
//! Page tables of the server's VSpace.

use alloc::collections::BTreeSet;
use core::ops::Range;

use lock_api::Mutex;
use sel4::{
    CapRights, FrameObjectType, TranslationTableObjectType, VmAttributes, cap, vspace_levels,
};
use wasm_handoff::slot;
use wasm_server_core::platform::Failure;

use crate::{
    account::{PAGE, UNIT},
    cspace,
    lock::WordLock,
    region::Chunk,
    space::WASM_PAGE,
};

/// Where the server maps pages of its own; up to 2 MiB.
pub const SERVICE: usize = 0x70_0000_0000;
/// Where the server maps regions of the spec, as far as it reads or writes them itself.
const VIEWS: usize = 0x71_0000_0000;

/// Where modules of the archive are mapped once more, as far as they run with several sizes of stack.
pub const ALIASES: Range<usize> = 0x72_0000_0000..0x73_0000_0000;
/// Most capabilities of the server's own for these.
const MAX_ALIASES: usize = 8192;

/// A level of page tables below the root, by what one table of it covers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableLevel {
    /// 512 GiB.
    Upper = 1,
    /// 1 GiB.
    Directory = 2,
    /// 2 MiB.
    Table = 3,
}

impl TableLevel {
    /// Bytes that one table covers.
    pub const fn covers(self) -> usize {
        1 << vspace_levels::span_bits(self as usize)
    }

    const fn object_type(self) -> TranslationTableObjectType {
        match self {
            Self::Upper => TranslationTableObjectType::PUD,
            Self::Directory => TranslationTableObjectType::PD,
            Self::Table => TranslationTableObjectType::PT,
        }
    }

    /// What to retype.
    pub const fn blueprint(self) -> sel4::ObjectBlueprint {
        self.object_type().blueprint()
    }
}

/// Maps a page, never executable.
pub fn map(frame: u64, address: usize, rights: CapRights) -> sel4::Result<()> {
    cap::Granule::from_bits(frame).frame_map(
        cap::VSpace::from_bits(slot::VSPACE),
        address,
        rights,
        VmAttributes::DEFAULT | VmAttributes::EXECUTE_NEVER,
    )
}

/// Installs the table behind a capability at this address.
pub fn map_table(cptr: u64, level: TableLevel, address: usize) -> Result<(), Failure> {
    cap::UnspecifiedIntermediateTranslationTable::from_bits(cptr)
        .generic_intermediate_translation_table_map(
            level.object_type(),
            cap::VSpace::from_bits(slot::VSPACE),
            address,
            VmAttributes::DEFAULT,
        )
        .map_err(|_| Failure::Refused("a page table"))
}

/// The parts of the address space, [`TableLevel::Upper`] each, that have their uppermost table. These
/// are the server's, since many guests share one.
static COVERED: Mutex<WordLock, BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// Has the uppermost table over this address there.
pub fn cover(pool: cap::Untyped, address: usize) -> Result<(), Failure> {
    let part = address / TableLevel::Upper.covers();
    let mut covered = COVERED.lock();
    if !covered.contains(&part) {
        let table = cspace::take_own(1)?;
        cspace::retype(pool, TableLevel::Upper.blueprint(), table, 1)
            .map_err(|_| Failure::Exhausted("memory for page tables"))?;
        map_table(table, TableLevel::Upper, part * TableLevel::Upper.covers())?;
        covered.insert(part);
    }
    Ok(())
}

/// Maps fresh pages for the server's own threads, near [`SERVICE`]; answers the capability of the
/// first.
pub fn map_service(pool: cap::Untyped, address: usize, pages: usize) -> Result<u64, Failure> {
    let no_memory = |_| Failure::Exhausted("memory for its threads");
    let first = cspace::take_own(pages as u64)?;
    cspace::retype(pool, FrameObjectType::SmallPage.blueprint(), first, pages)
        .map_err(no_memory)?;
    for page in 0..pages {
        map_own(
            pool,
            first + page as u64,
            address + page * FrameObjectType::SmallPage.bytes(),
        )?;
    }
    Ok(first)
}

/// Where the next region of the server's own is to be seen.
static NEXT_VIEW: Mutex<WordLock, usize> = Mutex::new(VIEWS);

/// The address at which the server sees a chunk of a region that is no guest's.
pub fn view(pool: cap::Untyped, chunk: &Chunk) -> Result<usize, Failure> {
    let mut next = NEXT_VIEW.lock();
    if let Some(view) = chunk.view() {
        return Ok(view);
    }
    let view = *next;
    for page in 0..UNIT {
        map_own(pool, chunk.slots() + page, view + page as usize * PAGE)?;
    }
    chunk.seen_at(view);
    *next += WASM_PAGE;
    Ok(view)
}

/// Where the next alias is.
static NEXT_ALIAS: Mutex<WordLock, usize> = Mutex::new(ALIASES.start);

/// Maps pages whose capabilities follow each other once more, to be read; answers where, and the first of the
/// capabilities that this took.
pub fn alias(pool: cap::Untyped, first: u64, pages: usize) -> Result<(usize, u64), Failure> {
    let mut next = NEXT_ALIAS.lock();
    if *next + pages * PAGE > ALIASES.start + MAX_ALIASES * PAGE {
        return Err(Failure::Exhausted(
            "room for modules with several sizes of stack",
        ));
    }
    let slots = cspace::take_own(pages as u64)?;
    let address = *next;
    // Whatever fails below, these addresses and slots are not used again.
    *next += pages * PAGE;
    for page in 0..pages {
        let slot = slots + page as u64;
        cspace::path(slot)
            .copy(&cspace::path(first + page as u64), CapRights::read_only())
            .map_err(|_| Failure::Refused("a page of the archive"))?;
        map_with_tables(pool, slot, address + page * PAGE, CapRights::read_only())?;
    }
    Ok((address, slots))
}

fn map_own(pool: cap::Untyped, frame: u64, address: usize) -> Result<(), Failure> {
    map_with_tables(pool, frame, address, CapRights::read_write())
}

/// Maps a page, and the page tables that it misses.
fn map_with_tables(
    pool: cap::Untyped,
    frame: u64,
    address: usize,
    rights: CapRights,
) -> Result<(), Failure> {
    let vspace = cap::VSpace::from_bits(slot::VSPACE);
    loop {
        let Err(error) = map(frame, address, rights) else {
            return Ok(());
        };
        let missing = (error == sel4::Error::FailedLookup)
            .then(sel4_ext::missing_translation_table)
            .flatten();
        let ty = missing.ok_or(Failure::Refused("a page of the server's own"))?;
        let table = cspace::take_own(1)?;
        cspace::retype(pool, ty.blueprint(), table, 1)
            .map_err(|_| Failure::Exhausted("memory for page tables"))?;
        cap::UnspecifiedIntermediateTranslationTable::from_bits(table)
            .generic_intermediate_translation_table_map(ty, vspace, address, VmAttributes::DEFAULT)
            .map_err(|_| Failure::Refused("a page table"))?;
    }
}
