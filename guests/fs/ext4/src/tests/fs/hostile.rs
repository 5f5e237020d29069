// SPDX-License-Identifier: BSD-2-Clause
//! Images that somebody has tampered with: whatever is done to them, nothing panics and nothing goes on for ever.
//!
//! `ATOLL_SOAK=seconds` has it go on for longer, `ATOLL_SEED=number` begins with that.

use alloc::{collections::BTreeSet, format, vec, vec::Vec};
use core::{cell::Cell, ops::ControlFlow, time::Duration};
use std::{println, time::Instant};

use crate::{
    Disk, DiskError, Error, FileSystem, Kind, Memory, New, Options, SECTOR,
    tests::{
        disk::{Dice, Window},
        fs::{Rig, host::populated, number},
    },
};

/// Requests that are enough for all that is done here.
const ENOUGH: u64 = 300_000;

/// A disk that says when it is asked too often.
struct CountingDisk {
    image: Vec<u8>,
    count: Cell<u64>,
}

impl CountingDisk {
    fn range(&self, sector: u64, len: usize) -> Result<core::ops::Range<usize>, DiskError> {
        self.count.set(self.count.get() + 1);
        assert!(self.count.get() < ENOUGH, "it goes on for ever");
        let start = usize::try_from(sector)
            .ok()
            .and_then(|it| it.checked_mul(SECTOR));
        let start = start.ok_or(DiskError::OutOfRange)?;
        let end = start
            .checked_add(len)
            .filter(|end| *end <= self.image.len());
        Ok(start..end.ok_or(DiskError::OutOfRange)?)
    }
}

impl Disk for CountingDisk {
    type Memory = Window;

    fn sectors(&self) -> u64 {
        (self.image.len() / SECTOR) as u64
    }

    fn is_read_only(&self) -> bool {
        false
    }

    fn read(&mut self, sector: u64, into: &mut [u8]) -> Result<(), DiskError> {
        let range = self.range(sector, into.len())?;
        into.copy_from_slice(&self.image[range]);
        Ok(())
    }

    fn write(&mut self, sector: u64, from: &[u8]) -> Result<(), DiskError> {
        let range = self.range(sector, from.len())?;
        self.image[range].copy_from_slice(from);
        Ok(())
    }

    fn read_to(
        &mut self,
        sector: u64,
        memory: &Window,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let range = self.range(sector, len as usize)?;
        memory.put(at, &self.image[range]).ok_or(DiskError::Memory)
    }

    fn write_from(
        &mut self,
        sector: u64,
        memory: &Window,
        at: u32,
        len: u32,
    ) -> Result<(), DiskError> {
        let range = self.range(sector, len as usize)?;
        memory
            .get(at, &mut self.image[range])
            .ok_or(DiskError::Memory)
    }

    fn flush(&mut self) -> Result<(), DiskError> {
        Ok(())
    }
}

/// An image, and where things of each kind are in it: superblock, descriptors, bitmaps, inodes, nodes of trees and
/// directories.
struct Victim {
    image: Vec<u8>,
    block_size: usize,
    kinds: Vec<Vec<u64>>,
}

