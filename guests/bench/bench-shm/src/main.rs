// SPDX-License-Identifier: BSD-2-Clause
//! What it takes to see a shared region in one's own memory, for each page that the MMU maps.
#![no_std]
#![no_main]
#![forbid(unsafe_code)]

use userland::{Error, PAGE, Rights, info, introspect, shm::Region};

/// Wasm pages of the region.
const PAGES: u32 = 16;
/// Bytes that the MMU maps at once.
const MAPPED: u32 = 4096;

const WARM_UP: u32 = 2;
const ROUNDS: u32 = 4;

#[userland::entrypoint]
fn main() -> Result<(), Error> {
    let region = Region::alloc(PAGES)?;
    let rounds = |count| {
        let mut cycles = 0;
        for _ in 0..count {
            let begin = introspect::cycles();
            let window = region.attach(Rights::READ_WRITE)?;
            cycles += introspect::cycles() - begin;
            window.detach()?;
        }
        Ok::<_, Error>(cycles)
    };
    rounds(WARM_UP)?;
    let mapped = ROUNDS * PAGES * (PAGE / MAPPED);
    info!(
        "bench shm_attach_page {}",
        rounds(ROUNDS)? / u64::from(mapped)
    );
    Ok(())
}
