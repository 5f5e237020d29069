// SPDX-License-Identifier: BSD-2-Clause
//! What e2fsprogs say.

use alloc::{format, string::String, vec::Vec};
use core::sync::atomic::{AtomicU64, Ordering};
use std::{
    fs,
    path::PathBuf,
    process::{Command, Stdio},
};

/// A file that is gone with this.
pub(crate) struct Image(PathBuf);

impl Image {
    /// A file with these bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("atoll-ext4-{}-{number}.img", std::process::id());
        let shared = PathBuf::from("/dev/shm");
        let folder = if shared.is_dir() {
            shared
        } else {
            std::env::temp_dir()
        };
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        Self(path)
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        fs::read(&self.0).unwrap()
    }

    /// Runs a tool with the file as its last argument; answers its exit status and all that it said.
    pub(crate) fn run(&self, tool: &str, arguments: &[&str]) -> (i32, String) {
        let output = Command::new(tool)
            .env("PATH", "/sbin:/usr/sbin:/bin:/usr/bin")
            .args(arguments)
            .arg(&self.0)
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let status = output.status.code().unwrap_or(-1);
        (status, String::from_utf8_lossy(&said).into_owned())
    }

    /// Gives debugfs commands, one a line.
    pub(crate) fn debugfs(&self, commands: &str) -> String {
        let script = Self::of(commands.as_bytes());
        self.run("debugfs", &["-w", "-f", script.0.to_str().unwrap()])
            .1
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A file system of `kilobytes`, as `mke2fs -t ext4` makes it with these options.
pub(crate) fn mke2fs(options: &str, kilobytes: u64) -> Vec<u8> {
    let image = Image::of(&[]);
    let file = fs::File::options().write(true).open(&image.0).unwrap();
    file.set_len(kilobytes * 1024).unwrap();
    let mut arguments: Vec<&str> = ["-q", "-F", "-t", "ext4"].to_vec();
    arguments.extend(options.split_whitespace());
    let (status, said) = image.run("mke2fs", &arguments);
    assert_eq!(status, 0, "mke2fs {options}: {said}");
    image.bytes()
}

/// Has e2fsck replay the journal; answers what the file system is then.
pub(crate) fn replayed(bytes: &[u8]) -> Vec<u8> {
    let image = Image::of(bytes);
    let (status, said) = image.run("e2fsck", &["-fy", "-E", "journal_only"]);
    // 1: something was changed.
    assert!(status <= 1, "e2fsck says {status}: {said}");
    image.bytes()
}

/// Has e2fsck make it as it likes it.
pub(crate) fn checked(bytes: &[u8]) -> Vec<u8> {
    let image = Image::of(bytes);
    let (status, said) = image.run("e2fsck", &["-fy"]);
    assert!(status <= 1, "e2fsck says {status}: {said}");
    image.bytes()
}

/// Has e2fsck look for errors.
#[track_caller]
pub(crate) fn assert_clean(bytes: &[u8]) {
    let (status, said) = Image::of(bytes).run("e2fsck", &["-fn"]);
    assert_eq!(status, 0, "e2fsck finds: {said}");
}