impl Victim {
    fn new(image: Vec<u8>) -> Self {
        let mut rig = Rig::new(image);
        let root = rig.fs.root();
        // A tree of some nodes, an orphan, and a long link.
        let file = rig.fs.create(root, b"pieces", New::File).unwrap();
        let block_size = rig.fs.block_size();
        for place in 0..700_u64 {
            rig.fs
                .write_bytes(file, place * 2 * u64::from(block_size), b"x")
                .unwrap();
        }
        rig.fs.settle().unwrap();
        let held = rig.fs.create(root, b"held", New::File).unwrap();
        rig.fs.write_bytes(held, 0, b"x").unwrap();
        rig.fs.hold(held).unwrap();
        rig.fs.unlink(root, b"held").unwrap();
        rig.fs.settle().unwrap();

        let volume = &mut rig.fs.volume;
        let mut kinds = vec![
            vec![volume.geometry.superblock],
            Vec::new(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
            Vec::new(),
        ];
        for number in 0..volume.geometry.groups {
            let group = volume.group(number).unwrap();
            kinds[1].push(volume.geometry.descriptor(number).0);
            kinds[2].extend([group.block_bitmap, group.inode_bitmap]);
            // The first few have files.
            kinds[3].extend(group.inode_table..group.inode_table + 12);
        }
        for ino in 1..=volume.geometry.inodes {
            let Ok(inode) = volume.any_inode(ino) else {
                continue;
            };
            let Ok(map) = volume.load_map(&inode) else {
                continue;
            };
            kinds[4].extend(map.leaves().iter().filter_map(|leaf| leaf.block));
            kinds[4].extend(map.levels.iter().flatten());
            if inode.kind() == Kind::Directory {
                for extent in map.extents() {
                    kinds[5].extend(extent.physical..extent.physical + u64::from(extent.len));
                }
            }
        }
        Self {
            image: rig.disk.image(),
            block_size: block_size as usize,
            kinds,
        }
    }

    fn pick(&self, dice: &mut Dice) -> usize {
        // With a bad superblock or descriptor, there is mostly nothing to mount.
        let kind = match dice.below(64) {
            0 => 0,
            1 => 1,
            2..8 => 2,
            8..36 => 3,
            36..48 => 4,
            _ => 5,
        };
        let blocks = &self.kinds[kind];
        blocks[dice.below(blocks.len() as u64) as usize] as usize * self.block_size
    }

    fn tampered(&self, dice: &mut Dice) -> Vec<u8> {
        let mut image = self.image.clone();
        for _ in 0..1 + dice.below(24) {
            let at = self.pick(dice);
            // The first bytes of a block say the most.
            let most = if dice.below(2) == 0 {
                64
            } else {
                self.block_size as u64
            };
            let place = at + dice.below(most) as usize / 4 * 4;
            match dice.below(10) {
                0..3 => image[place + dice.below(4) as usize] = dice.roll() as u8,
                3 => image[place + dice.below(4) as usize] ^= 1 << dice.below(8),
                4..8 => {
                    let numbers = [
                        0,
                        1,
                        2,
                        3,
                        0xffff_ffff,
                        0x7fff_ffff,
                        0x8000,
                        0xffff,
                        12,
                        60,
                        1024,
                    ];
                    let number = match dice.below(12) {
                        11 => self.pick(dice) / self.block_size,
                        which => numbers[which as usize],
                    };
                    image[place..place + 4].copy_from_slice(&(number as u32).to_le_bytes());
                }
                8 => {
                    let from = self.pick(dice);
                    image.copy_within(from..from + self.block_size, at);
                }
                _ => image[place..at + self.block_size]
                    .iter_mut()
                    .for_each(|byte| *byte = dice.roll() as u8),
            }
        }
        image
    }
}

/// Does all that there is to do: how many operations were done, and how many found something wrong.
fn torment(image: Vec<u8>, dice: &mut Dice) -> (u32, u32) {
    let (mut good, mut bad) = (0, 0);
    let disk = CountingDisk {
        image,
        count: Cell::new(0),
    };
    let options = Options {
        read_only: dice.below(8) == 0,
        cache: 64,
    };
    let Ok(mut fs) = FileSystem::mount(disk, options) else {
        return (0, 0);
    };
    let root = fs.root();
    let _ = fs.space();
    let mut seen = BTreeSet::from([root]);
    let mut left = vec![root];
    let mut all = Vec::new();
    let window = Window::new(vec![0; 70_000]);
    while let Some(dir) = left.pop() {
        let mut entries = Vec::new();
        let _ = fs.entries(dir, 0, &mut |entry| {
            entries.push((entry.ino, entry.name.to_vec()));
            if entries.len() < 300 {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        });
        for (ino, name) in entries {
            let _ = fs.lookup(dir, &name);
            if all.len() < 200 && seen.insert(ino) {
                left.push(ino);
            }
            all.push((dir, name, ino));
        }
        let size = fs.stat(dir).map_or(0, |stat| stat.size);
        for place in [0, size / 2, size.saturating_sub(5_000)] {
            let _ = fs.read(dir, place, &window, 1, 60_000);
            let _ = fs.read_bytes(dir, place, &mut [0; 1_500]);
        }
        let _ = fs.read_link(dir);
    }
    for step in 0..60 {
        let dir = [
            root,
            all.get(dice.below(all.len() as u64 + 1) as usize)
                .map_or(root, |it| it.2),
        ][usize::from(dice.below(3) == 0)];
        let (from, name, ino) = match all.len() {
            0 => (root, b"x".to_vec(), root),
            len => all[dice.below(len as u64) as usize].clone(),
        };
        let new = format!("new-{step}").into_bytes();
        let place = dice.below(3_000_000);
        let done = match dice.below(13) {
            0 => fs.create(dir, &new, New::File).map(|_| ()),
            1 => fs.create(dir, &new, New::Directory).map(|_| ()),
            2 => fs.create(dir, &new, New::Symlink(&[b'l'; 200])).map(|_| ()),
            3 => fs.link(ino, dir, &new),
            4 => fs.unlink(from, &name),
            5 => fs.remove_dir(from, &name),
            6 => fs.rename(from, &name, dir, &new),
            7 => fs.rename(
                from,
                &name,
                dir,
                &all.first().map_or(new, |it| it.1.clone()),
            ),
            8 => fs
                .write(ino, place, &window, 3, dice.below(60_000) as u32)
                .map(|_| ()),
            9 => fs.write_bytes(ino, 100, &[7; 5_000]).map(|_| ()),
            10 => fs.truncate(ino, place),
            11 => fs.hold(ino),
            _ => fs.sync(),
        };
        match done {
            Ok(()) => good += 1,
            Err(Error::Corrupt(_)) => bad += 1,
            Err(_) => {}
        }
    }
    for ino in all {
        let _ = fs.release(ino.2);
    }
    let _ = fs.unlink(root, b"pieces");
    let _ = fs.settle();
    let _ = fs.unmount();
    (good, bad)
}

/// Says which seed it was if a test fails.
struct Told(u64);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("ATOLL_SEED={}", self.0);
        }
    }
}

#[test]
fn whatever_an_image_has_nothing_panics_or_goes_on_for_ever() {
    let first = number("ATOLL_SEED").unwrap_or(0);
    let soak = Duration::from_secs(number("ATOLL_SOAK").unwrap_or(0));
    let victims = [
        "-b 1024 -O ^metadata_csum",
        "-b 1024",
        "-b 4096 -O ^metadata_csum,^64bit",
        "-b 1024 -O ^metadata_csum,uninit_bg,^64bit -g 2048",
    ]
    .map(|options| Victim::new(populated(options, 16 * 1024, 300)));
    let start = Instant::now();
    let (mut seed, mut good, mut bad) = (first, 0, 0);
    while seed < first + 600 || start.elapsed() < soak {
        let _told = Told(seed);
        let mut dice = Dice::new(seed);
        // Checksums keep most of it away.
        let victim = &victims[[0, 0, 2, 2, 3, 3, 1][seed as usize % 7]];
        let (some, others) = torment(victim.tampered(&mut dice), &mut dice);
        (good, bad) = (good + some, bad + others);
        seed += 1;
    }
    println!("{} images, {good} operations, {bad} errors", seed - first);
    assert!(good > 1_000 && bad > 1_000);
}
