// SPDX-License-Identifier: BSD-2-Clause
//! The first stage: makes blocks.

use alloc::boxed::Box;
use core::error::Error;

use userland::{channel::Strength, info, start::Start};

use crate::{BLOCK, DATA};

pub async fn run(start: &Start) -> Result<(), Box<dyn Error>> {
    let blocks = start.value("blocks").map_or(Ok(100), str::parse)?;
    let channel = crate::output(start)?;
    let mut writer = channel.writer(Strength::Strong, start.name())?;
    let mut sum = crc32fast::Hasher::new();
    for number in 0..blocks {
        let mut block = [0; BLOCK];
        let (data, end) = block.split_at_mut(DATA);
        make(number, data);
        sum.update(data);
        end.copy_from_slice(&sum.clone().finalize().to_le_bytes());
        writer.send(&block).await?;
    }
    // What is there is read; nothing more comes.
    channel.drain();
    info!("{blocks} blocks, {} bytes", blocks as usize * BLOCK);
    info!("checksum {:08x}", sum.finalize());
    Ok(())
}

/// Runs of equal bytes, each block with others.
fn make(number: u32, data: &mut [u8]) {
    let mut seed = number;
    let mut rest = data;
    while !rest.is_empty() {
        // The generator of Numerical Recipes.
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [.., len, byte] = seed.to_be_bytes();
        let (run, behind) = rest.split_at_mut(rest.len().min(1 + usize::from(len % 16)));
        run.fill(byte);
        rest = behind;
    }
}
