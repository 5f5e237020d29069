// SPDX-License-Identifier: BSD-2-Clause
//! Each operation, once.

use alloc::{format, vec, vec::Vec};

use crate::{
    Error, Kind, New,
    tests::{
        fs::{Rig, VARIANTS, dumped},
        tools::{Image, mke2fs},
    },
};

fn pattern(len: usize, seed: usize) -> Vec<u8> {
    (0..len)
        .map(|at| (at * 7 + at / 251 + seed) as u8 | 1)
        .collect()
}

#[test]
fn files_are_made_written_and_read_by_others() {
    for (options, size) in VARIANTS {
        let mut rig = Rig::new(mke2fs(options, size));
        let root = rig.fs.root();
        let dir = rig.fs.create(root, b"dir", New::Directory).unwrap();
        let file = rig.fs.create(dir, b"file", New::File).unwrap();
        let bytes = pattern(300_001, 3);
        assert_eq!(rig.fs.write_bytes(file, 5, &bytes), Ok(bytes.len()));
        let window = super::Window::new(bytes.clone());
        rig.fs.write(file, 1_000_000, &window, 17, 100_000).unwrap();
        let mut all = vec![0; 1_100_000];
        all[5..300_006].copy_from_slice(&bytes);
        all[1_000_000..].copy_from_slice(&bytes[17..100_017]);
        assert_eq!(rig.contents(file).unwrap(), all, "{options}");
        assert_eq!(rig.fs.lookup(root, b"dir"), Ok((dir, Kind::Directory)));
        assert_eq!(rig.fs.lookup(dir, b"none"), Err(Error::NotFound));
        let image = rig.check();
        assert_eq!(dumped(&image, "/dir/file"), all, "{options}");

        let mut rig = Rig::new(image);
        let file = rig.at("dir/file").unwrap();
        assert_eq!(rig.contents(file).unwrap(), all, "{options}");
        rig.fs.truncate(file, 70_001).unwrap();
        rig.fs.truncate(file, 200_000).unwrap();
        all.truncate(70_001);
        all.resize(200_000, 0);
        assert_eq!(rig.contents(file).unwrap(), all, "{options}");
        let image = rig.check();
        assert_eq!(dumped(&image, "/dir/file"), all, "{options}");
        let root = rig.fs.root();
        let dir = rig.at("dir").unwrap();
        assert_eq!(rig.fs.unlink(root, b"dir"), Err(Error::IsDirectory));
        assert_eq!(rig.fs.remove_dir(root, b"dir"), Err(Error::NotEmpty));
        rig.fs.unlink(dir, b"file").unwrap();
        assert_eq!(rig.fs.stat(file), Err(Error::Stale));
        rig.check();
        rig.fs.remove_dir(root, b"dir").unwrap();
        rig.check();
    }
}

#[test]
fn names_are_given_moved_and_taken_away() {
    for (options, size) in VARIANTS {
        let mut rig = Rig::new(mke2fs(options, size));
        let root = rig.fs.root();
        let a = rig.fs.create(root, b"a", New::Directory).unwrap();
        let b = rig.fs.create(root, b"b", New::Directory).unwrap();
        let inner = rig.fs.create(a, b"inner", New::Directory).unwrap();
        assert_eq!(rig.fs.stat(a).unwrap().links, 3);
        assert_eq!(
            rig.fs.rename(root, b"a", inner, b"x"),
            Err(Error::IntoItself)
        );
        assert_eq!(rig.fs.rename(root, b"a", a, b"x"), Err(Error::IntoItself));
        rig.fs.rename(a, b"inner", b, b"moved").unwrap();
        assert_eq!(
            (rig.fs.stat(a).unwrap().links, rig.fs.stat(b).unwrap().links),
            (2, 3)
        );
        let file = rig.fs.create(inner, b"f", New::File).unwrap();
        rig.fs.write_bytes(file, 0, b"one").unwrap();
        rig.fs.link(file, root, b"second").unwrap();
        assert_eq!(rig.fs.link(file, root, b"second"), Err(Error::Exists));
        assert_eq!(rig.fs.link(inner, root, b"third"), Err(Error::IsDirectory));
        assert_eq!(rig.fs.stat(file).unwrap().links, 2);
        rig.check();
        // The same file under both names: nothing.
        rig.fs.rename(root, b"second", inner, b"f").unwrap();
        assert_eq!(rig.fs.stat(file).unwrap().links, 2);
        let other = rig.fs.create(root, b"other", New::File).unwrap();
        rig.fs.write_bytes(other, 0, b"two").unwrap();
        rig.fs.rename(root, b"other", inner, b"f").unwrap();
        assert_eq!(rig.at("b/moved/f").unwrap(), other);
        assert_eq!(rig.contents(file).unwrap(), b"one");
        assert_eq!(
            rig.fs.rename(root, b"second", root, b"a"),
            Err(Error::IsDirectory)
        );
        assert_eq!(
            rig.fs.rename(root, b"a", root, b"second"),
            Err(Error::NotDirectory)
        );
        assert_eq!(rig.fs.rename(root, b"a", root, b"b"), Err(Error::NotEmpty));
        rig.fs.rename(b, b"moved", root, b"a").unwrap();
        assert_eq!(rig.fs.stat(a), Err(Error::Stale));
        let names = rig.names(root).unwrap();
        let names: Vec<_> = names.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["a", "b", "lost+found", "second"]);
        rig.check();
    }
}

