// SPDX-License-Identifier: BSD-2-Clause
//! Power that goes at any write, and disks that fail, below a file system: only the store and the journal.

use std::time::Instant;

use crate::{
    mount::mount,
    tests::{
        disk::{Cuts, Dice, Fault, FaultyDisk, Request},
        tools::{assert_clean, mke2fs, replayed},
        workload::{History, OPTIONS, Workload},
    },
};

/// How many times as much is done as in a run that is to be over soon.
fn soak() -> u64 {
    let asked = std::env::var("ATOLL_SOAK").ok();
    asked.map_or(1, |asked| asked.parse().unwrap_or(20))
}

/// Runs a workload, and cuts it everywhere.
fn cut_everywhere(options: &str, kilobytes: u64, seed: u64, operations: u64) {
    let image = mke2fs(options, kilobytes);
    let disk = FaultyDisk::new(image);
    let mut workload = Workload::new(&disk, seed);
    let image = disk.image();
    disk.record();
    workload.run(operations);
    workload.check();
    let mut cuts = Cuts::new(image, disk.events());
    let (moments, clean) = look_everywhere(&mut cuts, &workload.history(), seed);
    std::println!("{options:?}: {moments} moments, e2fsck looked {clean} times");
    assert_clean(&disk.image());
}

/// Looks at a workload's disk at each moment; answers how many there were, and how often e2fsck looked.
fn look_everywhere(cuts: &mut Cuts, history: &History, seed: u64) -> (u64, u64) {
    let mut dice = Dice::new(seed);
    let (mut moments, mut looks) = (0, 0);
    while cuts.advance() {
        moments += 1;
        for survivors in 0..3 + soak() {
            let disk = cuts.disk(survivors);
            let before = disk.image_if(dice.below(100) < soak());
            if dice.below(8) == 0 {
                cut_again(cuts, history, survivors, dice.roll());
            }
            let last = history.check(&disk, cuts).unwrap();
            let Some(before) = before else {
                continue;
            };
            // e2fsck comes to the same, and finds nothing after either.
            looks += 1;
            assert_clean(&disk.image());
            let theirs = replayed(&before);
            assert_clean(&theirs);
            let (mut store, geometry) = mount(FaultyDisk::new(theirs), &OPTIONS).unwrap();
            assert_eq!(history.check_store(&mut store, &geometry, cuts), last);
        }
    }
    (moments, looks)
}

/// Power goes again, while the journal is replayed.
fn cut_again(cuts: &Cuts, history: &History, survivors: u64, seed: u64) {
    let mut dice = Dice::new(seed);
    let disk = cuts.disk(survivors);
    disk.fail(Fault {
        request: [Request::Write, Request::Flush][dice.below(2) as usize],
        after: dice.below(12),
        count: u64::MAX,
    });
    let _ = mount(disk.clone(), &OPTIONS);
    disk.heal();
    disk.cut(seed);
    history.check(&disk, cuts).unwrap();
}

#[test]
fn what_was_committed_is_there_and_nothing_of_what_was_not() {
    let start = Instant::now();
    for (seed, (options, kilobytes)) in [
        ("-b 1024", 8 * 1024),
        ("-b 4096", 16 * 1024),
        ("-b 1024 -O ^metadata_csum", 8 * 1024),
        ("-b 1024 -O ^metadata_csum,^64bit", 8 * 1024),
        ("-b 2048 -O ^64bit,metadata_csum_seed", 16 * 1024),
    ]
    .into_iter()
    .enumerate()
    {
        for round in 0..soak() {
            let seed = seed as u64 + 100 * round;
            cut_everywhere(options, kilobytes, seed, 150);
        }
    }
    std::println!("{:?}", start.elapsed());
}

/// Each request fails in turn, once, or until something was tried a few times; then the power goes at each write.
#[test]
fn nothing_is_lost_when_the_disk_fails() {
    // Checksums hide much.
    let images = ["-b 1024", "-b 1024 -O ^metadata_csum"].map(|options| mke2fs(options, 8 * 1024));
    let often = u64::from(soak() == 1);
    let mut dice = Dice::new(4);
    for (request, step) in [
        (Request::Flush, 1),
        (Request::Write, 1 + 2 * often),
        (Request::Read, 1 + 4 * often),
    ] {
        for count in [1, 2, 4] {
            let mut after = 0;
            loop {
                let image = &images[after as usize % 2];
                let disk = FaultyDisk::new(image.clone());
                let mut workload = Workload::new(&disk, after * 5 + count);
                let before = disk.image();
                disk.record();
                disk.fail(Fault {
                    request,
                    after,
                    count,
                });
                workload.run(40);
                // None was left to fail.
                let is_over = disk.has_faults();
                disk.heal();
                workload.check();
                if after % 8 == 0 {
                    assert_clean(&disk.image());
                }
                let mut cuts = Cuts::new(before, disk.events());
                let history = workload.history();
                while cuts.advance() {
                    if dice.below(3) > 0 && soak() == 1 {
                        continue;
                    }
                    for survivors in 0..2 + soak() {
                        history.check(&cuts.disk(survivors), &cuts).unwrap();
                    }
                }
                if is_over {
                    break;
                }
                after += step;
            }
            std::println!("{request:?}: {after}");
        }
    }
}
