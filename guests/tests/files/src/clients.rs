// SPDX-License-Identifier: BSD-2-Clause
//! Several clients, honest and hostile, that come and go; and an fs guest that does.

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};
use core::time::Duration;

use atoll_abi::fs::{
    Answer, Buffer, Create, MAX_MESSAGE, Node, Path, Place, Request, Rights as FileRights, VERSION,
};
use drill::{Fault, Verdict, ensure};
use files::{Numbers, bytes};
use userland::{
    Rights,
    exit::ExitCode,
    fs::{Fs, OpenOptions},
    handle::{Capability as _, Terms},
    rpc,
    shm::Region,
    start::Start,
    time::{sleep, timeout},
};

use crate::stage::{PATIENCE, Stage, anew, kill, succeeds};

const DONE: ExitCode = ExitCode::SUCCESS;

/// Clients that work at the same time do not notice each other.
pub async fn many_clients(stage: &Stage) -> Verdict {
    let mut children = Vec::new();
    for number in 0..4 {
        let name = format!("client-{number}");
        children.push(stage.child(&name, &["client", &format!("{number}")])?);
    }
    for child in children {
        succeeds(child).await?;
    }
    Ok(())
}

/// Works on files of its own, and looks at what is in them.
pub async fn client(seed: u32) -> Result<ExitCode, Fault> {
    let fs = Fs::open("all").await?;
    let root = fs.root("/").await?;
    let name = format!("client-{seed}");
    root.create_dir(&name).await?;
    let dir = root.open_dir(&name, FileRights::ALL).await?;
    let mut numbers = Numbers::new(seed.into());
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for _ in 0..150 {
        let path = format!("{}", numbers.below(6));
        match numbers.below(4) {
            0 if model.contains_key(&path) => {
                dir.remove_file(&path).await?;
                model.remove(&path);
            }
            1 => {
                let read = dir.read(&path).await.ok();
                ensure!(read.as_ref() == model.get(&path), "{name}/{path}");
            }
            _ => {
                let data = bytes(numbers.next(), numbers.below(30_000));
                let file = dir.create(&path).await?;
                file.write_at(0, &data).await?;
                if numbers.below(8) == 0 {
                    file.sync().await?;
                }
                model.insert(path, data);
            }
        }
    }
    for (path, data) in &model {
        ensure!(dir.read(path).await? == *data, "{name}/{path} at the end");
        dir.remove_file(path).await?;
    }
    root.remove_dir(&name).await?;
    Ok(DONE)
}

/// A client that ends while the disk reads into its memory is the only one to notice.
pub async fn killed_while_reading(stage: &Stage) -> Verdict {
    let fs = stage.fs("all").await?;
    let root = fs.root("/").await?;
    let mut numbers = Numbers::new(5);
    for round in 0..15 {
        let child = stage.child("reader", &["reader"])?;
        sleep(Duration::from_micros(
            (20_000 + numbers.below(60_000)).into(),
        ))
        .await;
        kill(child).await?;
        let path = format!("kept-{round}");
        root.replace(&path, &bytes(round, 10_000)).await?;
        ensure!(root.read(&path).await? == bytes(round, 10_000), "{path}");
        root.remove_file(&path).await?;
    }
    Ok(())
}

/// Reads for ever, as much as it can.
pub async fn reader() -> Result<ExitCode, Fault> {
    let fs = Fs::open("all").await?;
    let file = fs.root("/").await?.open("host/long").await?;
    let buffer = fs.buffer(8).await?;
    loop {
        file.read_into(0, &buffer, 0, buffer.len()).await?;
    }
}

/// Clients that ask for anything, out of their mind, harm nobody else.
pub async fn hostile_clients(stage: &Stage) -> Verdict {
    let root = stage.root("all", "/").await?;
    root.replace("witness", &bytes(3, 5000)).await?;
    for seed in 0..4 {
        let child = stage.child("rubbish", &["rubbish", &format!("{seed}")])?;
        succeeds(child).await?;
        ensure!(root.read("witness").await? == bytes(3, 5000));
    }
    Ok(root.remove_file("witness").await?)
}

/// Makes requests of all kinds, with numbers of all kinds, below a directory of its own.
pub async fn rubbish(seed: u32, start: &Start) -> Result<ExitCode, Fault> {
    let door = start
        .region("all")
        .ok_or_else(|| Fault::new("there is no door"))?;
    let options = rpc::Options::named("rubbish").longest(MAX_MESSAGE);
    let client = rpc::Client::<Request, Answer>::connect(&door, options).await?;
    let mut numbers = Numbers::new(u64::from(seed) + 77);
    let region = Region::alloc(1)?;
    let hello = client.call(&Request::Hello { version: VERSION }).await?;
    ensure!(hello.is_ok());
    let _ = client.call(&Request::Root { index: 0 }).await?;
    for _ in 0..400 {
        let request = request(&mut numbers, &region)?;
        let answer = timeout(PATIENCE, client.call(&request)).await;
        let answer = answer.map_err(|_| Fault::new(format_args!("no answer to {request:?}")))?;
        // Whatever it is, it is one.
        let _ = answer?;
    }
    Ok(DONE)
}