#[test]
fn symbolic_links_are_short_and_long() {
    for (options, size) in VARIANTS {
        let mut rig = Rig::new(mke2fs(options, size));
        let root = rig.fs.root();
        let block = rig.fs.block_size() as usize;
        for len in [1, 59, 60, 255, block - 1] {
            let target = pattern(len, len);
            let name = format!("link{len}");
            let link = rig
                .fs
                .create(root, name.as_bytes(), New::Symlink(&target))
                .unwrap();
            assert_eq!(rig.fs.read_link(link).unwrap(), target);
            assert_eq!(rig.fs.stat(link).unwrap().kind, Kind::Symlink);
        }
        for bad in [&b""[..], b"a\0b", &pattern(block, 0)] {
            assert_eq!(
                rig.fs.create(root, b"bad", New::Symlink(bad)),
                Err(Error::BadName)
            );
        }
        let image = rig.check();
        let mut rig = Rig::new(image);
        for len in [1, 59, 60, 255, block - 1] {
            let link = rig.at(&format!("link{len}")).unwrap();
            assert_eq!(rig.fs.read_link(link).unwrap(), pattern(len, len));
            rig.fs
                .unlink(root, format!("link{len}").as_bytes())
                .unwrap();
        }
        rig.check();
    }
}

#[test]
fn who_is_held_outlives_its_names() {
    let mut rig = Rig::new(mke2fs("-b 1024", 16 * 1024));
    let root = rig.fs.root();
    let before = rig.fs.space().unwrap();
    let mut held = Vec::new();
    for name in [b"a", b"b", b"c"] {
        let file = rig.fs.create(root, name, New::File).unwrap();
        rig.fs.write_bytes(file, 0, &pattern(50_000, 1)).unwrap();
        rig.fs.hold(file).unwrap();
        rig.fs.unlink(root, name).unwrap();
        held.push(file);
    }
    rig.fs.write_bytes(held[1], 50_000, b"more").unwrap();
    assert_eq!(rig.fs.stat(held[1]).unwrap().size, 50_004);
    assert_eq!(rig.contents(held[1]).unwrap()[..50_000], pattern(50_000, 1));
    rig.fs.release(held[1]).unwrap();
    assert_eq!(rig.fs.stat(held[1]), Err(Error::Stale));
    rig.fs.release(held[2]).unwrap();
    assert_eq!(rig.fs.release(held[2]), Err(Error::Stale));
    rig.fs.sync().unwrap();
    // A crash: the last is freed by the next mount.
    let mut rig = Rig::mount(super::FaultyDisk::new(rig.disk.image())).unwrap();
    assert_eq!(rig.fs.space().unwrap(), before);
    rig.check();
}

#[test]
fn the_clock_goes_on_from_what_the_superblock_knows() {
    let image = mke2fs("-b 4096", 16 * 1024);
    let file = Image::of(&image);
    file.debugfs(
        "ssv wtime 202001010000\nssv mkfs_time 203001010000\nssv mtime 0\nssv lastcheck 0",
    );
    let mut rig = Rig::new(file.bytes());
    rig.fs.set_uptime(core::time::Duration::from_millis(1_500));
    let root = rig.fs.root();
    let file = rig.fs.create(root, b"a", New::File).unwrap();
    let stat = rig.fs.stat(file).unwrap();
    assert_eq!(stat.modified.nanoseconds, 500_000_000);
    assert_eq!(stat.modified.seconds, 1_893_456_001);
    rig.check();
}

