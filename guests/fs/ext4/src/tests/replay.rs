// SPDX-License-Identifier: BSD-2-Clause
//! Journals that others wrote: debugfs, and what Linux may leave, with e2fsck as the judge.

use alloc::{
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};

use crate::{
    Options,
    layout::geometry::Geometry,
    mount::mount,
    store::Store,
    tests::{
        disk::{Dice, FaultyDisk},
        tools::{Image, assert_clean, checked, mke2fs, replayed},
    },
};

/// The file system of `image`, as e2fsck and this crate leave it after a replay: the same but for when it was written,
/// and the journal itself.
pub(super) fn assert_same_replay(image: &[u8], what: &str) -> FaultyDisk {
    // e2fsck may count anew what was never used.
    let theirs = checked(&replayed(image));
    let disk = FaultyDisk::new(image.to_vec());
    let (store, geometry) = mount(disk.clone(), &Options::default()).unwrap();
    assert_clean(&disk.image());
    let ours = checked(&disk.image());
    let size = geometry.block_size;
    let own = journal_blocks(&store);
    for block in geometry.first_block + 1..geometry.blocks {
        if own.contains(&block) {
            continue;
        }
        let bytes = block as usize * size..(block as usize + 1) * size;
        let is_same = ours[bytes.clone()] == theirs[bytes];
        assert!(is_same, "{what}: block {block}");
    }
    // To memory, it is the same.
    let read_only = Options {
        read_only: true,
        cache: 1 << 16,
    };
    let (mut store, _) = mount(FaultyDisk::new(image.to_vec()), &read_only).unwrap();
    for block in geometry.blocks - BLOCKS..geometry.blocks {
        let bytes = block as usize * size..(block as usize + 1) * size;
        assert!(
            store.read(block).unwrap() == &ours[bytes],
            "{what}: {block}"
        );
    }
    disk
}

fn journal_blocks(store: &Store<FaultyDisk>) -> Vec<u64> {
    let ranges = store.journal_blocks();
    ranges.flat_map(|(start, end)| start..end).collect()
}

/// How many blocks at the end are played with.
const BLOCKS: u64 = 64;

/// A file with what `count` blocks are to have.
fn contents(dice: &mut Dice, count: usize, size: usize) -> Image {
    let mut bytes = vec![0; count * size];
    for (number, block) in bytes.chunks_exact_mut(size).enumerate() {
        block.fill(dice.roll() as u8);
        if number % 3 == 0 {
            block[..4].copy_from_slice(&0xc03b_3998_u32.to_be_bytes());
        }
    }
    Image::of(&bytes)
}

fn list(blocks: &[u64]) -> String {
    let blocks: Vec<_> = blocks.iter().map(|block| block.to_string()).collect();
    blocks.join(",")
}

#[test]
fn what_debugfs_writes_is_replayed_as_e2fsck_does() {
    for (options, open) in [
        ("-b 1024", "jo"),
        ("-b 1024", "jo -c"),
        ("-b 1024", "jo -c -v 2"),
        ("-b 1024", "jo -c -v 3"),
        ("-b 4096", "jo -c"),
        ("-b 1024 -O ^64bit", "jo"),
        ("-b 1024 -O ^64bit", "jo -c -v 2"),
        ("-b 1024 -O ^64bit", "jo -c -v 3"),
        ("-b 2048 -O ^metadata_csum", "jo"),
        ("-b 1024 -O ^metadata_csum,^64bit,^extents", "jo"),
    ] {
        let image = mke2fs(options, 16 * 1024);
        let (_, geometry) = mount(FaultyDisk::new(image.clone()), &Options::default()).unwrap();
        for seed in 1..7 {
            let mut dice = Dice::new(seed);
            let mut files = Vec::new();
            let mut commands = format!("{open}\n");
            for _ in 0..6 {
                let mut choose = || {
                    let some = geometry.blocks - BLOCKS..geometry.blocks;
                    some.filter(|_| dice.below(3) == 0).collect::<Vec<_>>()
                };
                let (written, revoked) = (choose(), choose());
                let file = contents(&mut dice, written.len(), geometry.block_size);
                let is_committed = dice.below(5) > 0;
                // One that is not committed ends the log.
                let flag = if is_committed { "" } else { "-c " };
                match dice.below(3) {
                    0 => {
                        commands += &format!("jw {flag}-r {}\n", list(&revoked));
                    }
                    1 => {
                        commands += &format!("jw {flag}-b {} {}\n", list(&written), file.path());
                    }
                    _ => {
                        commands += &format!(
                            "jw {flag}-b {} -r {} {}\n",
                            list(&written),
                            list(&revoked),
                            file.path()
                        );
                    }
                }
                files.push(file);
            }
            commands += "jc\n";
            let made = Image::of(&image);
            let said = made.debugfs(&commands);
            let (_, head) = made.run("dumpe2fs", &["-h"]);
            assert!(head.contains("needs_recovery"), "{options} {open}: {said}");
            assert_same_replay(&made.bytes(), &format!("{options}, {open}, {seed}"));
        }
    }
}

