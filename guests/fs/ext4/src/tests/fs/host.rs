// SPDX-License-Identifier: BSD-2-Clause
//! What others have made is read, changed, and still theirs: directories with an index, files in pieces, files of before
//! there were extents, attributes, and what debugfs makes of them.

use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::ops::ControlFlow;
use std::{
    fs,
    io::{Seek, SeekFrom, Write},
    os::unix::fs::symlink,
    path::PathBuf,
};

use crate::{
    Error, FileSystem, Ino, Kind, New, Options,
    tests::{
        disk::{Dice, FaultyDisk},
        fs::{Rig, VARIANTS, dumped},
        tools::{Image, assert_clean, mke2fs},
    },
};

/// A folder of the host that is gone with this.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        let path = PathBuf::from(format!("{}.d", Image::of(&[]).path()));
        fs::create_dir(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut dice = Dice::new(seed);
    (0..len).map(|_| dice.roll() as u8).collect()
}

/// A folder with something of each kind, and an image that mke2fs has made of it.
pub(super) fn populated(options: &str, kilobytes: u64, many: usize) -> Vec<u8> {
    let folder = Folder::new();
    let at = |name: &str| folder.0.join(name);
    fs::write(at("plain"), noise(123_456, 1)).unwrap();
    fs::write(at("empty"), b"").unwrap();
    let mut sparse = fs::File::create(at("sparse")).unwrap();
    for place in [5_000, 700_000, 3_000_000, 70_000_000] {
        sparse.seek(SeekFrom::Start(place)).unwrap();
        sparse.write_all(&noise(3_000, place)).unwrap();
    }
    sparse.set_len(90_000_001).unwrap();
    symlink("short", at("link")).unwrap();
    symlink("x".repeat(500), at("long-link")).unwrap();
    fs::create_dir(at("many")).unwrap();
    for number in 0..many {
        let name = format!("many/a-rather-long-name-of-a-file-{number}");
        fs::write(at(&name), if number % 100 == 0 { "x" } else { "" }).unwrap();
    }
    fs::create_dir_all(at("deep/in/here")).unwrap();
    fs::write(at("deep/in/here/file"), "deep").unwrap();
    let file = Image::of(&mke2fs(
        &format!(
            "{options} -N {} -d {}",
            many + 200,
            folder.0.to_str().unwrap()
        ),
        kilobytes,
    ));
    // mke2fs makes an index only when it is asked to.
    let (status, said) = file.run("e2fsck", &["-fyD"]);
    assert!(status <= 1, "{said}");
    file.bytes()
}

fn check_populated(rig: &mut Rig, many: usize) {
    let plain = rig.at("plain").unwrap();
    assert_eq!(rig.contents(plain).unwrap(), noise(123_456, 1));
    let empty = rig.at("empty").unwrap();
    assert_eq!(rig.contents(empty).unwrap(), b"");
    let sparse = rig.at("sparse").unwrap();
    assert_eq!(rig.fs.stat(sparse).unwrap().size, 90_000_001);
    let mut bytes = vec![7; 90_000_001];
    assert_eq!(rig.fs.read_bytes(sparse, 0, &mut bytes), Ok(90_000_001));
    let mut same = vec![0; 90_000_001];
    for place in [5_000, 700_000, 3_000_000, 70_000_000] {
        same[place..place + 3_000].copy_from_slice(&noise(3_000, place as u64));
    }
    assert!(bytes == same);
    let link = rig.at("link").unwrap();
    assert_eq!(rig.fs.read_link(link).unwrap(), b"short");
    let link = rig.at("long-link").unwrap();
    assert_eq!(rig.fs.read_link(link).unwrap(), [b'x'; 500]);
    let dir = rig.at("many").unwrap();
    assert_eq!(rig.names(dir).unwrap().len(), many);
    let file = rig.at("deep/in/here/file").unwrap();
    assert_eq!(rig.contents(file).unwrap(), b"deep");
}

