// SPDX-License-Identifier: BSD-2-Clause
//! Paths: from a directory that a client has to what is below, and never above.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use atoll_abi::fs::{Error, MAX_NAME, MAX_PATH, MAX_SYMLINKS};
use fs_ext4::{Disk, FileSystem, Ino, Kind};

use crate::error::told;

/// Where a path leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Way {
    /// To a directory that has no name on it: the one that it begins at, or one that a `.` or `..` led to.
    Directory(Ino),
    /// To an entry of a directory.
    Entry {
        /// The directory.
        parent: Ino,
        /// The name there.
        name: String,
        /// What has the name, if anything.
        found: Option<(Ino, Kind)>,
        /// Whether only a directory will do: there was a slash behind it.
        wants_directory: bool,
    },
}

impl Way {
    /// What is there.
    pub fn found(&self) -> Result<(Ino, Kind), Error> {
        match self {
            Self::Directory(ino) => Ok((*ino, Kind::Directory)),
            Self::Entry {
                found,
                wants_directory,
                ..
            } => match found.ok_or(Error::NotFound)? {
                (_, kind) if *wants_directory && kind != Kind::Directory => {
                    Err(Error::NotDirectory)
                }
                found => Ok(found),
            },
        }
    }

    /// The directory and the name in it, of what is to be made, moved or removed. `directory`: whether a slash
    /// behind it is right.
    pub fn entry(&self, directory: bool) -> Result<(Ino, &str), Error> {
        match self {
            Self::Directory(_) => Err(Error::BadPath),
            Self::Entry {
                wants_directory: true,
                ..
            } if !directory => Err(Error::NotDirectory),
            Self::Entry { parent, name, .. } => Ok((*parent, name)),
        }
    }
}

/// Follows a path from a directory. `follow`: whether a symbolic link at its end is followed.
pub fn walk<D: Disk>(
    fs: &mut FileSystem<D>,
    from: Ino,
    path: &str,
    follow: bool,
) -> Result<Way, Error> {
    check(path)?;
    let mut walk = Walk {
        fs,
        above: Vec::new(),
        at: from,
        links: 0,
    };
    walk.go(path.to_owned(), follow)
}

fn check(path: &str) -> Result<(), Error> {
    if path.len() > MAX_PATH as usize || path.contains('\0') {
        return Err(Error::BadPath);
    }
    match path.starts_with('/') {
        true => Err(Error::Escapes),
        false => Ok(()),
    }
}

struct Walk<'a, D: Disk> {
    fs: &'a mut FileSystem<D>,
    /// The directories on the way to this one.
    above: Vec<Ino>,
    at: Ino,
    /// Symbolic links that were followed.
    links: u32,
}

impl<D: Disk> Walk<'_, D> {
    fn go(&mut self, path: String, follow: bool) -> Result<Way, Error> {
        // What is left of the path, and of the links that it led to, the last one first.
        let mut rest = path;
        loop {
            let trimmed = rest.trim_start_matches('/');
            if trimmed.is_empty() {
                return Ok(Way::Directory(self.at));
            }
            let (part, behind) = match trimmed.split_once('/') {
                Some((part, behind)) => (part, Some(behind)),
                None => (trimmed, None),
            };
            let is_last = behind.is_none_or(|behind| behind.bytes().all(|byte| byte == b'/'));
            match part {
                "." => {}
                ".." => self.at = self.above.pop().ok_or(Error::Escapes)?,
                _ if part.len() > MAX_NAME as usize => return Err(Error::BadPath),
                name => {
                    let found = match self.fs.lookup(self.at, name.as_bytes()) {
                        Ok(found) => Some(found),
                        Err(fs_ext4::Error::NotFound) => None,
                        Err(error) => return Err(told(error)),
                    };
                    match found {
                        // A slash behind a link asks for what it leads to.
                        Some((link, Kind::Symlink)) if !is_last || follow || behind.is_some() => {
                            let target = self.target(link)?;
                            rest = match behind {
                                Some(behind) => alloc::format!("{target}/{behind}"),
                                None => target,
                            };
                            if rest.len() > 2 * MAX_PATH as usize {
                                return Err(Error::BadPath);
                            }
                            continue;
                        }
                        _ if is_last => {
                            return Ok(Way::Entry {
                                parent: self.at,
                                name: name.into(),
                                found,
                                wants_directory: behind.is_some(),
                            });
                        }
                        Some((directory, Kind::Directory)) => {
                            self.above.push(self.at);
                            self.at = directory;
                        }
                        Some(_) => return Err(Error::NotDirectory),
                        None => return Err(Error::NotFound),
                    }
                }
            }
            rest = behind.unwrap_or_default().to_owned();
        }
    }

    /// What a symbolic link says.
    fn target(&mut self, link: Ino) -> Result<String, Error> {
        self.links += 1;
        if self.links > MAX_SYMLINKS {
            return Err(Error::TooManySymlinks);
        }
        let target = self.fs.read_link(link).map_err(told)?;
        let target = String::from_utf8(target).map_err(|_| Error::BadPath)?;
        check(&target)?;
        Ok(target)
    }
}
