// SPDX-License-Identifier: BSD-2-Clause
//! Files and directories: on images that mke2fs makes, with e2fsck and debugfs as judges.

mod basic;
mod entries;
mod faults;
mod host;
mod hostile;
mod model;
mod random;
mod steps;

use alloc::{string::String, vec, vec::Vec};
use core::ops::ControlFlow;

use crate::{
    Error, FileSystem, Ino, Kind, MountError, Options,
    tests::{
        disk::{FaultyDisk, Window},
        tools::{Image, assert_clean},
    },
};

/// What mke2fs makes: options, and kilobytes.
pub(crate) const VARIANTS: [(&str, u64); 8] = [
    ("-b 4096", 32 * 1024),
    ("-b 1024", 16 * 1024),
    ("-b 2048", 24 * 1024),
    ("-b 1024 -O ^metadata_csum", 16 * 1024),
    ("-b 4096 -O ^64bit", 32 * 1024),
    ("-b 1024 -O ^metadata_csum,uninit_bg,^64bit", 24 * 1024),
    ("-b 1024 -I 128 -O ^flex_bg,^64bit", 16 * 1024),
    ("-b 1024 -O ^resize_inode,meta_bg -N 600", 32 * 1024),
];

/// The number that a variable of the environment has.
pub(crate) fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

/// A file system under test, and the disk that it is on.
pub(crate) struct Rig {
    pub(crate) fs: FileSystem<FaultyDisk>,
    pub(crate) disk: FaultyDisk,
}

impl Rig {
    pub(crate) fn new(image: Vec<u8>) -> Self {
        Self::mount(FaultyDisk::new(image)).unwrap()
    }

    pub(crate) fn mount(disk: FaultyDisk) -> Result<Self, MountError> {
        Self::mount_with(disk, 256)
    }

    pub(crate) fn mount_with(disk: FaultyDisk, cache: usize) -> Result<Self, MountError> {
        let options = Options {
            cache,
            ..Options::default()
        };
        let fs = FileSystem::mount(disk.clone(), options)?;
        Ok(Self { fs, disk })
    }

    /// Settles, and has e2fsck look at it: the image.
    #[track_caller]
    pub(crate) fn check(&mut self) -> Vec<u8> {
        self.fs.settle().unwrap();
        let image = self.disk.image();
        assert_clean(&image);
        image
    }

    /// What a path leads to.
    pub(crate) fn at(&mut self, path: &str) -> Result<Ino, Error> {
        let mut at = self.fs.root();
        for name in path.split('/').filter(|name| !name.is_empty()) {
            at = self.fs.lookup(at, name.as_bytes())?.0;
        }
        Ok(at)
    }

    /// All bytes of a file.
    pub(crate) fn contents(&mut self, ino: Ino) -> Result<Vec<u8>, Error> {
        let size = self.fs.stat(ino)?.size as usize;
        let mut bytes = vec![0xaa; size + 7];
        let read = self.fs.read_bytes(ino, 0, &mut bytes)?;
        assert_eq!(read, size);
        bytes.truncate(size);
        // The same, past the cache.
        let window = Window::new(vec![0xaa; size + 14]);
        let read = self.fs.read(ino, 0, &window, 3, size as u32 + 7)?;
        assert_eq!(read as usize, size);
        let window = window.0.into_inner();
        assert_eq!(window[3..size + 3], bytes);
        assert!(
            window[..3]
                .iter()
                .chain(&window[size + 3..])
                .all(|byte| *byte == 0xaa)
        );
        Ok(bytes)
    }

    /// Names in a directory, in order.
    pub(crate) fn names(&mut self, dir: Ino) -> Result<Vec<(String, Kind)>, Error> {
        let mut names = Vec::new();
        self.fs.entries(dir, 0, &mut |entry| {
            let name = String::from_utf8(entry.name.to_vec()).unwrap();
            names.push((name, entry.kind));
            ControlFlow::Continue(())
        })?;
        names.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(names)
    }
}

/// What debugfs reads of a file.
pub(crate) fn dumped(image: &[u8], path: &str) -> Vec<u8> {
    let image = Image::of(image);
    let to = Image::of(&[]);
    let command = alloc::format!("dump {path} {}", to.path());
    let (status, said) = image.run("debugfs", &["-R", &command]);
    assert_eq!(status, 0, "{said}");
    to.bytes()
}