#[test]
fn what_others_made_is_read_and_changed() {
    for (options, size) in VARIANTS {
        let many = if options.contains("1024") { 3000 } else { 1000 };
        let image = populated(options, size, many);
        let mut rig = Rig::new(image.clone());
        check_populated(&mut rig, many);
        let dir = rig.at("many").unwrap();
        let has_index = |image: &[u8]| {
            let (_, said) = Image::of(image).run("debugfs", &["-R", "stat many"]);
            said.contains("Flags: 0x81000") || said.contains("Flags: 0x1000")
        };
        assert!(has_index(&image), "{options}");

        // Some go, more come.
        for number in (0..many).step_by(3) {
            let name = format!("a-rather-long-name-of-a-file-{number}");
            rig.fs.unlink(dir, name.as_bytes()).unwrap();
        }
        for number in 0..many / 3 {
            let name = format!("new-{number}");
            rig.fs.create(dir, name.as_bytes(), New::File).unwrap();
        }
        assert_eq!(
            rig.names(dir).unwrap().len(),
            many - many.div_ceil(3) + many / 3
        );
        let sparse = rig.at("sparse").unwrap();
        rig.fs
            .write_bytes(sparse, 1_000_000, &noise(100_000, 9))
            .unwrap();
        rig.fs.truncate(sparse, 2_000_000).unwrap();
        let plain = rig.at("plain").unwrap();
        let root = rig.fs.root();
        rig.fs
            .write_bytes(plain, 100_000, &noise(50_000, 2))
            .unwrap();
        rig.fs.rename(root, b"deep", dir, b"deep").unwrap();
        let image = rig.check();
        assert!(!has_index(&image), "{options}");
        let mut same = noise(100_000, 1);
        same.extend(noise(50_000, 2));
        assert!(dumped(&image, "/plain") == same);
        let mut same = vec![0; 2_000_000];
        for place in [5_000, 700_000] {
            same[place..place + 3_000].copy_from_slice(&noise(3_000, place as u64));
        }
        same[1_000_000..1_100_000].copy_from_slice(&noise(100_000, 9));
        assert!(dumped(&image, "/sparse") == same);
        assert_eq!(dumped(&image, "/many/deep/in/here/file"), b"deep");
        for name in ["plain", "empty", "sparse", "link", "long-link"] {
            rig.fs.unlink(root, name.as_bytes()).unwrap();
        }
        rig.check();
    }
}

#[test]
fn files_of_before_there_were_extents() {
    for options in [
        "-b 1024 -O ^extent,^64bit",
        "-b 4096 -O ^extent,^64bit,^metadata_csum",
    ] {
        let image = Image::of(&populated(options, 64 * 1024, 300));
        let mut rig = Rig::new(image.bytes());
        assert!(rig.fs.is_read_only());
        check_populated(&mut rig, 300);
        let (status, said) = image.run("tune2fs", &["-O", "extent"]);
        assert_eq!(status, 0, "{said}");
        let mut rig = Rig::new(image.bytes());
        check_populated(&mut rig, 300);
        let (plain, sparse) = (rig.at("plain").unwrap(), rig.at("sparse").unwrap());
        let many = rig.at("many").unwrap();
        rig.fs.write_bytes(plain, 60_000, b"something").unwrap();
        rig.fs
            .write_bytes(sparse, 2_000_000, &noise(5_000, 4))
            .unwrap();
        for number in 0..100 {
            rig.fs
                .create(many, format!("{number:0200}").as_bytes(), New::File)
                .unwrap();
        }
        let image = rig.check();
        let mut same = noise(123_456, 1);
        same[60_000..60_009].copy_from_slice(b"something");
        assert!(dumped(&image, "/plain") == same);
        assert!(dumped(&image, "/sparse")[2_000_000..2_005_000] == noise(5_000, 4));
        // As they are, without having been changed before.
        let mut rig = Rig::new(populated(options, 64 * 1024, 10));
        let root = rig.fs.root();
        assert_eq!(rig.fs.unlink(root, b"plain"), Err(Error::ReadOnly));
        let image = Image::of(&rig.disk.image());
        image.run("tune2fs", &["-O", "extent"]);
        let mut rig = Rig::new(image.bytes());
        rig.fs.unlink(root, b"plain").unwrap();
        rig.fs.unlink(root, b"sparse").unwrap();
        rig.check();
    }
}

