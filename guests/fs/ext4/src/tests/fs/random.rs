// SPDX-License-Identifier: BSD-2-Clause
//! Whatever is done, in whatever order: a file system does what the model does.
//!
//! `ATOLL_SOAK=seconds` has it go on for longer, `ATOLL_SEED=number` begins with that.

use alloc::{
    collections::{BTreeMap, BTreeSet},
    format, vec,
    vec::Vec,
};
use core::{ops::ControlFlow, time::Duration};
use std::{println, time::Instant};

use crate::{
    Ino,
    tests::{
        fs::{Rig, model::What, number, steps::Run},
        tools::{Image, mke2fs},
    },
};

const IMAGES: [(&str, u64); 7] = [
    ("-b 1024 -N 96", 8 * 1024),
    ("-b 4096 -N 256", 16 * 1024),
    ("-b 2048 -m 0", 12 * 1024),
    ("-b 1024 -O ^metadata_csum -m 0", 8 * 1024),
    (
        "-b 1024 -O ^metadata_csum,uninit_bg,^64bit -g 1024",
        10 * 1024,
    ),
    ("-b 4096 -I 128 -O ^64bit,^flex_bg", 20 * 1024),
    ("-b 1024 -g 2048 -O ^resize_inode -G 4", 12 * 1024),
];

impl Run {
    /// Compares all that there is, and has e2fsck and debugfs look at it.
    pub(super) fn finish(&mut self) {
        let mut seen = BTreeSet::new();
        let mut dirs = vec![self.model.root];
        while let Some(dir) = dirs.pop() {
            let mut names = BTreeMap::new();
            self.rig
                .fs
                .entries(Ino(dir), 0, &mut |entry| {
                    assert!(names.insert(entry.name.to_vec(), entry.ino.0).is_none());
                    ControlFlow::Continue(())
                })
                .unwrap();
            assert_eq!(&names, self.model.entries(dir).unwrap());
            dirs.extend(
                names
                    .values()
                    .filter(|ino| self.model.nodes[*ino].is_directory()),
            );
            seen.extend(names.into_values());
        }
        for ino in seen {
            self.stat(ino);
            if let Ok(contents) = self.model.file(ino) {
                for place in contents.places().collect::<Vec<_>>() {
                    let contents = self.model.file(ino).unwrap();
                    let mut bytes = [1; 1024];
                    let len = self.rig.fs.read_bytes(Ino(ino), place, &mut bytes).unwrap();
                    if self.is_vague {
                        self.model.file(ino).unwrap().write(place, &bytes[..len]);
                        continue;
                    }
                    assert!(
                        bytes[..len] == contents.read(place, 1024),
                        "{ino} at {place}"
                    );
                }
                // Others read it as a whole.
                if self.model.file(ino).unwrap().size > 1 << 22 {
                    self.rig.fs.truncate(Ino(ino), 100_000).unwrap();
                    self.model.file(ino).unwrap().truncate(100_000);
                }
            }
        }
        for ino in self.model.nodes.keys().copied().collect::<Vec<_>>() {
            while self.model.release(ino).is_ok() {
                self.rig.fs.release(Ino(ino)).unwrap();
            }
        }
        let image = self.rig.check();
        self.compare_dump(&image);
        self.rig = Rig::new(image);
        self.walks.clear();
    }

    fn compare_dump(&mut self, image: &[u8]) {
        let files = Image::of(image);
        let folder = format!("{}.d", files.path());
        std::fs::create_dir(&folder).unwrap();
        let (status, said) = files.run("debugfs", &["-R", &format!("rdump / {folder}")]);
        assert_eq!(status, 0, "{said}");
        let mut dirs = vec![(self.model.root, folder.clone())];
        while let Some((dir, path)) = dirs.pop() {
            let count = std::fs::read_dir(&path).unwrap().count();
            let entries = self.model.entries(dir).unwrap();
            assert_eq!(count, entries.len(), "{path}");
            for (name, ino) in entries {
                let path = format!("{path}/{}", core::str::from_utf8(name).unwrap());
                match &self.model.nodes[ino].what {
                    What::Directory { .. } => dirs.push((*ino, path)),
                    What::File(contents) => {
                        let bytes = std::fs::read(&path).unwrap();
                        assert!(bytes == contents.read(0, contents.size), "{path}");
                    }
                    What::Symlink(target) => {
                        let link = std::fs::read_link(&path);
                        let link = link.unwrap().into_os_string().into_encoded_bytes();
                        assert_eq!(&link, target);
                    }
                }
            }
        }
        std::fs::remove_dir_all(folder).unwrap();
    }
}

/// Says which seed it was if a test fails.
struct Told(u64, &'static str);

impl Drop for Told {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("ATOLL_SEED={} with {}", self.0, self.1);
        }
    }
}

/// How often there was no space.
fn run(seed: u64, steps: usize) -> usize {
    let (options, size) = IMAGES[(seed % IMAGES.len() as u64) as usize];
    let _told = Told(seed, options);
    let mut run = Run::new(mke2fs(options, size), seed);
    for _ in 0..3 {
        for _ in 0..steps {
            run.step();
        }
        run.finish();
    }
    run.full
}

#[test]
fn it_does_what_the_model_does() {
    let first = number("ATOLL_SEED").unwrap_or(0);
    let soak = Duration::from_secs(number("ATOLL_SOAK").unwrap_or(0));
    let start = Instant::now();
    let (mut seed, mut full) = (first, 0);
    while seed < first + IMAGES.len() as u64 || start.elapsed() < soak {
        full += run(seed, 600);
        seed += 1;
    }
    println!("{} seeds, {full} times no space", seed - first);
    assert!(full > 0);
}
