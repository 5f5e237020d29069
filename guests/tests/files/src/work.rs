// SPDX-License-Identifier: BSD-2-Clause
//! Works on files.

use alloc::format;

use drill::{Fault, Verdict, ensure};
use files::{PROGRESS, Step, World, bytes};
use userland::{
    exit::ExitCode,
    fs::{Dir, Fs, OpenOptions},
    info,
};

/// Steps between two times that progress is made durable.
const STRIDE: u32 = 3;

/// Does so many steps, and makes durable now and then how many it has done.
pub async fn work(seed: u32, steps: u32) -> Result<ExitCode, Fault> {
    let fs = Fs::open("all").await?;
    let root = fs.root("/").await?;
    let mut world = World::new(seed);
    for number in 1..=steps {
        let step = world.step();
        apply(&root, &step).await?;
        if number % STRIDE == 0 || number == steps {
            root.replace(PROGRESS, format!("{number}").as_bytes())
                .await?;
        }
    }
    for (path, contents) in &world.files {
        let read = root.read(path).await?;
        ensure!(read == *contents, "{path}: {} bytes", read.len());
    }
    info!("{steps} steps are durable");
    Ok(ExitCode::SUCCESS)
}

async fn apply(root: &Dir, step: &Step) -> Verdict {
    match step {
        Step::Write {
            path,
            offset,
            seed,
            len,
        } => {
            let options = OpenOptions::new().write().create();
            let file = options.open(root, path).await?;
            file.write_at((*offset).into(), &bytes(*seed, *len)).await?;
        }
        Step::Resize { path, len } => {
            let file = OpenOptions::new().write().open(root, path).await?;
            file.set_len((*len).into()).await?;
        }
        Step::Rename { from, to } => root.rename(from, root, to).await?,
        Step::Remove { path } => root.remove_file(path).await?,
    }
    Ok(())
}