/// A file system with a file of many extents, every second block of it.
fn in_pieces(options: &str, kilobytes: u64, count: u32) -> (Rig, Ino) {
    let mut rig = Rig::new(mke2fs(options, kilobytes));
    let root = rig.fs.root();
    let file = rig.fs.create(root, b"pieces", New::File).unwrap();
    let block = rig.fs.block_size();
    // Not from the first to the last, so that leaves are split in their middle, too.
    for step in 0..count {
        let place = (step.wrapping_mul(7919) % count) * 2;
        let bytes = place.to_le_bytes();
        rig.fs
            .write_bytes(file, u64::from(place) * u64::from(block), &bytes)
            .unwrap();
    }
    (rig, file)
}

#[test]
fn deep_trees_grow_and_shrink() {
    for (options, size, count) in [
        ("-b 1024 -N 32 -J size=4", 16 * 1024, 5_003),
        (
            "-b 1024 -N 32 -J size=1 -O ^metadata_csum,^64bit",
            16 * 1024,
            5_003,
        ),
        ("-b 4096 -N 32", 64 * 1024, 6_007),
    ] {
        let (mut rig, file) = in_pieces(options, size, count);
        let block = u64::from(rig.fs.block_size());
        let check = |rig: &mut Rig, places: core::ops::Range<u32>| {
            for place in places {
                let mut bytes = [0xff; 8];
                rig.fs
                    .read_bytes(file, u64::from(place) * block, &mut bytes)
                    .unwrap();
                let should = if place % 2 == 0 { place } else { 0 };
                assert_eq!(bytes[..4], should.to_le_bytes(), "{place}");
            }
        };
        check(&mut rig, 0..2 * count - 2);
        rig.check();
        // Holes become full: extents join.
        let half = u64::from(count) * block;
        let mut bytes = vec![0; half as usize];
        rig.fs.read_bytes(file, 0, &mut bytes).unwrap();
        for (number, some) in bytes.chunks(block as usize).enumerate().take(1500) {
            rig.fs
                .write_bytes(file, number as u64 * block, some)
                .unwrap();
        }
        rig.check();
        rig.fs.write_bytes(file, 0, &bytes).unwrap();
        check(&mut rig, 0..2 * count - 2);
        rig.check();
        for end in [2 * count - 100, count, 1000, 20, 3] {
            rig.fs.truncate(file, u64::from(end) * block).unwrap();
            check(&mut rig, 0..end);
            rig.check();
        }
        let root = rig.fs.root();
        rig.fs.unlink(root, b"pieces").unwrap();
        rig.check();
    }
}

#[test]
fn what_does_not_fit_a_transaction_is_freed_in_several() {
    // More groups than the smallest journal has blocks, and a file in all of them.
    let options = "-b 1024 -g 256 -N 2048 -J size=1 -O ^resize_inode,^64bit";
    let image = Image::of(&mke2fs(options, 360 * 1024));
    let first = Image::of(b"first");
    image.debugfs(&format!(
        "write {} a\nfallocate a 0 300000\nsif a size 307200000\n",
        first.path()
    ));
    let image = image.bytes();
    let mut rig = Rig::new(image.clone());
    let a = rig.at("a").unwrap();
    let first = rig.fs.volume.store.transaction();
    rig.fs.truncate(a, 3_000_000).unwrap();
    assert!(rig.fs.volume.store.transaction() > first);
    rig.fs.write_bytes(a, 300_000_000, b"behind").unwrap();
    for place in [5, 3_000_000, 31_000_000, 299_999_000] {
        let mut bytes = [1; 64];
        rig.fs.read_bytes(a, place, &mut bytes).unwrap();
        assert_eq!(bytes, [0; 64]);
    }
    rig.check();

    let mut rig = Rig::new(image);
    let (root, a) = (rig.fs.root(), rig.at("a").unwrap());
    let before = rig.fs.space().unwrap().free_blocks;
    rig.fs.hold(a).unwrap();
    rig.fs.unlink(root, b"a").unwrap();
    let first = rig.fs.volume.store.transaction();
    rig.fs.release(a).unwrap();
    assert!(rig.fs.volume.store.transaction() > first);
    assert_eq!(rig.fs.stat(a), Err(Error::Stale));
    rig.check();
    assert!(rig.fs.space().unwrap().free_blocks >= before + 300_000);
}

