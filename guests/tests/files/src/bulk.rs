// SPDX-License-Identifier: BSD-2-Clause
//! Long pieces, by way of buffers.

use alloc::vec;

use drill::{Verdict, ensure};
use files::{Numbers, bytes};
use userland::fs::OpenOptions;

use crate::stage::Stage;

/// Whole blocks, a window at a time.
pub async fn bulk(stage: &Stage) -> Verdict {
    let fs = stage.fs("all").await?;
    let root = fs.root("/").await?;
    let file = OpenOptions::new()
        .read()
        .write()
        .create()
        .open(&root, "bulk")
        .await?;
    let buffer = fs.buffer(8).await?;
    for piece in 0..8_u32 {
        buffer.write(0, &bytes(piece, buffer.len()))?;
        let offset = u64::from(piece * buffer.len());
        file.write_from(offset, &buffer, 0, buffer.len()).await?;
    }
    let mut read = vec![0; buffer.len() as usize];
    for piece in (0..8_u32).rev() {
        let offset = u64::from(piece * buffer.len());
        let len = file.read_into(offset, &buffer, 0, buffer.len()).await?;
        ensure!(len == buffer.len(), "{len} bytes");
        buffer.read(0, &mut read)?;
        ensure!(read == bytes(piece, buffer.len()), "piece {piece}");
    }
    file.sync().await?;
    Ok(root.remove_file("bulk").await?)
}

/// Any bytes, anywhere in a buffer and in a file: those, and no others, are moved.
pub async fn bulk_at_any_place(stage: &Stage) -> Verdict {
    let fs = stage.fs("all").await?;
    let root = fs.root("/").await?;
    let file = OpenOptions::new()
        .read()
        .write()
        .create()
        .open(&root, "places")
        .await?;
    let buffer = fs.buffer(1).await?;
    let mut model = vec![0_u8; 0];
    let mut numbers = Numbers::new(11);
    for round in 0..120 {
        let offset = match numbers.below(2) {
            0 => 4096 * numbers.below(10),
            _ => numbers.below(40_000),
        };
        let len = match numbers.below(3) {
            0 => 4096 * (1 + numbers.below(7)),
            1 => 512 * (1 + numbers.below(20)),
            _ => 1 + numbers.below(20_000),
        };
        let at = match numbers.below(2) {
            0 => 4096 * numbers.below(5),
            _ => numbers.below(20_000),
        };
        let (begin, end) = (offset as usize, (offset + len) as usize);
        if numbers.below(2) == 0 {
            let data = bytes(round, len);
            buffer.write(at, &data)?;
            file.write_from(offset.into(), &buffer, at, len).await?;
            model.resize(model.len().max(end), 0);
            model[begin..end].copy_from_slice(&data);
        } else {
            buffer.write(0, &vec![0xee; buffer.len() as usize])?;
            let read = file.read_into(offset.into(), &buffer, at, len).await?;
            let expected = &model[begin.min(model.len())..end.min(model.len())];
            ensure!(read as usize == expected.len(), "round {round}: {read}");
            let mut all = vec![0; buffer.len() as usize];
            buffer.read(0, &mut all)?;
            let (before, rest) = all.split_at(at as usize);
            let (data, behind) = rest.split_at(expected.len());
            ensure!(data == expected, "round {round}");
            // What was not asked for was not touched, behind the end of the file included.
            let others = before.iter().chain(behind);
            ensure!(
                others.into_iter().all(|byte| *byte == 0xee),
                "round {round}"
            );
        }
    }
    Ok(root.remove_file("places").await?)
}
