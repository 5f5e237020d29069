// SPDX-License-Identifier: BSD-2-Clause
//! What the kernel alone takes to share one page of 4 KiB, a copy of the frame's capability, mapped; and
//! to take it away again, by deleting the copy. This is what a window onto a region consists of.

use sel4::{CapRights, FrameObjectType};
use wasm_server_core::platform::Failure;

use super::line;
use crate::{clock, cspace, vspace};

const ROUNDS: u64 = 100;

/// Measures and prints. The page at `address` and the one behind it are free.
pub fn run(pool: sel4::cap::Untyped, address: usize) -> Result<(), Failure> {
    // The page tables come with the frame's own mapping.
    let frame = vspace::map_service(pool, address, 1)?;
    let copy = cspace::take_own(1)?;
    let window = address + FrameObjectType::GRANULE.bytes();
    let refused = |_| Failure::Refused("a page for its benchmark");
    let (mut mapped, mut unmapped) = (0, 0);
    // The first rounds warm up.
    for _ in 0..ROUNDS {
        let begin = clock::cycles();
        cspace::path(copy)
            .copy(&cspace::path(frame), CapRights::read_write())
            .and_then(|()| vspace::map(copy, window, CapRights::read_write()))
            .map_err(refused)?;
        let there = clock::cycles();
        cspace::path(copy).delete().map_err(refused)?;
        (mapped, unmapped) = (there - begin, clock::cycles() - there);
    }
    line("frame_map_bare", mapped);
    line("frame_unmap_bare", unmapped);
    Ok(())
}