#[test]
fn unwritten_blocks_are_zeros_until_they_are_written() {
    for options in ["-b 1024", "-b 4096"] {
        let image = Image::of(&mke2fs(options, 16 * 1024));
        let first = Image::of(b"first");
        let said = image.debugfs(&format!(
            "write {} file\nfallocate file 0 200\nsif file size 150000",
            first.path(),
        ));
        let mut rig = Rig::new(image.bytes());
        let file = rig.at("file").unwrap();
        let mut same = vec![0; 150_000];
        same[..5].copy_from_slice(b"first");
        assert!(rig.contents(file).unwrap() == same, "{said}");
        for (place, len) in [(10_000, 10), (50_001, 9_000), (49_152, 8_192), (140_000, 1)] {
            rig.fs
                .write_bytes(file, place as u64, &noise(len, 5))
                .unwrap();
            same[place..place + len].copy_from_slice(&noise(len, 5));
            assert!(rig.contents(file).unwrap() == same);
        }
        let image = rig.check();
        assert!(dumped(&image, "/file") == same);
        rig.fs.truncate(file, 55_000).unwrap();
        rig.fs.truncate(file, 160_000).unwrap();
        same.truncate(55_000);
        same.resize(160_000, 0);
        assert!(rig.contents(file).unwrap() == same);
        rig.check();
    }
}

#[test]
fn attributes_go_with_the_last_who_has_them() {
    for options in ["-b 1024 -I 128 -O ^64bit", "-b 1024 -O ^metadata_csum"] {
        let image = Image::of(&mke2fs(options, 16 * 1024));
        let value = "v".repeat(400);
        let contents = Image::of(b"contents");
        let mut commands = String::new();
        for name in ["a", "b", "c"] {
            commands += &format!("write {} {name}\n", contents.path());
            commands += &format!("ea_set {name} user.long {value}\n");
        }
        image.debugfs(&commands);
        let acl = |name: &str| -> u64 {
            let said = image.run("debugfs", &["-R", &format!("stat {name}")]).1;
            let at = said.find("File ACL: ").unwrap() + 10;
            said[at..]
                .split_whitespace()
                .next()
                .unwrap()
                .parse()
                .unwrap()
        };
        let shared = acl("a");
        assert!(shared > 0);
        if options.contains("^metadata_csum") {
            // Two have the same block, as Linux lets them.
            image.debugfs(&format!("freeb {}\nsif b file_acl {shared}", acl("b")));
            let mut bytes = image.bytes();
            bytes[shared as usize * 1024 + 4] = 2;
            fs::write(image.path(), bytes).unwrap();
            // The block that nobody has is missing in the numbers.
            image.run("e2fsck", &["-fy"]);
        }
        let bytes = image.bytes();
        assert_clean(&bytes);
        let mut rig = Rig::new(bytes);
        let root = rig.fs.root();
        for name in [b"a", b"b", b"c"] {
            rig.fs.unlink(root, name).unwrap();
            rig.check();
        }
    }
}

