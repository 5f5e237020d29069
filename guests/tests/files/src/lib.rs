// SPDX-License-Identifier: BSD-2-Clause
//! What the guest `files` and the test that boots it have in common: what is in files, and a work on them that is the
//! same each time, so that the test knows what has to be on the disk at any moment.
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

use alloc::{collections::BTreeMap, format, string::String, vec::Vec};

/// Directories of the work, which are there when it begins.
pub const DIRECTORIES: u32 = 3;
/// Files that there can be.
const FILES: u32 = 14;
/// Longest file, in bytes.
const LONGEST: u32 = 48 << 10;
/// The file that says how many steps are durable.
pub const PROGRESS: &str = "progress";

/// Numbers that follow from a seed (xorshift64*).
#[derive(Clone, Debug)]
pub struct Numbers(u64);

impl Numbers {
    /// Those of this seed.
    pub const fn new(seed: u64) -> Self {
        // Zero is the one state that stays.
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// The next one.
    pub const fn next(&mut self) -> u32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }

    /// The next one, below this.
    pub const fn below(&mut self, end: u32) -> u32 {
        self.next() % end
    }
}

/// Bytes that follow from a seed.
pub fn bytes(seed: u32, len: u32) -> Vec<u8> {
    let mut numbers = Numbers::new(seed.into());
    let mut bytes = Vec::with_capacity(len as usize + 4);
    while bytes.len() < len as usize {
        bytes.extend_from_slice(&numbers.next().to_le_bytes());
    }
    bytes.truncate(len as usize);
    bytes
}

/// Something that is done to files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Bytes are written, to a file that is made if there is none.
    Write {
        /// Which.
        path: String,
        /// Where.
        offset: u32,
        /// What they follow from.
        seed: u32,
        /// How many.
        len: u32,
    },
    /// A file is cut off, or made longer with zeros.
    Resize {
        /// Which.
        path: String,
        /// How long it is then.
        len: u32,
    },
    /// A file gets another name, in place of what has it.
    Rename {
        /// Its name.
        from: String,
        /// The other.
        to: String,
    },
    /// A file is removed.
    Remove {
        /// Which.
        path: String,
    },
}

impl Step {
    /// The files that it changes.
    pub fn paths(&self) -> Vec<&str> {
        match self {
            Self::Write { path, .. } | Self::Resize { path, .. } | Self::Remove { path } => {
                alloc::vec![path]
            }
            Self::Rename { from, to } => alloc::vec![from, to],
        }
    }
}

/// Files, as they have to be behind some steps of the work.
#[derive(Clone, Debug)]
pub struct World {
    numbers: Numbers,
    /// What is in each.
    pub files: BTreeMap<String, Vec<u8>>,
}

impl World {
    /// Before the first step of the work with this seed: there are no files.
    pub const fn new(seed: u32) -> Self {
        Self {
            numbers: Numbers::new(seed as u64),
            files: BTreeMap::new(),
        }
    }

    fn any_path(&mut self) -> String {
        let number = self.numbers.below(FILES);
        format!("d{}/f{number}", number % DIRECTORIES)
    }

    fn any_file(&mut self) -> Option<String> {
        let count = u32::try_from(self.files.len()).ok().filter(|it| *it != 0)?;
        let index = self.numbers.below(count) as usize;
        self.files.keys().nth(index).cloned()
    }

    /// Does the next step.
    pub fn step(&mut self) -> Step {
        let step = self.choose();
        match &step {
            Step::Write {
                path,
                offset,
                seed,
                len,
            } => {
                let file = self.files.entry(path.clone()).or_default();
                let end = (offset + len) as usize;
                if file.len() < end {
                    file.resize(end, 0);
                }
                if let Some(place) = file.get_mut(*offset as usize..end) {
                    place.copy_from_slice(&bytes(*seed, *len));
                }
            }
            Step::Resize { path, len } => {
                if let Some(file) = self.files.get_mut(path) {
                    file.resize(*len as usize, 0);
                }
            }
            Step::Rename { from, to } => {
                if let Some(file) = self.files.remove(from) {
                    self.files.insert(to.clone(), file);
                }
            }
            Step::Remove { path } => {
                self.files.remove(path);
            }
        }
        step
    }

    fn choose(&mut self) -> Step {
        let kind = self.numbers.below(10);
        match (kind, self.any_file()) {
            (0, Some(path)) => Step::Remove { path },
            (1 | 2, Some(from)) => Step::Rename {
                from,
                to: self.any_path(),
            },
            (3, Some(path)) => Step::Resize {
                path,
                len: self.numbers.below(LONGEST),
            },
            _ => {
                let path = self.any_path();
                let old = self.files.get(&path).map_or(0, Vec::len) as u32;
                // Whole blocks, some bytes somewhere, or some more at the end.
                let (offset, len) = match self.numbers.below(3) {
                    0 => (
                        4096 * self.numbers.below(4),
                        4096 * (1 + self.numbers.below(6)),
                    ),
                    1 => (self.numbers.below(9000), 1 + self.numbers.below(9000)),
                    _ => (old.min(LONGEST / 2), 1 + self.numbers.below(6000)),
                };
                Step::Write {
                    path,
                    offset,
                    seed: self.numbers.next(),
                    len,
                }
            }
        }
    }
}
