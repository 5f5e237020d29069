// SPDX-License-Identifier: BSD-2-Clause
//! What clients may not do.

use alloc::{format, vec::Vec};

use drill::{Verdict, ensure};
use userland::fs::{Error, OpenOptions, Reason, Rights};

use crate::stage::{Stage, refused};

/// Who may read and list does not write, and who may drop things does not look.
pub async fn rights(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    root.replace("pub/text", b"for everybody").await?;
    let reader = stage.root("reader", "pub").await?;
    ensure!(reader.rights() == Rights::READ | Rights::LIST);
    ensure!(reader.read("text").await? == b"for everybody");
    refused(reader.create("new").await, Reason::NotAllowed)?;
    refused(reader.remove_file("text").await, Reason::NotAllowed)?;
    refused(reader.create_dir("new").await, Reason::NotAllowed)?;
    refused(reader.symlink("text", "new").await, Reason::NotAllowed)?;
    refused(
        reader.rename("text", &reader, "new").await,
        Reason::NotAllowed,
    )?;
    let write = OpenOptions::new().write().open(&reader, "text").await;
    refused(write, Reason::NotAllowed)?;
    let cut = OpenOptions::new().read().truncate();
    refused(cut.open(&reader, "text").await, Reason::NotAllowed)?;
    refused(reader.open_dir("", Rights::ALL).await, Reason::NotAllowed)?;

    let dropper = stage.root("dropper", "box").await?;
    let file = OpenOptions::new()
        .write()
        .create_new()
        .open(&dropper, "letter")
        .await?;
    file.write_at(0, b"dear all").await?;
    refused(dropper.open("letter").await, Reason::NotAllowed)?;
    refused(dropper.entries().await.map(drop), Reason::NotAllowed)?;
    ensure!(root.read("box/letter").await? == b"dear all");
    // Nobody else's directories are there for it.
    let fs = stage.fs("dropper").await?;
    ensure!(fs.root("pub").await.err() == Some(Error::NoRoot));
    ensure!(fs.roots().await?.len() == 1);
    root.remove_file("box/letter").await?;
    Ok(root.remove_file("pub/text").await?)
}

/// Whatever a path or a link says, nothing above is reached.
pub async fn no_way_out(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    root.replace("secret", b"secret").await?;
    for (target, name) in [
        ("..", "up"),
        ("../secret", "out"),
        ("/secret", "absolute"),
        ("sub/../../secret", "over"),
    ] {
        root.symlink(target, &format!("pub/{name}")).await?;
    }
    root.create_dir("pub/sub").await?;
    let reader = stage.root("reader", "pub").await?;
    for path in [
        "../secret",
        "..",
        "/secret",
        "up/secret",
        "out",
        "absolute",
        "over",
        "sub/../../secret",
    ] {
        refused(reader.open(path).await, Reason::Escapes)?;
        refused(reader.stat(path).await, Reason::Escapes)?;
    }
    for name in ["up", "out", "absolute", "over"] {
        root.remove_file(&format!("pub/{name}")).await?;
    }
    root.remove_dir("pub/sub").await?;
    Ok(root.remove_file("secret").await?)
}

/// Who has as much as it may gets no more.
pub async fn limits(stage: &Stage) -> Verdict {
    let fs = stage.fs("reader").await?;
    let dir = fs.root("pub").await?;
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(dir.open_dir("", Rights::LIST).await?);
    }
    let more = dir.open_dir("", Rights::LIST).await;
    refused(more.map(drop), Reason::TooManyOpen)?;
    let mut buffers = Vec::new();
    let refusal = loop {
        match fs.buffer(1).await {
            Ok(buffer) => buffers.push(buffer),
            Err(error) => break error,
        }
    };
    refused::<()>(Err(refusal), Reason::TooManyBuffers)?;
    ensure!(buffers.len() == 2, "{} buffers", buffers.len());
    drop((open, buffers));
    userland::task::yield_now().await;
    // What was given up can be had again.
    dir.open_dir("", Rights::LIST).await?;
    fs.buffer(1).await?;
    Ok(())
}
