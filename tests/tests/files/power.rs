// SPDX-License-Identifier: BSD-2-Clause
//! Power that goes. A guest works on files, while everything that the machine writes to its disk is recorded. Then, for
//! each write, the disk is made as it would be had the power gone right there: with what was flushed, and any
//! of the rest.

use std::collections::BTreeSet;
use std::fs;

use files::{DIRECTORIES, Numbers, PROGRESS, World};
use fs_ext4::{Disk as _, FileSystem, Ino, Options, ram::RamDisk};
use system_tests::disks::{
    Disk, Record, Step, check_file_system, make_file_system, replay_journal,
};
use system_tests::machine::SECONDS;
use system_tests::scratch::Scratch;

use crate::{boot, plays};

const SEED: u32 = 3;
const STEPS: u32 = 150;
/// Ways in which what was not flushed survives, for each cut: none, all, and others.
const SURVIVORS: u32 = 4;
/// Cuts that are also put before the host's own tools: every so many.
const SAMPLE: usize = 29;

#[test]
fn power_may_go_at_every_write() {
    let scratch = Scratch::new();
    let tree = scratch.path("tree");
    for number in 0..DIRECTORIES {
        fs::create_dir_all(tree.join(format!("d{number}"))).unwrap();
    }
    for directory in ["pub", "box"] {
        fs::create_dir_all(tree.join(directory)).unwrap();
    }
    let disk = scratch.path("disk.img");
    make_file_system(
        &disk,
        "8M",
        &["-b", "4096", "-d", &tree.display().to_string()],
    );
    let before = fs::read(&disk).unwrap();
    let log = scratch.path("writes");
    let recorded = Disk::from(disk).recorded(&log).unwrap();
    let machine = boot(&scratch, recorded, plays(&format!("work {SEED} {STEPS}")));
    machine.expect(&format!("files: {STEPS} steps are durable"), SECONDS);
    machine.end();
    let record = Record::read(&log).unwrap();
    let flushes = record.0.iter().filter(|step| **step == Step::Flush).count();
    println!("{} writes, {flushes} flushes", record.writes());
    assert!(record.writes() > 500 && flushes > 100);

    // What has to be there behind each step.
    let mut world = World::new(SEED);
    let mut worlds = vec![world.clone()];
    let mut touched: Vec<BTreeSet<String>> = vec![BTreeSet::new()];
    for _ in 0..STEPS {
        let step = world.step();
        touched.push(step.paths().into_iter().map(str::to_owned).collect());
        worlds.push(world.clone());
    }

    let mut numbers = Numbers::new(17);
    let (mut cuts, mut most) = (0_usize, 0);
    for at in 1..=record.0.len() {
        if !matches!(record.0[at - 1], Step::Write { .. }) {
            continue;
        }
        for way in 0..SURVIVORS {
            let image = record.cut(&before, at, || match way {
                0 => false,
                1 => true,
                _ => numbers.below(way) == 0,
            });
            cuts += 1;
            if cuts % SAMPLE == 0 {
                // The superblock has two sectors. With one of them written, we know what it was, and e2fsck does not.
                let is_whole = way < 2;
                let path = match is_whole {
                    true => scratch.write("cut.img", &image),
                    false => scratch.write("cut.img", settle(image.clone())),
                };
                if is_whole {
                    replay_journal(&path);
                }
                check_file_system(&path);
            }
            let durable = look(image, &worlds, &touched)
                .unwrap_or_else(|what| panic!("after step {at} of the disk, way {way}: {what}"));
            most = most.max(durable);
        }
    }
    println!("{cuts} cuts");
    assert_eq!(most, STEPS, "the last cut is behind the last step");
}

/// What a mount makes of a disk.
fn settle(image: Vec<u8>) -> Vec<u8> {
    let fs = FileSystem::mount(RamDisk(image), Options::default());
    let (disk, settled) = fs.expect("it mounts").unmount();
    settled.expect("there is room");
    disk.0
}

/// Whether a disk is as it may be; answers how many steps are durable there.
fn look(image: Vec<u8>, worlds: &[World], touched: &[BTreeSet<String>]) -> Result<u32, String> {
    let disk = RamDisk(image);
    let mut fs =
        FileSystem::mount(disk, Options::default()).map_err(|error| format!("{error:?}"))?;
    let durable = match read(&mut fs, PROGRESS)? {
        Some(text) => String::from_utf8_lossy(&text)
            .parse::<u32>()
            .map_err(|_| format!("progress is {text:?}"))?,
        None => 0,
    };
    let world = &worlds[durable as usize];
    // Until the next time that it says so, not more than these steps can have been done.
    let end = worlds.len().min(durable as usize + 1 + 3);
    let later: BTreeSet<_> = touched[durable as usize + 1..end]
        .iter()
        .flatten()
        .collect();
    for (path, contents) in &world.files {
        if later.contains(path) {
            continue;
        }
        match read(&mut fs, path)? {
            Some(found) if found == *contents => {}
            Some(found) => {
                return Err(format!(
                    "{path} is durable since step {durable}: {} bytes, and now {}",
                    contents.len(),
                    found.len()
                ));
            }
            None => return Err(format!("{path} is durable since step {durable}, and gone")),
        }
    }
    for number in 0..DIRECTORIES {
        let directory = format!("d{number}");
        for name in names(&mut fs, &directory)? {
            let path = format!("{directory}/{name}");
            if !world.files.contains_key(&path) && !later.contains(&path) {
                return Err(format!("{path} is not to be there, behind step {durable}"));
            }
            // Whatever it is, it can be read.
            read(&mut fs, &path)?;
        }
    }
    Ok(durable)
}

fn find(fs: &mut FileSystem<RamDisk>, path: &str) -> Result<Option<Ino>, String> {
    let mut at = fs.root();
    for part in path.split('/') {
        match fs.lookup(at, part.as_bytes()) {
            Ok((ino, _)) => at = ino,
            Err(fs_ext4::Error::NotFound) => return Ok(None),
            Err(error) => return Err(format!("{path}: {error:?}")),
        }
    }
    Ok(Some(at))
}

fn read(fs: &mut FileSystem<RamDisk>, path: &str) -> Result<Option<Vec<u8>>, String> {
    let said = |error: fs_ext4::Error| format!("{path}: {error:?}");
    let Some(ino) = find(fs, path)? else {
        return Ok(None);
    };
    let size = fs.stat(ino).map_err(said)?.size;
    let most = fs.disk().sectors() * 512;
    if size > most {
        return Err(format!("{path}: {size} bytes"));
    }
    let mut bytes = vec![0; size as usize];
    let len = fs.read_bytes(ino, 0, &mut bytes).map_err(said)?;
    bytes.truncate(len);
    Ok(Some(bytes))
}

fn names(fs: &mut FileSystem<RamDisk>, path: &str) -> Result<Vec<String>, String> {
    let ino = find(fs, path)?.ok_or_else(|| format!("{path} is gone"))?;
    let mut names = Vec::new();
    let listed = fs.entries(ino, 0, &mut |entry| {
        names.push(String::from_utf8_lossy(entry.name).into_owned());
        std::ops::ControlFlow::Continue(())
    });
    listed.map_err(|error| format!("{path}: {error:?}"))?;
    Ok(names)
}
