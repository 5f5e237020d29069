// SPDX-License-Identifier: BSD-2-Clause
//! The stage in the middle: packs each block from where it lies in one pipe to where it is to lie in the
//! next. No block is ever in memory of its own.

use alloc::boxed::Box;
use core::error::Error;

use userland::{
    channel::{Frame, Reservation, Strength},
    info,
    start::Start,
};

pub async fn run(start: &Start) -> Result<(), Box<dyn Error>> {
    let channel = crate::output(start)?;
    let mut writer = channel.writer(Strength::Strong, start.name())?;
    let mut reader = crate::input(start).await?;
    let (mut taken, mut given) = (0, 0);
    while let Some(block) = reader.next().await? {
        // At worst no two bytes are the same. While there is no room the block stays in its pipe, and when
        // that is full, the stage before waits, too.
        let mut packed = writer.reserve(2 * block.len()).await?;
        let len = pack(&block, &mut packed).ok_or("a block changes while it is read")?;
        taken += block.len();
        given += len;
        packed.commit_first(len);
    }
    channel.drain();
    info!("packed {taken} bytes to {given}");
    Ok(())
}

/// Writes each run of equal bytes as its length and the byte; answers how many bytes that takes.
fn pack(block: &Frame<'_>, packed: &mut Reservation<'_>) -> Option<u32> {
    let mut len = 0;
    let mut run: [u8; 2] = [0; 2];
    for offset in 0..block.len() {
        let mut byte = [0];
        block.read_at(offset, &mut byte)?;
        if run[0] != 0 && (run[1] != byte[0] || run[0] == u8::MAX) {
            packed.write(len, &run)?;
            len += 2;
            run[0] = 0;
        }
        run = [run[0] + 1, byte[0]];
    }
    packed.write(len, &run)?;
    Some(len + 2)
}