/// How many blocks of metadata something changes, as the first of a transaction.
fn changed(rig: &mut Rig, what: impl FnOnce(&mut Rig)) -> usize {
    rig.fs.sync().unwrap();
    let before = rig.fs.volume.store.room();
    what(rig);
    before - rig.fs.volume.store.room()
}

#[test]
fn what_is_done_most_often_changes_little() {
    let mut rig = Rig::new(mke2fs("-b 4096", 64 * 1024));
    let root = rig.fs.root();
    let file = rig.fs.create(root, b"file", New::File).unwrap();
    let window = super::Window::new(pattern(65_536, 1));
    for number in 0..100 {
        let count = changed(&mut rig, |rig| {
            rig.fs
                .write(file, number * 65_536, &window, 0, 65_536)
                .unwrap();
        });
        // The inode, the bitmap, the descriptor and the superblock.
        assert!(count <= 4, "{count}");
    }
    let inode = rig.fs.inode(file).unwrap();
    let map = rig.fs.take_map(&inode).unwrap();
    assert_eq!(map.extents().count(), 1);
    rig.fs.put_map(&inode, map);
    let count = changed(&mut rig, |rig| {
        rig.fs.write(file, 3 * 65_536, &window, 0, 65_536).unwrap();
        rig.fs.write_bytes(file, 100_000, b"some").unwrap();
    });
    assert_eq!(count, 1);
    let count = changed(&mut rig, |rig| {
        rig.fs.create(root, b"other", New::File).unwrap();
    });
    // Two inodes in one block, the directory's block, the bitmap, the descriptor and the superblock.
    assert_eq!(count, 5);
    rig.check();
}

#[test]
fn who_unmounts_lets_go() {
    let mut rig = Rig::new(mke2fs("-b 1024", 16 * 1024));
    let root = rig.fs.root();
    for name in [b"a", b"b"] {
        let file = rig.fs.create(root, name, New::File).unwrap();
        rig.fs.write_bytes(file, 0, &pattern(50_000, 1)).unwrap();
        rig.fs.hold(file).unwrap();
        rig.fs.hold(file).unwrap();
    }
    rig.fs.unlink(root, b"a").unwrap();
    assert!(rig.fs.is_dirty());
    let (disk, result) = rig.fs.unmount();
    assert_eq!(result, Ok(()));
    crate::tests::tools::assert_clean(&disk.image());
    let rig = Rig::mount(disk).unwrap();
    assert!(!rig.fs.is_read_only());
}

#[test]
fn a_directory_has_more_directories_than_can_be_counted() {
    if super::number("ATOLL_SOAK").is_none() {
        return;
    }
    let mut rig = Rig::new(mke2fs("-b 1024 -N 66000", 200 * 1024));
    let root = rig.fs.root();
    let dir = rig.fs.create(root, b"dir", New::Directory).unwrap();
    for number in 0..65_010 {
        rig.fs
            .create(dir, format!("{number}").as_bytes(), New::Directory)
            .unwrap();
        let links = rig.fs.stat(dir).unwrap().links;
        assert_eq!(links, if number < 64_998 { number + 3 } else { 1 });
    }
    rig.check();
    for number in 0..10 {
        rig.fs
            .remove_dir(dir, format!("{number}").as_bytes())
            .unwrap();
    }
    assert_eq!(rig.fs.stat(dir).unwrap().links, 1);
    rig.check();
}

#[test]
fn what_is_kept_for_the_administrator_is_kept() {
    let mut rig = Rig::new(mke2fs("-b 1024 -m 10 -L a-label", 16 * 1024));
    assert_eq!(rig.fs.label(), b"a-label");
    let root = rig.fs.root();
    let file = rig.fs.create(root, b"file", New::File).unwrap();
    let mut size = 0;
    while rig.fs.write_bytes(file, size, &[1; 10_000]).is_ok() {
        size += 10_000;
    }
    let left = rig.fs.space().unwrap().free_blocks;
    assert!(left < 10, "{left}");
    let image = rig.check();
    let (_, said) = Image::of(&image).run("dumpe2fs", &["-h"]);
    let number = |what: &str| -> u64 {
        let line = said.lines().find(|line| line.starts_with(what)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    };
    assert!(number("Free blocks:") - number("Reserved block count:") == left);
    assert_eq!(number("Reserved block count:"), 1638);
}