fn request(numbers: &mut Numbers, region: &Region) -> Verdict<Request> {
    let node = Node(match numbers.below(4) {
        0 => 0,
        1 => numbers.below(6),
        2 => u32::MAX,
        _ => numbers.next(),
    });
    let buffer = Buffer(numbers.below(3));
    let at = numbers.next() >> numbers.below(32);
    let len = numbers.next() >> numbers.below(32);
    let place = Place { buffer, at, len };
    let offset = u64::from(numbers.next()) << numbers.below(33);
    let mut path = || {
        let parts = [
            "rubbish",
            "rubbish/a",
            "rubbish/b",
            "rubbish/../rubbish/a",
            "..",
            "/",
            "",
            "rubbish/\0",
            "rubbish/a/b",
            "rubbish/./b",
            "host/hello/x",
            "\u{10ffff}",
        ];
        let index = numbers.below(parts.len() as u32) as usize;
        Path {
            at: node,
            path: parts[index].into(),
        }
    };
    let (what, to) = (path(), path());
    // Only below its own directory: what others have there is to stay.
    let is_own = |path: &Path| path.path.starts_with("rubbish");
    Ok(match numbers.below(18) {
        0 => Request::Hello {
            version: numbers.below(3),
        },
        1 => Request::Root {
            index: numbers.below(4),
        },
        2 => Request::Attach {
            token: match numbers.below(2) {
                0 => region.share(Terms::once(Rights::READ_WRITE))?.to_bytes(),
                _ => [numbers.next() as u8; 16],
            },
        },
        3 => Request::Detach { buffer },
        4..=6 if is_own(&what) => Request::Open {
            what,
            create: Create::IfMissing,
            truncate: numbers.below(2) == 0,
            rights: FileRights::ALL,
        },
        7 => Request::Close { node },
        8 => Request::Read {
            node,
            offset,
            to: place,
        },
        9 => Request::Write {
            node,
            offset: (numbers.below(2) == 0).then_some(offset),
            from: place,
        },
        10 => Request::Resize { node, len: offset },
        11 => Request::List {
            node,
            from: offset,
            to: place,
        },
        12 if is_own(&what) => Request::CreateDirectory { what },
        13 if is_own(&what) => Request::Remove {
            what,
            directory: numbers.below(2) == 0,
        },
        14 if is_own(&what) && is_own(&to) => Request::Rename { from: what, to },
        15 if is_own(&what) && is_own(&to) => Request::Link { from: what, to },
        16 if is_own(&what) => Request::CreateSymlink {
            what,
            target: to.path,
        },
        _ => Request::StatAt { what, follow: true },
    })
}

/// When the fs guest is killed and started again, clients go on: what was synced is there, what is open stays open.
pub async fn restart(stage: &Stage) -> Verdict {
    let fs = stage.fs("all").await?;
    let root = fs.root("/").await?;
    root.create_dir("again").await?;
    let dir = root.open_dir("again", FileRights::ALL).await?;
    let file = OpenOptions::new()
        .read()
        .write()
        .create()
        .open(&dir, "file")
        .await?;
    let buffer = fs.buffer(1).await?;
    for round in 0..5_u32 {
        let data = bytes(round, 20_000);
        file.write_at(0, &data).await?;
        file.sync().await?;
        stage.kill_fs().await?;
        stage.start_fs()?;
        let read = anew(|| async {
            let mut read = alloc::vec![0; 20_000];
            let len = file.read_at(0, &mut read).await?;
            read.truncate(len);
            Ok(read)
        });
        ensure!(read.await? == data, "round {round}");
        let len = file.read_into(0, &buffer, 0, 4096).await?;
        ensure!(len == 4096, "{len} bytes");
    }
    // One that is another file by then is not taken for it.
    dir.remove_file("file").await?;
    dir.create("file").await?.sync().await?;
    stage.kill_fs().await?;
    stage.start_fs()?;
    let gone = anew(|| file.stat()).await;
    ensure!(gone == Err(userland::fs::Error::Gone), "{gone:?}");
    dir.remove_file("file").await?;
    Ok(root.remove_dir("again").await?)
}

/// Killed at any moment, the fs guest leaves a file system that another one mounts, with all that was synced.
pub async fn killed_while_writing(stage: &Stage) -> Verdict {
    let mut numbers = Numbers::new(99);
    for round in 0..8 {
        let fs = stage.fs("all").await?;
        let root = fs.root("/").await?;
        root.replace("sure", &bytes(round, 9000)).await?;
        let busy = userland::task::spawn(async move {
            for number in 0.. {
                let file = root.create(&format!("busy-{}", number % 5)).await?;
                file.write_at(0, &bytes(number, 30_000)).await?;
                if number % 3 == 0 {
                    file.sync().await?;
                }
            }
            Ok::<_, userland::fs::Error>(())
        });
        sleep(Duration::from_micros(
            (5_000 + numbers.below(40_000)).into(),
        ))
        .await;
        stage.kill_fs().await?;
        busy.cancel();
        stage.start_fs()?;
        let root = stage.root("all", "/").await?;
        ensure!(
            root.read("sure").await? == bytes(round, 9000),
            "round {round}"
        );
        for number in 0..5 {
            let _ = root.remove_file(&format!("busy-{number}")).await;
        }
    }
    let root = stage.root("all", "/").await?;
    Ok(root.remove_file("sure").await?)
}
