// SPDX-License-Identifier: BSD-2-Clause
//! What can be done with files.

use alloc::{format, string::String, vec, vec::Vec};

use drill::{Verdict, ensure};
use files::bytes;
use userland::fs::{Dir, Kind, OpenOptions, Reason, Rights};

use crate::stage::{Stage, refused};

/// What the host has put there is read.
pub async fn made_by_the_host(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    ensure!(root.read("host/hello").await? == b"hello from the host\n");
    let long = root.read("host/long").await?;
    ensure!(long == bytes(7, 300_000), "{} bytes", long.len());
    // As long, and nothing in it.
    let sparse = root.open("host/sparse").await?;
    ensure!(sparse.stat().await?.len == 10 << 20);
    let mut hole = vec![1; 5000];
    ensure!(sparse.read_at(5 << 20, &mut hole).await? == 5000);
    ensure!(hole.iter().all(|byte| *byte == 0));
    let mut end = [0; 3];
    ensure!(sparse.read_at((10 << 20) - 3, &mut end).await? == 3 && &end == b"end");
    ensure!(root.read_link("host/link").await? == "hello");
    ensure!(root.read("host/link").await? == b"hello from the host\n");
    let many = names(&root, "host/many").await?;
    ensure!(many.len() == 1000, "{} names", many.len());
    ensure!(root.read("host/many/file-number-777").await? == b"777");
    Ok(())
}

async fn names(dir: &Dir, path: &str) -> Verdict<Vec<String>> {
    let dir = dir.open_dir(path, Rights::LIST).await?;
    let mut entries = dir.entries().await?;
    let mut names = Vec::new();
    while let Some(entry) = entries.next().await? {
        names.push(entry.name);
    }
    names.sort();
    Ok(names)
}

/// Each operation does what it says.
pub async fn operations(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    root.create_dir("ops").await?;
    let dir = root.open_dir("ops", Rights::ALL).await?;
    let file = OpenOptions::new()
        .read()
        .write()
        .create_new()
        .open(&dir, "file")
        .await?;
    file.write_at(0, b"hello world").await?;
    file.write_at(6, b"WORLD").await?;
    ensure!(file.append(b"!").await? == 11);
    let mut text = [0; 20];
    ensure!(file.read_at(0, &mut text).await? == 12);
    ensure!(&text[..12] == b"hello WORLD!");
    ensure!(file.read_at(12, &mut text).await? == 0);
    // A gap is of zeros.
    file.write_at(10_000, b"x").await?;
    let mut gap = [7; 100];
    ensure!(file.read_at(9950, &mut gap).await? == 51);
    ensure!(gap[..50].iter().all(|byte| *byte == 0) && gap[50] == b'x');
    file.set_len(5).await?;
    file.set_len(8).await?;
    ensure!(dir.read("file").await? == b"hello\0\0\0");
    let stat = dir.stat("file").await?;
    ensure!((stat.kind, stat.len, stat.links) == (Kind::File, 8, 1));
    dir.hard_link("file", &dir, "second").await?;
    ensure!(dir.stat("second").await?.inode == stat.inode);
    ensure!(dir.stat("file").await?.links == 2);
    dir.create_dir("sub").await?;
    let sub = dir.open_dir("sub", Rights::ALL).await?;
    dir.rename("second", &sub, "moved").await?;
    dir.symlink("sub/moved", "link").await?;
    ensure!(dir.read("link").await? == b"hello\0\0\0");
    ensure!(dir.stat_link("link").await?.kind == Kind::Symlink);
    ensure!(names(&root, "ops").await? == ["file", "link", "sub"]);
    dir.replace("file", b"in its place").await?;
    ensure!(dir.read("file").await? == b"in its place");
    ensure!(dir.read("link").await? == b"hello\0\0\0");
    file.sync().await?;
    sub.remove_file("moved").await?;
    refused(dir.read("link").await, Reason::NotFound)?;
    dir.remove_dir("sub").await?;
    dir.remove_file("link").await?;
    dir.remove_file("file").await?;
    root.remove_dir("ops").await?;
    refused(root.stat("ops").await, Reason::NotFound)
}