/// A journal that Linux or somebody else may have written, block by block.
struct Author {
    image: Vec<u8>,
    geometry: Geometry,
    /// The journal's blocks.
    journal: Vec<usize>,
    at: usize,
    sequence: u32,
    /// The checksum of the first kind, if there are such.
    sum: Option<u32>,
}

impl Author {
    /// The log begins at `start` with transaction `sequence`.
    fn new(start: usize, sequence: u32, has_sums: bool) -> Self {
        let mut image = mke2fs("-b 1024 -O ^metadata_csum,^64bit", 8 * 1024);
        let (store, geometry) = mount(FaultyDisk::new(image.clone()), &Options::default()).unwrap();
        let blocks = journal_blocks(&store).into_iter();
        let journal: Vec<usize> = blocks.map(|block| block as usize * 1024).collect();
        image[1024 + 0x60] |= 4;
        let first = journal[0];
        let mut put = |at: usize, value: u32| {
            image[first + at..first + at + 4].copy_from_slice(&value.to_be_bytes());
        };
        put(0x18, sequence);
        put(0x1c, start as u32);
        put(0x24, u32::from(has_sums));
        put(0x28, 1);
        Self {
            image,
            geometry,
            journal,
            at: start,
            sequence,
            sum: has_sums.then_some(!0),
        }
    }

    fn put(&mut self, block: &[u8]) {
        let place = self.journal[self.at];
        self.image[place..place + 1024].copy_from_slice(block);
        self.at += 1;
        if self.at == self.journal.len() {
            self.at = 1;
        }
    }

    fn header(&self, kind: u32) -> Vec<u8> {
        let words = [0xc03b_3998, kind, self.sequence];
        words.into_iter().flat_map(u32::to_be_bytes).collect()
    }

    fn descriptor(&mut self, copies: &[(u64, u8)]) {
        let mut block = self.header(1);
        for (number, (of, _)) in copies.iter().enumerate() {
            let is_last = number + 1 == copies.len();
            let flags = 2 * u32::from(number > 0) + 8 * u32::from(is_last);
            block.extend((*of as u32).to_be_bytes());
            block.extend(flags.to_be_bytes());
            if number == 0 {
                block.extend([0; 16]);
            }
        }
        block.resize(1024, 0);
        self.add(&block);
        self.put(&block);
        for (_, byte) in copies {
            self.add(&[*byte; 1024]);
            self.put(&[*byte; 1024]);
        }
    }

    fn add(&mut self, bytes: &[u8]) {
        let Some(sum) = &mut self.sum else {
            return;
        };
        for byte in bytes {
            *sum ^= u32::from(*byte) << 24;
            for _ in 0..8 {
                *sum = (*sum << 1) ^ (0x04c1_1db7 * (*sum >> 31));
            }
        }
    }

    fn revoke(&mut self, blocks: &[u64]) {
        let mut block = self.header(5);
        block.extend((16 + 4 * blocks.len() as u32).to_be_bytes());
        for of in blocks {
            block.extend((*of as u32).to_be_bytes());
        }
        block.resize(1024, 0);
        self.put(&block);
    }

    fn commit(&mut self) {
        let mut block = self.header(2);
        if let Some(sum) = self.sum {
            block.extend([1, 4, 0, 0]);
            block.extend(sum.to_be_bytes());
            self.sum = Some(!0);
        }
        block.resize(1024, 0);
        self.put(&block);
        self.sequence = self.sequence.wrapping_add(1);
    }

    /// Numbers of blocks that no file has.
    fn free(&self) -> [u64; 4] {
        [1, 2, 3, 4].map(|number| self.geometry.blocks - number)
    }

