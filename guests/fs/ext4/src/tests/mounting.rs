// SPDX-License-Identifier: BSD-2-Clause
//! What is mounted, what is not, and what must not make a mount go astray.

use std::time::{Duration, Instant};

use alloc::vec::Vec;

use crate::{
    Disk, MountError, Options,
    layout::{
        features::Incompat,
        group::{Group, GroupFlags},
        superblock::Superblock,
    },
    mount::mount,
    tests::{
        disk::{Dice, FaultyDisk},
        tools::{Image, assert_clean, mke2fs},
        workload::{OPTIONS, Workload},
    },
};

const READ_ONLY: Options = Options {
    read_only: true,
    cache: 256,
};

#[test]
fn what_mke2fs_makes_is_mounted_and_written() {
    for options in [
        "-b 1024",
        "-b 2048",
        "-b 4096",
        "-b 1024 -I 128",
        "-b 1024 -g 1024",
        "-b 1024 -O ^64bit",
        "-b 4096 -O ^64bit",
        "-b 1024 -O ^metadata_csum",
        "-b 1024 -O ^metadata_csum,^64bit",
        "-b 1024 -O ^metadata_csum,uninit_bg",
        "-b 1024 -O ^metadata_csum,uninit_bg,^64bit",
        "-b 1024 -O metadata_csum_seed",
        "-b 1024 -O orphan_file",
        "-b 1024 -O ^flex_bg",
        "-b 1024 -O ^resize_inode,meta_bg -g 512",
        "-b 1024 -O sparse_super2",
        "-b 1024 -O ^sparse_super,^resize_inode",
        "-b 1024 -O ^extents,^flex_bg,^64bit,^metadata_csum",
        "-b 1024 -J size=7",
        "-b 4096 -E lazy_itable_init=0",
    ] {
        let image = mke2fs(options, 16 * 1024);
        let disk = FaultyDisk::new(image);
        let (mut store, geometry) = mount(disk.clone(), &OPTIONS).unwrap();
        for group in 0..geometry.groups {
            let (block, _) = geometry.descriptor(group);
            let descriptor = store.read(block).unwrap();
            let found = Group::load(&geometry, group, descriptor).unwrap();
            // What is put back as it was changes nothing.
            let mut again = descriptor.to_vec();
            found.save(&geometry, group, &mut again).unwrap();
            assert!(again == descriptor, "{options}: group {group}");
            if !found.flags.contains(GroupFlags::BLOCK_UNINIT) {
                let bitmap = store.read(found.block_bitmap).unwrap();
                assert!(found.is_block_bitmap(&geometry, bitmap), "{options}");
            }
            if !found.flags.contains(GroupFlags::INODE_UNINIT) {
                let bitmap = store.read(found.inode_bitmap).unwrap();
                assert!(found.is_inode_bitmap(&geometry, bitmap), "{options}");
            }
        }
        drop(store);
        let mut workload = Workload::new(&disk, 3);
        workload.run(30);
        let store = &mut workload.store;
        store.begin().unwrap();
        let superblock = store.change(geometry.superblock).unwrap();
        let superblock = Superblock::of_mut(superblock, &geometry).unwrap();
        superblock.volume_name = *b"written by atoll";
        superblock.seal();
        store.finish();
        store.settle().unwrap();
        assert_clean(&disk.image());
        let (status, said) = Image::of(&disk.image()).run("dumpe2fs", &["-h"]);
        assert_eq!(status, 0, "{said}");
        assert!(said.contains("written by atoll"), "{said}");
        assert!(!said.contains("needs_recovery"), "{said}");
        assert!(mount(disk, &READ_ONLY).is_ok());
    }
}

fn refusal(disk: &FaultyDisk, options: &Options) -> MountError {
    match mount(disk.clone(), options) {
        Ok(_) => panic!("it is mounted"),
        Err(error) => error,
    }
}

#[test]
fn what_is_not_known_is_refused() {
    for (options, feature) in [
        ("-O inline_data", 0x8000),
        ("-O encrypt", 0x1_0000),
        ("-O casefold", 0x2_0000),
        ("-O large_dir", 0x4000),
        ("-O ea_inode", 0x400),
        ("-O mmp", 0x100),
    ] {
        let disk = FaultyDisk::new(mke2fs(options, 16 * 1024));
        assert_eq!(refusal(&disk, &READ_ONLY), MountError::Features(feature));
    }
    for (options, feature) in [("-O quota", 0x100), ("-O project,quota", 0x2100)] {
        let disk = FaultyDisk::new(mke2fs(options, 16 * 1024));
        assert_eq!(
            refusal(&disk, &OPTIONS),
            MountError::FeaturesToWrite(feature)
        );
        assert!(mount(disk, &READ_ONLY).is_ok());
    }
    let disk = FaultyDisk::new(mke2fs("-O bigalloc", 16 * 1024));
    assert_eq!(
        refusal(&disk, &READ_ONLY),
        MountError::FeaturesToWrite(0x200)
    );
    let disk = FaultyDisk::new(mke2fs("-O ^has_journal", 4 * 1024));
    assert_eq!(refusal(&disk, &OPTIONS), MountError::NoJournal);
    assert!(mount(disk, &READ_ONLY).is_ok());

    let image = mke2fs("-b 4096", 16 * 1024);
    let disk = FaultyDisk::new(image[..image.len() - 4096].to_vec());
    assert_eq!(refusal(&disk, &READ_ONLY), MountError::Truncated(8));
    for len in [0, 512, 1024, 1536] {
        let disk = FaultyDisk::new(image[..len].to_vec());
        assert_eq!(refusal(&disk, &READ_ONLY), MountError::NotExt);
    }
    let disk = FaultyDisk::new(image[..2048].to_vec());
    assert!(matches!(
        refusal(&disk, &READ_ONLY),
        MountError::Truncated(_)
    ));
    let disk = FaultyDisk::new([0; 1 << 20].to_vec());
    assert_eq!(refusal(&disk, &READ_ONLY), MountError::NotExt);

    // Errors that Linux found.
    let failed = Image::of(&image);
    failed.debugfs("set_super_value state 3");
    let disk = FaultyDisk::new(failed.bytes());
    assert!(matches!(refusal(&disk, &OPTIONS), MountError::Corrupt(_)));
    assert!(mount(disk, &READ_ONLY).is_ok());
}

