// SPDX-License-Identifier: BSD-2-Clause
//! The last stage: unpacks blocks, and checks that all of them came, whole and in order.

use alloc::{boxed::Box, vec::Vec};
use core::error::Error;

use userland::{info, start::Start};

use crate::BLOCK;

pub async fn run(start: &Start) -> Result<(), Box<dyn Error>> {
    let mut reader = crate::input(start).await?;
    let mut sum = crc32fast::Hasher::new();
    let mut blocks = 0;
    while let Some(frame) = reader.next().await? {
        let block = unpack(&frame.to_vec());
        let (data, end) = block.split_last_chunk().ok_or("a block is too short")?;
        sum.update(data);
        if block.len() != BLOCK || *end != sum.clone().finalize().to_le_bytes() {
            return Err("wrong checksum".into());
        }
        blocks += 1;
    }
    info!("{blocks} blocks, {} bytes", blocks * BLOCK);
    info!("checksum {:08x}", sum.finalize());
    Ok(())
}

/// The bytes of runs of a length and a byte each.
fn unpack(packed: &[u8]) -> Vec<u8> {
    let (runs, _) = packed.as_chunks();
    let bytes = |&[len, byte]: &[u8; 2]| core::iter::repeat_n(byte, len.into());
    runs.iter().flat_map(bytes).collect()
}
