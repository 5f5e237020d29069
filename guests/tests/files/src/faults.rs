// SPDX-License-Identifier: BSD-2-Clause
//! Disks that fail. The test has put files there, and says which sectors of which cannot be read or written.

use core::time::Duration;

use drill::{Fault, Verdict, ensure};
use files::bytes;
use userland::{
    exit::ExitCode,
    fs::{Fs, OpenOptions, Reason},
    info,
    time::sleep,
};

use crate::stage::{Stage, refused};

/// A file that cannot be read or written is an error for who reads or writes it there, and there alone.
pub async fn bad_sectors(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    let options = OpenOptions::new().read().write();
    let bad = options.open(&root, "bad").await?;
    let mut block = [0; 4096];
    // The second block of it.
    refused(bad.read_at(4096, &mut block).await, Reason::Io)?;
    refused(bad.write_at(4096, &block).await, Reason::Io)?;
    ensure!(bad.read_at(0, &mut block).await? == 4096);
    ensure!(block[..] == bytes(1, 16384)[..4096]);
    ensure!(bad.read_at(8192, &mut block).await? == 4096);
    ensure!(block[..] == bytes(1, 16384)[8192..12288]);
    ensure!(root.read("good").await? == bytes(2, 16384));
    Ok(())
}

/// A request that fails once is an error once.
pub async fn once(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    let options = OpenOptions::new().read().write();
    let file = options.open(&root, "once").await?;
    let mut block = [0; 4096];
    refused(file.read_at(0, &mut block).await, Reason::Io)?;
    ensure!(file.read_at(0, &mut block).await? == 4096);
    ensure!(block[..] == bytes(3, 16384)[..4096]);
    Ok(())
}

/// Everything else goes on.
pub async fn goes_on(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    // The first time that the disk is to keep something, it fails: and nothing is lost for it.
    let file = root.create("new").await?;
    file.write_at(0, &bytes(4, 50_000)).await?;
    refused(file.sync().await, Reason::Io)?;
    file.sync().await?;
    ensure!(root.read("new").await? == bytes(4, 50_000));
    for number in 0..20 {
        root.replace("again", &bytes(number, 3000)).await?;
    }
    Ok(())
}

/// A disk that takes no writes can be read, and no more.
pub async fn read_only() -> Result<ExitCode, Fault> {
    let fs = Fs::open("all").await?;
    let root = fs.root("/").await?;
    ensure!(fs.space().await?.is_read_only);
    ensure!(root.read("good").await? == bytes(2, 16384));
    refused(root.create("new").await, Reason::ReadOnly)?;
    refused(root.create_dir("new").await, Reason::ReadOnly)?;
    refused(root.remove_file("good").await, Reason::ReadOnly)?;
    refused(root.rename("good", &root, "new").await, Reason::ReadOnly)?;
    let file = OpenOptions::new().write().open(&root, "good").await?;
    refused(file.write_at(0, b"x").await, Reason::ReadOnly)?;
    refused(file.set_len(0).await, Reason::ReadOnly)?;
    ensure!(root.read("good").await? == bytes(2, 16384));
    info!("it can only be read");
    Ok(ExitCode::SUCCESS)
}

/// A disk that goes away is an error for whoever needs it, again and again, and the fs guest is there all the time.
pub async fn gone() -> Result<ExitCode, Fault> {
    let fs = Fs::open("all").await?;
    let root = fs.root("/").await?;
    let file = root.open("good").await?;
    let mut block = [0; 4096];
    ensure!(file.read_at(0, &mut block).await? == 4096);
    info!("the disk may go");
    let mut count = 0;
    while count < 10 {
        match file.read_at(4096, &mut block).await {
            Ok(_) => {}
            Err(userland::fs::Error::Fs(Reason::Io | Reason::NoDisk)) => count += 1,
            Err(other) => return Err(other.into()),
        }
        sleep(Duration::from_millis(20)).await;
    }
    // What needs no disk is answered.
    ensure!(file.stat().await?.len == 16384);
    info!("it is gone");
    Ok(ExitCode::SUCCESS)
}
