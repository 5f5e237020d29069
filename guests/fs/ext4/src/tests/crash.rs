// SPDX-License-Identifier: BSD-2-Clause
//! Power that goes at any write below a file system that is in use: what it is then, is what it was after one of the
//! operations since the last that was made durable.

pub(super) mod history;
pub(super) mod life;

use std::{
    string::String,
    time::{Duration, Instant},
};

use alloc::vec::Vec;

use zerocopy::FromBytes;

use crate::{
    FileSystem, Options,
    layout::superblock::Superblock,
    tests::{
        disk::{Cuts, Dice, Fault, FaultyDisk, Request},
        tools::{Image, assert_clean, mke2fs},
    },
};

use history::History;
use life::Life;

/// As the tests mount: with a cache that is too small for all.
pub(super) const OPTIONS: Options = Options {
    read_only: false,
    cache: 64,
};

pub(super) const VARIANTS: [(&str, u64); 5] = [
    ("-b 1024 -N 256", 8 * 1024),
    ("-b 4096 -N 256", 16 * 1024),
    ("-b 1024 -N 256 -O ^metadata_csum,^64bit", 8 * 1024),
    (
        "-b 1024 -I 128 -N 256 -O ^metadata_csum,uninit_bg",
        8 * 1024,
    ),
    ("-b 2048 -N 128 -O metadata_csum_seed,^flex_bg", 16 * 1024),
];

/// How long a run may be, of all tests here: ATOLL_SOAK says how many times as long, and that e2fsck looks each time.
fn soak() -> u64 {
    let asked = std::env::var("ATOLL_SOAK").ok();
    asked.map_or(0, |asked| asked.parse().unwrap_or(20))
}

/// Whether the superblock was written as a whole.
pub(super) fn is_sealed(image: &[u8]) -> bool {
    let superblock = Superblock::ref_from_bytes(&image[1024..2048]);
    superblock.unwrap().is_sealed()
}

/// e2fsck puts a file system right, of which nothing is wrong but that the journal was not replayed and what was
/// deleted was in use.
fn assert_recovers(image: &[u8]) {
    // Of a superblock of which half was written, e2fsck looks for a copy, which may be none. A mount mends it.
    if !is_sealed(image) {
        return;
    }
    let image = Image::of(image);
    let (status, said) = image.run("e2fsck", &["-fp"]);
    let goods = [
        "e2fsck ",
        "recovering journal",
        "Clearing orphaned inode",
        "non-contiguous",
    ];
    let is_good = |line: &str| goods.iter().any(|good| line.contains(good));
    assert!(status <= 1 && said.lines().all(is_good), "{status}: {said}");
    assert_clean(&image.bytes());
}

/// Cuts a life's disk everywhere, with `survivors` choices of what is left each time, and `looks` of 1000 times, e2fsck
/// looks.
fn cut_everywhere(
    cuts: &mut Cuts,
    history: &History,
    survivors: u64,
    looks: u64,
    seed: u64,
) -> u64 {
    let mut dice = Dice::new(seed);
    let mut moments = 0;
    while cuts.advance() {
        moments += 1;
        for survivors in 0..survivors {
            let disk = cuts.disk(survivors);
            let before = disk.image_if(dice.below(1000) < looks);
            let mut fs = FileSystem::mount(disk.clone(), OPTIONS).unwrap();
            history.check(&mut fs, cuts);
            if let Some(before) = before {
                assert_recovers(&before);
                let (_, settled) = fs.unmount();
                settled.unwrap();
                assert_clean(&disk.image());
            }
        }
    }
    moments
}

fn live(options: &str, kilobytes: u64, seed: u64, operations: u64) -> (u64, u64) {
    let disk = FaultyDisk::new(mke2fs(options, kilobytes));
    let mut life = Life::new(&disk, seed);
    let image = disk.image();
    disk.record();
    life.go_on(operations);
    let history = life.history();
    drop(life);
    assert_recovers(&disk.image());
    let mut cuts = Cuts::new(image, disk.events());
    let (survivors, looks) = if soak() == 0 { (4, 4) } else { (6, 1000) };
    let moments = cut_everywhere(&mut cuts, &history, survivors, looks, seed);
    (moments, moments * survivors)
}

#[test]
fn after_a_crash_it_is_as_it_was() {
    let start = Instant::now();
    let limit = Duration::from_secs(20 * (1 + soak()));
    let mut seed = 1;
    let mut report: Vec<(String, u64, u64)> = Vec::new();
    'all: loop {
        for (options, kilobytes) in VARIANTS {
            let (moments, cuts) = live(options, kilobytes, seed, 120);
            report.push((options.into(), moments, cuts));
            seed += 1;
            if start.elapsed() > limit {
                break 'all;
            }
        }
    }
    std::println!("{report:#?} in {:?}", start.elapsed());
    assert!(report.len() >= 2);
}

/// A disk that fails now and then: what was said to be done is, and nothing is broken.
#[test]
fn after_errors_nothing_is_broken() {
    let start = Instant::now();
    let limit = Duration::from_secs(10 * (1 + soak()));
    let images: Vec<_> = VARIANTS.map(|(options, size)| mke2fs(options, size)).into();
    let mut dice = Dice::new(1 + soak());
    let mut lives = 0_u64;
    while start.elapsed() < limit {
        lives += 1;
        let image = &images[dice.below(images.len() as u64) as usize];
        let disk = FaultyDisk::new(image.clone());
        let mut life = Life::new(&disk, dice.roll());
        let image = disk.image();
        disk.record();
        for _ in 0..8 {
            let request = match dice.below(5) {
                0..2 => Request::Write,
                2..4 => Request::Flush,
                _ => Request::Read,
            };
            let scale = if request == Request::Flush { 4 } else { 40 };
            disk.fail(Fault {
                request,
                after: dice.below(scale),
                count: 1 + dice.below(4),
            });
            life.go_on(10);
            disk.heal();
        }
        life.end();
        let history = life.history();
        drop(life);
        assert_clean(&disk.image());
        // Few moments of each of many lives.
        let mut cuts = Cuts::new(image, disk.events());
        while cuts.advance() {
            if dice.below(20) == 0 {
                let disk = cuts.disk(dice.below(8));
                let mut fs = FileSystem::mount(disk, OPTIONS).unwrap();
                history.check(&mut fs, &cuts);
            }
        }
    }
    std::println!("{lives} lives");
}