/// What cannot be done is refused, with the reason.
pub async fn errors(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    root.create_dir("errors").await?;
    let dir = root.open_dir("errors", Rights::ALL).await?;
    dir.create("file").await?;
    dir.create_dir("sub").await?;
    dir.create("sub/inner").await?;
    refused(dir.open("nothing").await, Reason::NotFound)?;
    refused(dir.open("file/x").await, Reason::NotDirectory)?;
    refused(dir.open("sub").await, Reason::IsDirectory)?;
    refused(dir.create_dir("file").await, Reason::Exists)?;
    refused(dir.remove_dir("sub").await, Reason::NotEmpty)?;
    refused(dir.remove_file("sub").await, Reason::IsDirectory)?;
    refused(dir.remove_dir("file").await, Reason::NotDirectory)?;
    refused(dir.rename("sub", &dir, "sub/x").await, Reason::IntoItself)?;
    refused(dir.rename("sub", &dir, "file").await, Reason::NotDirectory)?;
    refused(dir.rename("file", &dir, "sub").await, Reason::IsDirectory)?;
    refused(dir.hard_link("sub", &dir, "x").await, Reason::IsDirectory)?;
    refused(dir.read_link("file").await, Reason::WrongKind)?;
    refused(dir.create(&"n".repeat(256)).await, Reason::BadPath)?;
    let read_only = dir.open("file").await?;
    refused(read_only.write_at(0, b"x").await, Reason::NotAllowed)?;
    let file = dir.create("file").await?;
    refused(file.write_at(u64::MAX, b"x").await, Reason::TooLarge)?;
    refused(file.set_len(u64::MAX).await, Reason::TooLarge)?;
    dir.remove_file("sub/inner").await?;
    dir.remove_dir("sub").await?;
    dir.remove_file("file").await?;
    Ok(root.remove_dir("errors").await?)
}

/// Listings are whole, however long, and while entries come and go.
pub async fn listings(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    root.create_dir("list").await?;
    let dir = root.open_dir("list", Rights::ALL).await?;
    let long = "x".repeat(200);
    for number in 0..300 {
        dir.create(&format!("{number:03}-{long}")).await?;
    }
    let mut entries = dir.entries().await?;
    let mut seen = Vec::new();
    while let Some(entry) = entries.next().await? {
        if seen.len() == 20 {
            // Of those that were not seen, some go and some come.
            for number in (0..300).step_by(3) {
                let name = format!("{number:03}-{long}");
                if !seen.contains(&name) {
                    dir.remove_file(&name).await?;
                }
            }
            for number in 0..50 {
                dir.create(&format!("new-{number}")).await?;
            }
        }
        seen.push(entry.name);
    }
    let stay = (0..300).filter(|number| number % 3 != 0);
    for number in stay {
        let name = format!("{number:03}-{long}");
        let count = seen.iter().filter(|other| **other == name).count();
        ensure!(count == 1, "{number} was seen {count} times");
    }
    let mut entries = dir.entries().await?;
    while let Some(entry) = entries.next().await? {
        dir.remove_file(&entry.name).await?;
    }
    Ok(root.remove_dir("list").await?)
}

/// What is open can be read and written when its name is gone; then its blocks are free again.
pub async fn open_files_outlive_names(stage: &Stage) -> Verdict {
    let fs = stage.fs("all").await?;
    let root = fs.root("/").await?;
    root.sync().await?;
    let before = fs.space().await?;
    let file = OpenOptions::new()
        .read()
        .write()
        .create_new()
        .open(&root, "nameless")
        .await?;
    file.write_at(0, &bytes(1, 100_000)).await?;
    root.remove_file("nameless").await?;
    refused(root.stat("nameless").await, Reason::NotFound)?;
    file.append(b"more").await?;
    let mut read = vec![0; 100_004];
    ensure!(file.read_at(0, &mut read).await? == 100_004);
    ensure!(read[..100_000] == bytes(1, 100_000) && &read[100_000..] == b"more");
    ensure!(fs.space().await?.free_blocks < before.free_blocks);
    drop(file);
    // The request to close it is made by a task of its own.
    userland::task::yield_now().await;
    root.sync().await?;
    let after = fs.space().await?;
    ensure!(after == before, "{after:?} where there was {before:?}");
    Ok(())
}

/// A full disk is an error for who wants more, and for nobody else; nothing is lost.
pub async fn full(stage: &Stage) -> Verdict {
    let fs = stage.fs("all").await?;
    let root = fs.root("/").await?;
    root.replace("before", b"it was here before").await?;
    root.sync().await?;
    let before = fs.space().await?;
    let file = root.create("glutton").await?;
    let buffer = fs.buffer(8).await?;
    let mut len = 0;
    let last = loop {
        match file.write_from(len, &buffer, 0, buffer.len()).await {
            Ok(()) => len += u64::from(buffer.len()),
            Err(error) => break error,
        }
    };
    refused::<()>(Err(last), Reason::NoSpace)?;
    // What was written stays, and what was not is not half there.
    ensure!(file.stat().await?.len == len, "{}", file.stat().await?.len);
    // For a directory a block may be left.
    match root.create_dir("no-room").await {
        Ok(()) => root.remove_dir("no-room").await?,
        refusal => refused(refusal, Reason::NoSpace)?,
    }
    ensure!(root.read("before").await? == b"it was here before");
    file.set_len(len / 2).await?;
    root.replace("after", b"there is room again").await?;
    root.remove_file("glutton").await?;
    root.remove_file("after").await?;
    root.remove_file("before").await?;
    drop(file);
    userland::task::yield_now().await;
    root.sync().await?;
    let after = fs.space().await?;
    // The directory may have become longer.
    ensure!(
        after.free_blocks + 2 >= before.free_blocks,
        "{after:?} where there was {before:?}"
    );
    Ok(())
}
