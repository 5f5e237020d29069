// SPDX-License-Identifier: BSD-2-Clause
//! Linux as the other side: what it leaves in a journal, and what it makes of ours. Only root can mount, so these are
//! run by hand: `cargo test -p fs-ext4 linux -- --ignored --test-threads 1`.

use std::{fs, path::PathBuf, process::Command};

use alloc::{format, string::String, vec::Vec};

use crate::{
    FileSystem,
    tests::{
        crash::{OPTIONS, VARIANTS, life::Life},
        disk::{Cuts, Dice, FaultyDisk},
        replay::assert_same_replay,
        tools::{Image, assert_clean, mke2fs},
    },
};

/// A file system that Linux has mounted.
struct Mounted(PathBuf);

impl Mounted {
    fn new(image: &Image, options: &str) -> Self {
        let folder = PathBuf::from(format!("{}.mnt", image.path()));
        fs::create_dir_all(&folder).unwrap();
        let it = Self(folder);
        run(
            "mount",
            &["-o", options, image.path(), it.0.to_str().unwrap()],
        );
        it
    }

    /// Has a shell do something in it.
    fn shell(&self, script: &str) {
        let folder = self.0.to_str().unwrap();
        run("sh", &["-ec", &format!("cd {folder}; {script}")]);
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
        let _ = fs::remove_dir(&self.0);
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// The journal is copied while Linux uses it: with transactions, revoked blocks, and its own choice of format.
#[test]
#[ignore = "needs root"]
fn what_linux_leaves_is_replayed() {
    for (options, how) in [
        ("-b 1024 -N 2000", "loop"),
        ("-b 1024 -N 2000", "loop,data=journal"),
        ("-b 4096 -N 2000", "loop"),
        ("-b 1024 -N 2000 -O ^metadata_csum", "loop"),
        ("-b 1024 -N 2000 -O ^metadata_csum", "loop,journal_checksum"),
        (
            "-b 1024 -N 2000 -O ^metadata_csum,^64bit",
            "loop,journal_async_commit,data=writeback",
        ),
        (
            "-b 1024 -N 2000 -O ^metadata_csum,^64bit",
            "loop,data=journal",
        ),
    ] {
        let image = Image::of(&mke2fs(options, 32 * 1024));
        let mounted = Mounted::new(&image, how);
        let mut replayed = 0;
        for round in 0..6 {
            mounted.shell(&format!(
                "mkdir -p a{round} b; for i in $(seq 200); do echo $i > a{round}/some-longer-name-$i; done; \
                 head -c 300000 /dev/urandom > b/f{round}; sync; \
                 rm -rf a{} b/f{}; for i in $(seq 40); do head -c 5000 /dev/zero > c$i; done; sync",
                round / 2,
                round - round / 3,
            ));
            let bytes = image.bytes();
            if bytes[1024 + 0x60] & 4 != 0 {
                replayed += 1;
            }
            let disk = assert_same_replay(&bytes, &format!("{options}, {how}, {round}"));
            let mut fs = FileSystem::mount(disk.clone(), OPTIONS).unwrap();
            fs.settle().unwrap();
            assert_clean(&disk.image());
        }
        std::println!("{options} {how}: {replayed} replayed");
        assert!(replayed > 0);
    }
}

#[test]
#[ignore = "needs root"]
fn linux_replays_what_is_left() {
    let mut dice = Dice::new(11);
    let mut mounted = 0;
    for (seed, (options, kilobytes)) in VARIANTS.into_iter().enumerate() {
        let disk = FaultyDisk::new(mke2fs(options, kilobytes));
        let mut life = Life::new(&disk, 1000 + seed as u64);
        let image = disk.image();
        disk.record();
        life.go_on(150);
        let mut cuts = Cuts::new(image, disk.events());
        let history = life.history();
        while cuts.advance() {
            let image = cuts.disk(dice.below(6)).image();
            // Linux does not mount when half of a superblock was written.
            if dice.below(6) > 0 || !super::crash::is_sealed(&image) {
                continue;
            }
            let image = Image::of(&image);
            drop(Mounted::new(&image, "loop"));
            let bytes: Vec<u8> = image.bytes();
            assert_clean(&bytes);
            let mut fs = FileSystem::mount(FaultyDisk::new(bytes), OPTIONS).unwrap();
            history.check(&mut fs, &cuts);
            mounted += 1;
        }
    }
    std::println!("{mounted} mounted");
}