    /// What these have after a replay that is the same as e2fsck's.
    fn bytes(&self, what: &str) -> [u8; 4] {
        let image = assert_same_replay(&self.image, what).image();
        self.free().map(|block| image[block as usize * 1024 + 100])
    }
}

#[test]
fn the_log_goes_round_and_its_numbers_too() {
    for sequence in [1, 77, u32::MAX, u32::MAX - 1] {
        let mut author = Author::new(1020, sequence, false);
        let [a, b, c, d] = author.free();
        author.descriptor(&[(a, 1), (b, 2), (c, 3)]);
        author.commit();
        author.revoke(&[a]);
        author.descriptor(&[(d, 4), (b, 5)]);
        author.descriptor(&[(c, 7)]);
        author.commit();
        assert_eq!(author.bytes("round"), [0, 5, 7, 4]);
    }
}

#[test]
fn a_block_that_was_revoked_and_logged_again_is_replayed() {
    let mut author = Author::new(1, 9, false);
    let [a, b, c, d] = author.free();
    author.descriptor(&[(a, 1), (b, 1), (c, 1), (d, 1)]);
    author.commit();
    author.revoke(&[a, b]);
    author.descriptor(&[(d, 2)]);
    author.commit();
    // What is revoked in its own transaction was freed after it was logged.
    author.descriptor(&[(b, 3), (d, 9)]);
    author.revoke(&[d]);
    author.commit();
    // Forbidden by what was not committed: not at all.
    author.revoke(&[c]);
    assert_eq!(author.bytes("revoked"), [0, 3, 1, 0]);
}

#[test]
fn a_wrong_checksum_of_a_transaction_ends_the_log() {
    let mut author = Author::new(1, 3, true);
    let [a, b, ..] = author.free();
    author.descriptor(&[(a, 1)]);
    author.commit();
    author.descriptor(&[(b, 1)]);
    author.sum = Some(5);
    author.commit();
    author.descriptor(&[(a, 2)]);
    author.commit();
    assert_eq!(author.bytes("checksum"), [1, 0, 0, 0]);
}

#[test]
fn what_is_outside_is_not_written_to() {
    for block in [0, 8192, 0xffff_ffff, 1 << 20] {
        let mut author = Author::new(1, 3, false);
        author.descriptor(&[(block, 1)]);
        author.commit();
        let disk = FaultyDisk::new(author.image.clone());
        assert!(mount(disk.clone(), &Options::default()).is_err());
        assert!(disk.image() == author.image);
    }
    let mut author = Author::new(1, 3, false);
    let own = author.journal[3] as u64 / 1024;
    author.descriptor(&[(own, 1)]);
    author.commit();
    let disk = FaultyDisk::new(author.image.clone());
    assert!(mount(disk, &Options::default()).is_err());
}

/// A log in which each block is one more of the same transaction has an end.
#[test]
fn a_log_without_end_ends() {
    let mut author = Author::new(1, 3, false);
    for _ in 1..author.journal.len() {
        author.revoke(&[]);
    }
    let disk = FaultyDisk::new(author.image);
    mount(disk, &Options::default()).unwrap();
}

/// A checksum of the third kind in each place where there is one: whichever is wrong, the transaction is not replayed.
#[test]
fn each_checksum_counts() {
    let image = mke2fs("-b 1024", 8 * 1024);
    let (store, geometry) = mount(FaultyDisk::new(image.clone()), &Options::default()).unwrap();
    let journal = journal_blocks(&store);
    let block = geometry.blocks - 1;
    let file = Image::of(&[7; 1024]);
    let made = Image::of(&image);
    made.debugfs(&format!("jo -c\njw -b {block} {}\njc\n", file.path()));
    let made = made.bytes();
    // The descriptor, the copy, the commit block.
    for (what, has_it) in [
        (None, true),
        (Some(0_usize), false),
        (Some(1), false),
        (Some(2), false),
    ] {
        let mut image = made.clone();
        if let Some(number) = what {
            image[journal[1 + number] as usize * 1024 + 200] ^= 0x10;
        }
        let (mut store, _) = mount(FaultyDisk::new(image), &Options::default()).unwrap();
        let byte = store.read(block).unwrap()[0];
        assert_eq!(byte == 7, has_it, "{what:?}");
    }
}