#[test]
fn who_cannot_be_changed_is_not() {
    let image = Image::of(&mke2fs("-b 1024", 16 * 1024));
    let contents = Image::of(b"contents");
    let write = |name: &str| format!("write {} {name}\n", contents.path());
    // 0x80000: it has extents.
    let flags =
        "sif fixed flags 0x80010\nsif grows flags 0x80020\nsif dir flags 0x80010\nmknod pipe p\n";
    image.debugfs(&(write("fixed") + &write("grows") + "mkdir dir\n" + &write("dir/file") + flags));
    let mut rig = Rig::new(image.bytes());
    let root = rig.fs.root();
    let [fixed, grows, dir] = ["fixed", "grows", "dir"].map(|name| rig.at(name).unwrap());
    assert_eq!(rig.fs.write_bytes(fixed, 0, b"x"), Err(Error::ReadOnly));
    assert_eq!(rig.fs.truncate(fixed, 0), Err(Error::ReadOnly));
    assert_eq!(rig.fs.link(fixed, root, b"more"), Err(Error::ReadOnly));
    assert_eq!(rig.fs.unlink(root, b"fixed"), Err(Error::ReadOnly));
    assert_eq!(
        rig.fs.rename(root, b"fixed", root, b"more"),
        Err(Error::ReadOnly)
    );
    assert_eq!(rig.fs.write_bytes(grows, 7, b"x"), Err(Error::ReadOnly));
    assert_eq!(rig.fs.write_bytes(grows, 8, b"x"), Ok(1));
    assert_eq!(rig.fs.truncate(grows, 3), Err(Error::ReadOnly));
    assert_eq!(rig.fs.create(dir, b"new", New::File), Err(Error::ReadOnly));
    assert_eq!(rig.fs.unlink(dir, b"file"), Err(Error::ReadOnly));
    let (pipe, kind) = rig.fs.lookup(root, b"pipe").unwrap();
    assert_eq!(kind, Kind::Other);
    assert_eq!(rig.fs.stat(pipe).unwrap().kind, Kind::Other);
    assert_eq!(
        rig.fs.read_bytes(pipe, 0, &mut [0; 5]),
        Err(Error::WrongKind)
    );
    assert_eq!(rig.fs.write_bytes(pipe, 0, b"x"), Err(Error::WrongKind));
    rig.check();
    rig.fs.rename(root, b"pipe", root, b"fifo").unwrap();
    rig.fs.unlink(root, b"fifo").unwrap();
    rig.check();
}

#[test]
fn a_disk_that_takes_no_writes_gets_none() {
    let disk = FaultyDisk::new(populated("-b 1024", 32 * 1024, 500));
    disk.set_read_only(true);
    let mut rig = Rig::mount(disk).unwrap();
    assert!(rig.fs.is_read_only());
    check_populated(&mut rig, 500);
    let (root, plain) = (rig.fs.root(), rig.at("plain").unwrap());
    assert_eq!(rig.fs.create(root, b"x", New::File), Err(Error::ReadOnly));
    assert_eq!(rig.fs.write_bytes(plain, 0, b"x"), Err(Error::ReadOnly));
    rig.fs.hold(plain).unwrap();
    rig.fs.release(plain).unwrap();
    rig.fs.settle().unwrap();
    assert_eq!(rig.fs.unmount().1, Ok(()));
}

#[test]
fn a_directory_is_read_in_pieces_by_many() {
    let image = populated("-b 1024", 32 * 1024, 2000);
    let options = Options::default();
    let mut fs = FileSystem::mount(FaultyDisk::new(image), options).unwrap();
    let root = fs.root();
    let dir = fs.lookup(root, b"many").unwrap().0;
    let mut seen = BTreeMap::new();
    let mut next = 0;
    let mut number = 0;
    loop {
        let before = seen.len();
        fs.entries(dir, next, &mut |entry| {
            let name = String::from_utf8(entry.name.to_vec()).unwrap();
            assert!(seen.insert(name, entry.ino).is_none());
            next = entry.next;
            if seen.len() % 7 == 0 {
                ControlFlow::Break(())
            } else {
                ControlFlow::Continue(())
            }
        })
        .unwrap();
        if seen.len() == before {
            break;
        }
        // Those that were seen go, and others come in their places.
        let last = seen.keys().next_back().unwrap().to_string();
        if fs.unlink(dir, last.as_bytes()).is_ok() {
            fs.create(dir, format!("{number:050}").as_bytes(), New::File)
                .unwrap();
            number += 1;
        }
    }
    let old = seen.keys().filter(|name| name.starts_with('a')).count();
    assert_eq!(old, 2000);
}