#[test]
fn a_superblock_of_which_one_sector_was_written_is_mended() {
    let image = mke2fs("-b 1024", 8 * 1024);
    for sectors in [[true, false], [false, true]] {
        let mut torn = image.clone();
        let mut marked = image[1024..2048].to_vec();
        marked[0x60] |= Incompat::RECOVER.bits() as u8;
        let sum = crate::layout::checksum::crc32c(!0, &marked[..1020]);
        marked[1020..].copy_from_slice(&sum.to_le_bytes());
        for (sector, is_written) in sectors.into_iter().enumerate() {
            if is_written {
                let from = 512 * sector..512 * (sector + 1);
                torn[1024..2048][from.clone()].copy_from_slice(&marked[from]);
            }
        }
        assert!(torn != image);
        let disk = FaultyDisk::new(torn);
        assert!(mount(disk.clone(), &READ_ONLY).is_ok());
        mount(disk.clone(), &OPTIONS).unwrap();
        assert!(disk.image() == image);
    }
    let mut wrong = image;
    wrong[1024 + 0x10] ^= 1;
    let disk = FaultyDisk::new(wrong.clone());
    assert!(matches!(refusal(&disk, &OPTIONS), MountError::Corrupt(_)));
    assert!(disk.image() == wrong);
}

/// Whatever is on a disk, a mount comes to an end, and what can be mounted can be written.
#[test]
fn garbage_leads_nowhere() {
    let start = Instant::now();
    let soak = std::env::var("ATOLL_SOAK").is_ok();
    let limit = Duration::from_secs(if soak { 300 } else { 6 });
    let mut images: Vec<Vec<u8>> = Vec::new();
    for options in [
        "-b 1024",
        "-b 1024 -O ^metadata_csum,^64bit",
        "-b 1024 -O ^metadata_csum,^64bit,^extents",
    ] {
        images.push(mke2fs(options, 8 * 1024));
        // With transactions in its journal.
        let disk = FaultyDisk::new(mke2fs(options, 8 * 1024));
        let image = disk.image();
        let mut workload = Workload::new(&disk, 5);
        disk.record();
        workload.run(30);
        let mut cuts = crate::tests::disk::Cuts::new(image, disk.events());
        for _ in 0..60 {
            cuts.advance();
        }
        images.push(cuts.disk(1).image());
    }
    let mut dice = Dice::new(8);
    let (mut tried, mut mounted) = (0, 0);
    while start.elapsed() < limit {
        let mut image = images[dice.below(images.len() as u64) as usize].clone();
        let (first, len) = places(&image, &mut dice);
        for _ in 0..=dice.below(4) {
            let at = first + dice.below(len) as usize;
            image[at] = match dice.below(4) {
                0 => 0,
                1 => 0xff,
                2 => image[at] ^ 1 << dice.below(8),
                _ => dice.roll() as u8,
            };
        }
        // A checksum keeps little from who wants it.
        if dice.below(2) == 0 {
            let sum = crate::layout::checksum::crc32c(!0, &image[1024..2044]);
            image[2044..2048].copy_from_slice(&sum.to_le_bytes());
        }
        let disk = FaultyDisk::new(image);
        tried += 1;
        if let Ok((mut store, geometry)) = mount(disk.clone(), &OPTIONS) {
            mounted += 1;
            for group in 0..geometry.groups {
                let (block, _) = geometry.descriptor(group);
                if let Ok(bytes) = store.read(block) {
                    let bytes = bytes.to_vec();
                    let _ = Group::load(&geometry, group, &bytes);
                }
            }
            store.begin().unwrap();
            let last = geometry.blocks - 1;
            if store.change(last).is_ok() {
                store.finish();
                store.settle().unwrap();
            } else {
                store.abort();
            }
        }
    }
    std::println!("{tried} tried, {mounted} mounted");
    assert!(tried > 100);
}

/// Where something is that a mount reads.
fn places(image: &[u8], dice: &mut Dice) -> (usize, u64) {
    let journal = || {
        let (store, _) = mount(FaultyDisk::new(image.to_vec()), &READ_ONLY).unwrap();
        let (start, end) = store.journal_blocks().next().unwrap();
        (start as usize * 1024, (end - start).min(64) * 1024)
    };
    match dice.below(6) {
        0..2 => (1024, 0x280),
        2 => (2048, 64),
        // The journal's inode.
        3 => {
            let (mut store, geometry) = mount(FaultyDisk::new(image.to_vec()), &READ_ONLY).unwrap();
            let descriptor = store.read(geometry.descriptor(0).0).unwrap();
            let table = Group::load(&geometry, 0, descriptor).unwrap().inode_table;
            let at = table as usize * 1024 + 7 * geometry.inode_size;
            assert!(at < store.into_disk().sectors() as usize * 512);
            (at, geometry.inode_size as u64)
        }
        4 => (journal().0, 0x100),
        _ => journal(),
    }
}
